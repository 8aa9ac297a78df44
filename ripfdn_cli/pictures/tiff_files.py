"""TIFF: any depth, floats, several pages, read and written by tifffile; Pillow reads the rarest colours."""

import io
import logging
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import NO_METADATA, Metadata, metadata_of_tiff_tags, orientation
from ripfdn_cli.pictures.picture import (
    Frame,
    Header,
    Picture,
    as_samples,
    as_stored,
    check_size,
    highest,
    too_many_pixels,
)
from ripfdn_cli.pictures.pillow_pixels import pixels_of

log = logging.getLogger(__name__)

_MOST_PAGES = 10_000
_CLASSIC_LIMIT = 2**32 - 2**25
"""Bytes past which a TIFF needs 64-bit offsets."""
_CHANNELS = {0: 1, 1: 1, 2: 3, 6: 3}
"""Photometric interpretation (white or black is zero, RGB, YCbCr that JPEG has decoded) → channels."""
_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000)
"""None, CCITT, LZW, JPEG, deflate, PackBits, LZMA, Zstandard: what the page's header bounds."""
_PILLOWS_COLOURS = (6, 8)
"""YCbCr and CIELAB: converted by Pillow, at 8 bits."""
_POINTERS = {34665: "ExifTag", 34853: "GPSTag"}
"""EXIF's further directories, and tifffile's names of the tags that point to them."""
_XMP, _ORIENTATION = 700, 274
_BYTE, _ASCII, _LONG, _RATIONAL, _SIGNED_RATIONAL = 1, 2, 4, 5, 10  # types of tags
_Tag = tuple[int | str, int, int, Any, bool]
"""Code or name, type, count, value, first page only: as tifffile takes further tags."""


def read_tiff_header(data: bytes, max_pixels: int) -> Header:
    """What the TIFF `data` says of its first page. Raises InputError, and what tifffile raises for damage."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pages = _pages(file, max_pixels)
        height, width = pages[0].imagelength, pages[0].imagewidth
        channels, depth, count = pages[0].samplesperpixel, pages[0].bitspersample, len(pages)
    if orientation(_tags(data)) >= 5:
        width, height = height, width
    return Header(width, height, channels, -(-depth // 8), count, format_named("tiff"))


def decode_tiff(data: bytes, max_pixels: int) -> tuple[Picture, list[int]]:
    """All full-size pages of the TIFF `data` as they are stored, and the orientation of each.

    Raises InputError, and whatever Pillow and tifffile raise for damage.
    """
    tags = _tags(data)
    metadata = metadata_of_tiff_tags(tags)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pages = _pages(file, max_pixels)
        decoded = [_decode_page(data, page, metadata) for page in pages]
        turns = [_orientation(page) for page in pages]
    frames = tuple(frame for frame, _ in decoded)
    metadata = replace(metadata, icc_profile=decoded[0][1])
    return Picture(frames, format_named("tiff"), metadata), turns


def encode_tiff(picture: Picture) -> bytes:
    """`picture` as a TIFF, deflated, one page for each frame, the metadata in the first."""
    stream = io.BytesIO()
    size = sum(frame.nbytes for frame in picture.frames)
    with tifffile.TiffWriter(stream, bigtiff=size > _CLASSIC_LIMIT) as writer:
        for number, frame in enumerate(picture.frames):
            _write_page(writer, frame, picture.metadata if number == 0 else NO_METADATA)
    data = stream.getvalue()
    return (
        data
        if picture.metadata.exif is None or size > _CLASSIC_LIMIT
        else _with_exif(data, picture.metadata.exif)
    )


def _pages(file: tifffile.TiffFile, max_pixels: int) -> list[tifffile.TiffPage]:
    """The pages that are pictures of their own, previews left out; their sizes within bounds."""
    pages, pixels = [], 0
    for page in file.pages:
        if not isinstance(page, tifffile.TiffPage) or page.is_reduced or page.is_mask:
            continue
        check_size(page.imagewidth, page.imagelength, 1, max_pixels)
        pages.append(page)
        pixels += page.imagewidth * page.imagelength
        if pixels > max_pixels or len(pages) > _MOST_PAGES:
            raise too_many_pixels("its pages together have more", max_pixels)
    if not pages:
        raise InputError("it has no page with a picture")
    return pages


def _tags(data: bytes) -> Image.Exif:
    """The first directory of the TIFF `data`, as EXIF names its tags."""
    tags = Image.Exif()
    if 42 in data[2:4]:  # 43 in a BigTIFF
        tags.load_from_fp(io.BytesIO(data))
        return tags
    directory = _first_directory(data, 16)
    if _POINTERS.keys() & set(directory):
        log.warning("EXIF's further directories in a BigTIFF can't be read and are left out")
    tags.update({tag: value for tag, value in directory.items() if tag not in _POINTERS})
    return tags


def _first_directory(data: bytes, head: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[:head])
    stream = io.BytesIO(data)
    stream.seek(directory.next)
    directory.load(stream)
    return directory


def _decode_page(data: bytes, page: tifffile.TiffPage, metadata: Metadata) -> tuple[Frame, bytes | None]:
    """One page's samples, and the profile that they are in."""
    if (
        page.photometric in _PILLOWS_COLOURS
        and page.bitspersample <= 8
        and page.compression != tifffile.COMPRESSION.JPEG
    ):
        return _decode_page_with_pillow(data, page)
    _check_whole(data, page)
    samples = _samples_last(page)
    if page.photometric == tifffile.PHOTOMETRIC.SEPARATED:
        return _cmyk_to_srgb(samples, metadata.icc_profile)
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        return pixels_of(_palette_image(page, samples))[0], metadata.icc_profile
    return _channels(page, _standard_range(page, samples)), metadata.icc_profile


