"""TIFF written: deflated, one page for each frame with metadata of its own, by tifffile."""

import io
import struct
from typing import Any

import tifffile
from PIL import ExifTags, Image, TiffImagePlugin

from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Frame, Picture
from ripfdn_cli.pictures.tiff_files import POINTERS, directory_at

_CLASSIC_LIMIT = 2**32 - 2**25
"""Bytes past which a TIFF needs 64-bit offsets."""
_XMP = 700
_BYTE, _ASCII, _LONG, _RATIONAL, _SIGNED_RATIONAL = 1, 2, 4, 5, 10  # types of tags
_Tag = tuple[int | str, int, int, Any, bool]
"""Code or name, type, count, value, first page only: as tifffile takes further tags."""


def encode_tiff(picture: Picture) -> bytes:
    """`picture` as a TIFF, deflated, one page for each frame, each with its metadata."""
    stream = io.BytesIO()
    size = sum(frame.nbytes for frame in picture.frames)
    with tifffile.TiffWriter(stream, bigtiff=size > _CLASSIC_LIMIT) as writer:
        for frame, metadata in zip(picture.frames, picture.page_metadata, strict=True):
            _write_page(writer, frame, metadata)
    data = stream.getvalue()
    if size > _CLASSIC_LIMIT:
        return data
    for metadata in picture.page_metadata:
        if metadata.exif is not None:
            data = _with_exif(data, metadata.exif)
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


def _with_exif(data: bytes, exif: bytes) -> bytes:
    """The TIFF `data` with EXIF's further directories appended, and the tags of the first page that has none
    yet pointing to them.
    """
    parsed = Image.Exif()
    parsed.load(exif)
    for tag in POINTERS:
        if tag not in parsed:
            continue
        data += b"\0" * (len(data) % 2)
        empty = _pointer(tag, 0)
        data = data.replace(empty, _pointer(tag, len(data)), 1) + _directory(parsed, tag, len(data))
    return data


def _pointer(tag: int, offset: int) -> bytes:
    """An entry of a little-endian TIFF directory: one LONG."""
    return struct.pack("<HHII", tag, _LONG, 1, offset)


def _directory(exif: Image.Exif, tag: int, offset: int) -> bytes:
    """EXIF's directory behind `tag`, to lie at `offset` of a little-endian TIFF."""
    directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\x08\0\0\0", group=tag)
    for name, value in exif.get_ifd(tag).items():
        directory[name] = exif.get_ifd(name) if name == ExifTags.IFD.Interop else value
    return directory.tobytes(offset)
