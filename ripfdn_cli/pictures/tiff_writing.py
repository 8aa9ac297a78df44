"""TIFF written: deflated, one page for each frame with metadata of its own, by tifffile."""

import io
import struct
from collections.abc import Iterable
from typing import Any, Literal

import tifffile
from PIL import ExifTags, Image, TiffImagePlugin

from ripfdn_cli.pictures.exif import byte_order, directory_offsets, moved_exif
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.photoshop import resources_for_tiff
from ripfdn_cli.pictures.picture import Frame, Picture
from ripfdn_cli.pictures.tiff_files import POINTERS, directory_at

_CLASSIC_LIMIT = 2**32 - 2**25
"""Bytes past which a TIFF needs 64-bit offsets."""
_HEADS = {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}
_XMP, _RESOURCES = 700, 34377
_BYTE, _ASCII, _LONG, _RATIONAL, _SIGNED_RATIONAL = 1, 2, 4, 5, 10  # types of tags
_Tag = tuple[int | str, int, int, Any, bool]
"""Code or name, type, count, value, first page only: as tifffile takes further tags."""


def encode_tiff(picture: Picture) -> bytes:
    """`picture` as a TIFF, deflated, one page for each frame, each with its metadata."""
    stream = io.BytesIO()
    size = sum(frame.nbytes for frame in picture.frames)
    blocks = [metadata.exif for metadata in picture.page_metadata if metadata.exif is not None]
    order: Literal["<", ">"] = (
        byte_order(blocks[0]) if blocks else "<"
    )  # which maker notes share with their file
    with tifffile.TiffWriter(stream, bigtiff=size > _CLASSIC_LIMIT, byteorder=order) as writer:
        for frame, metadata in zip(picture.frames, picture.page_metadata, strict=True):
            _write_page(writer, frame, metadata)
    data = stream.getvalue()
    if size > _CLASSIC_LIMIT:
        return data
    for exif in blocks:
        data = _with_exif(data, exif, order)
    return data


def _write_page(writer: tifffile.TiffWriter, frame: Frame, metadata: Metadata) -> None:
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
        extratags=_extra_tags(metadata),
    )


def _extra_tags(metadata: Metadata) -> list[_Tag]:
    """Tags of EXIF's first directory, XMP, and places for the offsets of EXIF's other directories."""
    tags: list[_Tag] = []
    if metadata.xmp:
        tags.append((_XMP, _BYTE, len(metadata.xmp), metadata.xmp, True))
    if resources := resources_for_tiff(metadata.iptc):
        tags.append((_RESOURCES, _BYTE, len(resources), resources, True))
    if metadata.exif is None:
        return tags
    directory = directory_at(metadata.exif[6:], 8)
    for tag, value in directory.items():
        if tag in POINTERS:
            tags.append((POINTERS[tag], _LONG, 1, 0, True))
        else:
            tags.append(_extra_tag(tag, directory.tagtype[tag], value))
    return tags


def _extra_tag(tag: int, kind: int, value: Any) -> _Tag:
    if kind == _ASCII:
        return tag, kind, 0, value.encode("utf-8", "replace") + b"\0", True
    if isinstance(value, bytes):
        return tag, kind, len(value), value, True
    values = value if isinstance(value, tuple) else (value,)
    if kind in (_RATIONAL, _SIGNED_RATIONAL):
        flat = [part for ratio in values for part in (ratio.numerator, ratio.denominator)]
        return tag, kind, len(values), flat, True
    return tag, kind, len(values), values, True


def _with_exif(data: bytes, exif: bytes, order: str) -> bytes:
    """The TIFF `data`, in byte `order`, with EXIF's further directories appended, and the tags of the first
    page that has none yet pointing to them.
    """
    data += b"\0" * (len(data) % 2)
    offsets = directory_offsets(exif)
    if byte_order(exif) == order:
        places = {tag: len(data) + offset for tag, offset in offsets.items()}
        appended = moved_exif(exif, len(data))
    else:
        places, appended = _rewritten(exif, offsets, len(data), order)
    for tag, place in places.items():
        data = data.replace(_pointer(tag, 0, order), _pointer(tag, place, order), 1)
    return data + appended


def _pointer(tag: int, offset: int, order: str) -> bytes:
    """An entry of a TIFF's directory: one LONG."""
    return struct.pack(order + "HHII", tag, _LONG, 1, offset)


def _rewritten(exif: bytes, tags: Iterable[int], start: int, order: str) -> tuple[dict[int, int], bytes]:
    """EXIF's directories behind `tags`, to lie from `start` on in a TIFF of the other byte `order`, and the
    place of each: for pages whose EXIF differs in that from the first page's.
    """
    parsed = Image.Exif()
    parsed.load(exif)
    places: dict[int, int] = {}
    content = b""
    for tag in tags:
        directory = TiffImagePlugin.ImageFileDirectory_v2(_HEADS[order], group=tag)
        for name, value in parsed.get_ifd(tag).items():
            directory[name] = parsed.get_ifd(name) if name == ExifTags.IFD.Interop else value
        content += b"\0" * (len(content) % 2)
        places[tag] = start + len(content)
        content += directory.tobytes(places[tag])
    return places, content
