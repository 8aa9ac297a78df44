"""TIFF written: deflated, one page for each frame with metadata of its own, by tifffile."""

import io
import struct
from typing import Any

import numpy as np
import tifffile

from ripfdn_cli.pictures.exif import (
    DETAILS,
    PLACE,
    ByteOrder,
    RawTag,
    byte_order,
    directories_for,
    directory_offsets,
    first_tags,
    moved_exif,
)
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.photoshop import resources_for_tiff
from ripfdn_cli.pictures.picture import Frame, Picture

_CLASSIC_LIMIT = 2**32 - 2**25
"""Bytes past which a TIFF needs 64-bit offsets."""
_POINTERS = {DETAILS: "ExifTag", PLACE: "GPSTag"}
"""EXIF's further directories, and tifffile's names of the tags that point to them."""
_XMP, _RESOURCES = 700, 34377
_BYTE, _LONG, _RATIONAL, _SIGNED_RATIONAL, _IFD8 = 1, 4, 5, 10, 18  # types of tags
_Tag = tuple[int | str, int, int, Any, bool]
"""Code or name, type, count, value, first page only: as tifffile takes further tags."""


def encode_tiff(picture: Picture) -> bytes:
    """`picture` as a TIFF, deflated, one page for each frame, each with its metadata; as a BigTIFF where it
    may become too large.
    """
    stream = io.BytesIO()
    blocks = [metadata.exif for metadata in picture.page_metadata if metadata.exif is not None]
    size = sum(frame.nbytes for frame in picture.frames) + sum(map(len, blocks))
    is_big = size > _CLASSIC_LIMIT
    order = byte_order(blocks[0]) if blocks else "<"  # which maker notes share with their file
    with tifffile.TiffWriter(stream, bigtiff=is_big, byteorder=order) as writer:
        for frame, metadata in zip(picture.frames, picture.page_metadata, strict=True):
            _write_page(writer, frame, metadata, order, is_big=is_big)
    if not blocks:
        return stream.getvalue()
    data = bytearray(stream.getbuffer())
    for exif in blocks:
        _append_exif(data, exif, order, is_big=is_big)
    return bytes(data)


def _write_page(
    writer: tifffile.TiffWriter, frame: Frame, metadata: Metadata, order: ByteOrder, *, is_big: bool
) -> None:
    channels = frame.shape[2]
    writer.write(
        frame[..., 0] if channels == 1 else frame,
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        predictor=True,
        rowsperstrip=max(1, 2**18 // frame[0].nbytes),
        resolution=metadata.dpi,
        resolutionunit="INCH" if metadata.dpi else None,
        iccprofile=metadata.icc_profile,
        software=False,
        metadata=None,
        extratags=_extra_tags(metadata, order, is_big=is_big),
    )


def _extra_tags(metadata: Metadata, order: ByteOrder, *, is_big: bool) -> list[_Tag]:
    """XMP, Photoshop's resources, tags of the colour space and of EXIF's first directory, and places for the
    offsets of EXIF's other directories.
    """
    tags: list[_Tag] = []
    if metadata.xmp:
        tags.append((_XMP, _BYTE, len(metadata.xmp), metadata.xmp, True))
    if resources := resources_for_tiff(metadata.iptc):
        tags.append((_RESOURCES, _BYTE, len(resources), resources, True))
    if metadata.colorimetry is not None:
        tags += [_extra_tag(tag, order) for tag in first_tags(metadata.colorimetry, order)]
    if metadata.exif is not None:
        kind = _IFD8 if is_big else _LONG
        tags += [(_POINTERS[tag], kind, 1, 0, True) for tag in directory_offsets(metadata.exif)]
        tags += [_extra_tag(tag, order) for tag in first_tags(metadata.exif, order)]
    return tags


def _extra_tag(tag: RawTag, order: ByteOrder) -> _Tag:
    value: Any = tag.value
    if tag.kind in (_RATIONAL, _SIGNED_RATIONAL):  # which tifffile doesn't count as bytes
        value = np.frombuffer(value, order + ("u4" if tag.kind == _RATIONAL else "i4")).tolist()
    return tag.tag, tag.kind, tag.count, value, True


def _append_exif(data: bytearray, exif: bytes, order: ByteOrder, *, is_big: bool) -> None:
    """Append EXIF's further directories to the TIFF `data`, in byte `order`, and make the tags of the first
    page that has none yet point to them.
    """
    data += bytes(len(data) % 2)
    if byte_order(exif) == order and not is_big:
        places = {tag: len(data) + offset for tag, offset in directory_offsets(exif).items()}
        appended = moved_exif(exif, len(data))
    else:
        places, appended = directories_for(exif, len(data), order, is_big=is_big)
    for tag, place in places.items():
        entry = _pointer(tag, 0, order, is_big=is_big)
        at = data.index(entry)
        data[at : at + len(entry)] = _pointer(tag, place, order, is_big=is_big)
    data += appended


def _pointer(tag: int, offset: int, order: ByteOrder, *, is_big: bool) -> bytes:
    """An entry of a TIFF's directory: one LONG, in a BigTIFF one IFD8."""
    if is_big:
        return struct.pack(order + "HHQQ", tag, _IFD8, 1, offset)
    return struct.pack(order + "HHII", tag, _LONG, 1, offset)