def _decode_page_with_pillow(data: bytes, page: tifffile.TiffPage) -> tuple[Frame, bytes | None]:
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        image.seek(page.index)
        image.load()  # which turns TIFFs, and only them, upright
        frame, icc_profile = pixels_of(image)
    frame = as_stored(frame, _orientation(page))
    if frame.shape[:2] != (page.imagelength, page.imagewidth):
        raise InputError("its header contradicts its content")
    return frame, icc_profile


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def _check_whole(data: bytes, page: tifffile.TiffPage) -> None:
    """Raises InputError where strips are missing or end past the file; tifffile would give zeros for them."""
    ends = (offset + size for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True))
    if 0 in page.databytecounts or max(ends, default=0) > len(data):
        raise InputError("a part of its pixels is missing; the file is cut off or damaged")
    if page.compression not in _COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(f"its compression ({name}) is not supported; save it with LZW or deflate")
    if page.compression == tifffile.COMPRESSION.JPEG:
        _check_jpeg_segments(data, page)


def _check_jpeg_segments(data: bytes, page: tifffile.TiffPage) -> None:
    """Raises InputError where a strip or tile says it is larger than the page's strips or tiles: the decoder
    would allocate what it says.
    """
    height, width = min(page.rowsperstrip, page.imagelength), page.imagewidth
    if page.is_tiled:
        height, width = page.tilelength, page.tilewidth
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        try:
            with Image.open(io.BytesIO(data[offset : offset + size]), formats=("JPEG",)) as segment:
                larger = segment.width > width or segment.height > height
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            larger = True  # by so much that Pillow objects first
        if larger:
            raise InputError("its header contradicts its content")


def _samples_last(page: tifffile.TiffPage) -> NDArray[Any]:
    """(H, W, samples) of a page, however they are stored."""
    if page.imagedepth != 1:
        raise InputError("it is a volume, not a picture")
    samples: NDArray[Any] = page.asarray(maxworkers=1)
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1:
        samples = np.moveaxis(samples, 0, -1)
    shaped: NDArray[Any] = samples.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    return shaped


def _standard_range(page: tifffile.TiffPage, samples: NDArray[Any]) -> NDArray[Any]:
    """uint8 or uint16 over their whole range, or float32."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype not in (np.bool_, np.uint8, np.uint16):
        raise InputError(
            f"its samples are of a type that is not supported ({samples.dtype}); "
            "convert them to unsigned 16 bit or float"
        )
    dtype = np.uint16 if page.bitspersample > 8 else np.uint8
    full, top = int(np.iinfo(dtype).max), 2**page.bitspersample - 1
    if full == top:
        return samples
    stretched: NDArray[Any] = ((samples.astype(np.uint32) * full + top // 2) // top).astype(dtype)
    return stretched


def _palette_image(page: tifffile.TiffPage, samples: NDArray[Any]) -> Image.Image:
    if samples.dtype not in (np.bool_, np.uint8) or page.colormap is None:
        raise InputError("its palette is missing, or of more than 256 colours")
    image = Image.fromarray(samples[..., 0].astype(np.uint8)).convert("P")
    image.putpalette((page.colormap >> 8).T.astype(np.uint8).tobytes())
    return image


def _channels(page: tifffile.TiffPage, samples: NDArray[Any]) -> Frame:
    """Grey or RGB with alpha where the page has it; other extra samples are left out."""
    kind = page.photometric
    if kind not in _CHANNELS:
        raise InputError(f"its colours are of a kind that is not supported ({getattr(kind, 'name', kind)})")
    colours = _CHANNELS[kind]
    if samples.shape[2] < colours:
        raise InputError("its header contradicts its content")
    if kind == tifffile.PHOTOMETRIC.MINISWHITE:
        samples[..., 0] = highest(samples.dtype) - samples[..., 0]
    extra = page.extrasamples[0] if page.extrasamples else 0
    if not extra or samples.shape[2] == colours:
        return np.ascontiguousarray(samples[..., :colours])
    frame = np.ascontiguousarray(samples[..., : colours + 1])
    return _straight_alpha(frame) if extra == tifffile.EXTRASAMPLE.ASSOCALPHA else frame


def _straight_alpha(frame: Frame) -> Frame:
    """`frame` with colours that were multiplied by alpha divided by it again."""
    top = np.float32(highest(frame.dtype))
    alpha = frame[..., -1:].astype(np.float32)
    colours = frame[..., :-1] * np.divide(top, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    if frame.dtype.kind == "u":
        colours = np.rint(np.minimum(colours, top))
    return np.concatenate([colours.astype(frame.dtype), frame[..., -1:]], axis=2)


def _cmyk_to_srgb(samples: NDArray[Any], icc_profile: bytes | None) -> tuple[Frame, bytes | None]:
    """Profiles are applied at 8 bits, which is what LittleCMS takes through Pillow."""
    if samples.dtype not in (np.uint8, np.uint16) or samples.shape[2] < 4:
        raise InputError("its header contradicts its content")
    eight = as_samples(np.ascontiguousarray(samples[..., :4]), np.uint8)
    image = Image.frombytes("CMYK", (eight.shape[1], eight.shape[0]), eight.tobytes())
    if icc_profile:
        image.info["icc_profile"] = icc_profile
    return pixels_of(image)


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
    directory = _first_directory(metadata.exif[6:], 8)
    for tag, value in directory.items():
        if tag in _POINTERS:
            tags.append((_POINTERS[tag], _LONG, 1, 0, True))
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
    """The TIFF `data` with EXIF's further directories appended, and its tags pointing to them."""
    parsed = Image.Exif()
    parsed.load(exif)
    for tag in _POINTERS:
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
