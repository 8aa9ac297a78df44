"""TIFF read: any depth, floats, several pages. libtiff decodes; `tiff_layout` says what its samples mean."""

import io
import logging
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tifffile import PHOTOMETRIC

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_math.value_range import as_float32
from ripfdn_cli.pictures.exif import exif_of_tiff
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.jxl_header import read_jxl_header
from ripfdn_cli.pictures.lost_parts import COLORIMETRY
from ripfdn_cli.pictures.metadata import NO_METADATA, Metadata, metadata_of_tiff_tags
from ripfdn_cli.pictures.picture import Frame, Header, Picture, as_samples, highest
from ripfdn_cli.pictures.pillow_pixels import pixels_of
from ripfdn_cli.pictures.tiff_layout import (
    JPEG_COMPRESSIONS,
    ORIENTATION_TAG,
    PHOTOMETRIC_TAG,
    PICTURES_IN_SEGMENTS,
    SAMPLE_FORMAT_TAG,
    YCBCR_SUBSAMPLING_TAG,
    Layout,
    is_alpha_of,
    layout_of,
    masks_of,
    orientation_of,
    photometric_of,
    picture_pages,
    with_counts_within,
    with_tag,
)

log = logging.getLogger(__name__)

_DESCRIPTION, _IMAGEJ_TAGS, _DNG_TAGS = 270, (50838, 50839), range(50706, 50742)
_MARKS_OF_STRUCTURE = ("ImageJ=", '{"shape"', "shape=(", "<OME ")
_NO_DATA = 42113
_UNDEFINED = 4
"""The sample format of data that may be anything; libtiff takes it for unsigned."""
_CONVERTED = (PHOTOMETRIC.SEPARATED, PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB, PHOTOMETRIC.LOGLUV)
"""Colours that become sRGB."""
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_XYZ_TO_SRGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]], np.float32
)
"""Linear light (IEC 61966-2-1, annex F)."""


def read_tiff_header(data: bytes, max_pixels: int) -> Header:
    """What the TIFF `data` says of its pages; the size is that of the first. Raises InputError, and what
    tifffile raises for damage.
    """
    with _opened(data) as file:
        pages, masks = picture_pages(file, max_pixels), masks_of(file)
        width, height = pages[0].imagewidth, pages[0].imagelength
        if orientation_of(pages[0]) >= 5:
            width, height = height, width
        return Header(
            width,
            height,
            max(page.samplesperpixel + _has_mask(page, masks) for page in pages),
            max(_sample_bytes(page) for page in pages),
            len(pages),
            format_named("tiff"),
            sum(page.imagewidth * page.imagelength for page in pages),
        )


def decode_tiff(data: bytes, max_pixels: int) -> tuple[Picture, list[int]]:
    """All full-size pages of the TIFF `data` as they are stored, and the orientation of each.

    Raises InputError, and whatever libtiff, Pillow and tifffile raise for damage.
    """
    with _opened(data) as file:
        pages, masks = picture_pages(file, max_pixels), masks_of(file)
        decoded = [_decode_page(data, page, masks.get(page.index)) for page in pages]
        turns = [orientation_of(page) for page in pages]
    frames = tuple(frame for frame, _ in decoded)
    first, *others = (metadata for _, metadata in decoded)
    return Picture(frames, format_named("tiff"), first, later_metadata=tuple(others)), turns


@contextmanager
def _opened(data: bytes) -> Iterator[tifffile.TiffFile]:
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            yield file
    except (struct.error, tifffile.TiffFileError) as error:
        raise InputError(f"it is cut off or damaged ({error}); find a complete copy") from error


def _sample_bytes(page: tifffile.TiffPage) -> int:
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 8
    return 4 if bits > 32 else -(-bits // 8)


def _has_mask(page: tifffile.TiffPage, masks: Mapping[int, tifffile.TiffPage]) -> bool:
    mask = masks.get(page.index)
    return mask is not None and is_alpha_of(page, mask)


def _decode_page(
    data: bytes, page: tifffile.TiffPage, mask: tifffile.TiffPage | None
) -> tuple[Frame, Metadata]:
    """One page's samples, those of its `mask` as transparency where it has none, and what it says beside
    them.
    """
    metadata = _page_metadata(data, page)
    samples = _samples(data, page)
    layout = layout_of(page, samples.shape[2], samples.dtype)
    kind = layout.photometric
    if kind == PHOTOMETRIC.SEPARATED:
        colours, icc_profile = _cmyk_to_srgb(samples[..., :4], metadata.icc_profile)
        metadata = replace(metadata, icc_profile=icc_profile)
    elif kind in (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB):
        colours, icc_profile = _lab_to_srgb(samples[..., :3], offset=kind == PHOTOMETRIC.ICCLAB)
        metadata = replace(metadata, icc_profile=icc_profile)
    elif kind == PHOTOMETRIC.PALETTE:
        colours = _through_palette(page, samples[..., 0])
    else:
        colours = _standard_range(samples[..., : layout.colours], layout.bits)
        colours = _in_known_space(colours, kind)
    if samples.dtype == np.float64 and not np.array_equal(samples, as_float32(samples), equal_nan=True):
        digits = "digits of its 64-bit samples beyond those of 32 bits"
        metadata = replace(metadata, lost=(*metadata.lost, digits))
    if layout.left_out:
        channels = f"{layout.left_out} further channels of each pixel, which are not transparency"
        metadata = replace(metadata, lost=(*metadata.lost, channels))
    _warn_of_missing_data(page, samples)
    metadata = _with_true_colorimetry(metadata, layout, samples.dtype)
    frame = _with_alpha(colours, samples, layout)
    if mask is not None and layout.alpha is None and is_alpha_of(page, mask):
        frame = _with_mask(frame, data, mask)
    elif mask is not None:
        metadata = replace(metadata, lost=(*metadata.lost, "a transparency mask"))
    return _checked(frame), metadata


def _with_true_colorimetry(metadata: Metadata, layout: Layout, dtype: np.dtype[Any]) -> Metadata:
    """`metadata` without tags that no longer say what the samples, stored as `dtype`, mean: all tags of the
    colour space where colours were converted, that of the transfer function where levels were.
    """
    if metadata.colorimetry is None:
        return metadata
    if layout.photometric in _CONVERTED:
        return replace(metadata, colorimetry=None, lost=(*metadata.lost, COLORIMETRY))
    as_stored = layout.photometric not in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.PALETTE)
    return metadata.with_colorimetry_for(dtype if as_stored else np.float32)


def _page_metadata(data: bytes, page: tifffile.TiffPage) -> Metadata:
    """What the directory of `page` says beside its pixels; one that can't be read is said and left."""
    try:
        tags = _tags(data, page)
        lost = _without_structure(tags)
        metadata = metadata_of_tiff_tags(tags, data, page.offset)
        return replace(metadata, lost=(*metadata.lost, *lost))
    except Exception as error:  # noqa: BLE001 - Pillow raises nearly anything for damaged tags
        log.warning("tags of page %s can't be read (%s) and are left out", page.index, error)
        return NO_METADATA


def _tags(data: bytes, page: tifffile.TiffPage) -> Image.Exif:
    """The directory of `page`, as EXIF names its tags."""
    tags = Image.Exif()
    if page.parent.is_bigtiff:  # which Pillow reads in part
        tags.load(exif_of_tiff(data, range(2**16), start=page.offset) or b"")
    else:
        tags.endian = page.parent.byteorder
        tags.load_from_fp(io.BytesIO(data), page.offset)
    return tags


def _without_structure(tags: Image.Exif) -> tuple[str, ...]:
    """Takes from `tags` what some programs (tifffile, ImageJ, OME's) note of the sizes of all pages: readers
    believe it, and the sizes change. What that was, for users.
    """
    for tag in (*_IMAGEJ_TAGS, *_DNG_TAGS):
        tags.pop(tag, None)
    description = tags.get(_DESCRIPTION)
    if isinstance(description, str) and any(mark in description for mark in _MARKS_OF_STRUCTURE):
        del tags[_DESCRIPTION]
        return ("the description of the file's structure, which is of the old size",)
    return ()


def _samples(data: bytes, page: tifffile.TiffPage) -> NDArray[Any]:
    """(H, W, samples) of a page, however they are stored. Raises InputError where any are missing."""
    if page.imagedepth != 1:
        raise InputError("it is a volume, not a picture")
    data = with_counts_within(data, page)
    if page.compression in PICTURES_IN_SEGMENTS:
        samples = _decode_segments(data, page)
    else:
        samples = _decode_with_libtiff(data, page)
    height, width = page.imagelength, page.imagewidth
    if samples.size % (height * width):
        raise InputError("its header contradicts its content")
    if samples.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        samples = np.moveaxis(samples, 0, -1)
    shaped: NDArray[Any] = samples.reshape(height, width, -1)
    return shaped


def _decode_segments(data: bytes, page: tifffile.TiffPage) -> NDArray[Any]:
    """Of strips or tiles that are files of their own. Strictly: libtiff gives what there is of a JPEG that is
    cut off, and knows no other format. Raises InputError, and what tifffile and imagecodecs raise for damage.
    """
    kind = PHOTOMETRIC(photometric_of(page, page.samplesperpixel))
    if kind == PHOTOMETRIC.YCBCR and page.compression not in JPEG_COMPRESSIONS:
        raise _unsupported(page)  # whether the decoder has made RGB of it hangs on who wrote it
    if 0 in page.databytecounts:
        raise InputError("a part of its pixels is missing; the file is cut off or damaged")
    _check_segments(data, page)
    page.photometric = kind
    samples: NDArray[Any] = page.asarray(maxworkers=1)
    return samples


def _unsupported(page: tifffile.TiffPage) -> InputError:
    name = getattr(page.compression, "name", page.compression)
    return InputError(f"its compression ({name}) is not supported; save it with LZW or deflate")


def _decode_with_libtiff(data: bytes, page: tifffile.TiffPage) -> NDArray[Any]:
    kind = photometric_of(page, page.samplesperpixel)
    if kind == PHOTOMETRIC.YCBCR:
        return _decode_ycbcr(data, page)
    if page.sampleformat == _UNDEFINED:
        data = with_tag(data, page, SAMPLE_FORMAT_TAG, tifffile.SAMPLEFORMAT.UINT)
    if kind == PHOTOMETRIC.SEPARATED:  # as what it is, imagecodecs makes RGB of it
        data = with_tag(data, page, PHOTOMETRIC_TAG, PHOTOMETRIC.RGB)
    return _libtiff(data, page)


def _decode_ycbcr(data: bytes, page: tifffile.TiffPage) -> NDArray[Any]:
    """RGB, at 8 bits. Without a tag, colour is stored for 2×2 pixels together, says the standard; Pillow and
    others mean for each, which needs twice as much data.
    """
    as_planes = YCBCR_SUBSAMPLING_TAG not in page.tags and page.bitspersample == 8
    if as_planes and page.compression != tifffile.COMPRESSION.OJPEG:
        with suppress(InputError):
            planes = _libtiff(with_tag(data, page, PHOTOMETRIC_TAG, PHOTOMETRIC.RGB), page)
            return np.asarray(Image.fromarray(planes, "YCbCr").convert("RGB"))
    return _libtiff(with_tag(data, page, ORIENTATION_TAG, 1), page, as_rgb=True)[..., :3]


def _libtiff(data: bytes, page: tifffile.TiffPage, *, as_rgb: bool = False) -> NDArray[Any]:
    """The samples of `page`; RGBA of 8 bits with `as_rgb`. Raises InputError."""
    import imagecodecs

    try:
        samples: NDArray[Any] = imagecodecs.tiff_decode(data, page.index, asrgb=as_rgb)
    except imagecodecs.TiffError as error:
        if "not implemented" in str(error) or "not configured" in str(error):
            raise _unsupported(page) from error
        reason = " ".join(str(error).split())
        raise InputError(
            f"a part of its pixels is missing or damaged ({reason}); find a complete copy"
        ) from error
    return samples


def _check_segments(data: bytes, page: tifffile.TiffPage) -> None:
    """Raises InputError where a strip or tile says it is larger than the page's strips or tiles: the decoder
    would allocate what it says.
    """
    height, width = min(page.rowsperstrip, page.imagelength), page.imagewidth
    if page.is_tiled:
        height, width = page.tilelength, page.tilewidth
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        try:
            its_width, its_height = _segment_size(data[offset : offset + size], page)
            larger = its_width > width or its_height > height
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            larger = True  # by so much that Pillow objects first
        if larger:
            raise InputError("its header contradicts its content")


def _segment_size(segment: bytes, page: tifffile.TiffPage) -> tuple[int, int]:
    """Width and height by the header of a strip or tile."""
    file_format = PICTURES_IN_SEGMENTS[page.compression]
    if file_format == "JXL":
        header = read_jxl_header(segment)
        return header.width, header.height
    with Image.open(io.BytesIO(segment), formats=(file_format,)) as opened:
        return opened.size


def _standard_range(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Integers over the whole range of their type, or float32."""
    if samples.dtype.kind == "f":
        return as_float32(samples)
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    if samples.dtype.name not in _INTEGERS:
        raise InputError(
            f"its samples are of a type that is not supported ({samples.dtype}); "
            "convert them to 8, 16 or 32 bit or float"
        )
    full, top = int(np.iinfo(samples.dtype).max), 2**bits - 1
    if samples.dtype.kind == "i" or full == top:
        return samples
    stretched: NDArray[Any] = (samples.astype(np.uint64) * full + top // 2) // top
    return stretched.astype(samples.dtype)


def _in_known_space(colours: NDArray[Any], photometric: int) -> NDArray[Any]:
    """Grey whose 0 is black, or RGB."""
    if photometric == PHOTOMETRIC.MINISWHITE:
        last = -1 if colours.dtype.kind == "i" else highest(colours.dtype)  # the whole range of its type
        inverted: NDArray[Any] = last - colours
        return inverted
    if photometric == PHOTOMETRIC.LOGLUV:  # which libtiff gives as CIE XYZ
        return np.asarray(colours @ _XYZ_TO_SRGB.T, np.float32)
    return colours


def _with_alpha(colours: NDArray[Any], samples: NDArray[Any], layout: Layout) -> Frame:
    if layout.alpha is None:
        return np.ascontiguousarray(colours)
    alpha = _standard_range(samples[..., layout.alpha : layout.alpha + 1], layout.bits)
    frame = np.concatenate([colours, as_samples(alpha, colours.dtype)], axis=2)
    return _straight_alpha(frame) if layout.premultiplied else frame


def _with_mask(colours: Frame, data: bytes, mask: tifffile.TiffPage) -> Frame:
    samples = _samples(data, mask)
    alpha = _standard_range(samples, layout_of(mask, 1, samples.dtype).bits)
    return np.concatenate([colours, as_samples(alpha, colours.dtype)], axis=2)


def _straight_alpha(frame: Frame) -> Frame:
    """`frame` with colours that were multiplied by alpha divided by it again."""
    top = np.float32(highest(frame.dtype))
    alpha = frame[..., -1:].astype(np.float32)
    colours = frame[..., :-1] * np.divide(top, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    if frame.dtype.kind == "u":
        colours = np.rint(np.minimum(colours, top))
    return np.concatenate([colours.astype(frame.dtype), frame[..., -1:]], axis=2)


def _checked(frame: Frame) -> Frame:
    """`frame`, all of whose samples are numbers. Raises InputError that counts the others."""
    if frame.dtype.kind == "f" and not (finite := np.isfinite(frame)).all():
        count = int((~finite).any(axis=2).sum())
        raise InputError(
            f"{count} of {finite.shape[0] * finite.shape[1]} pixels are NaN or infinite; give them values "
            "first, for example with gdal_fillnodata.py, or numpy.nan_to_num in Python"
        )
    return frame


def _warn_of_missing_data(page: tifffile.TiffPage, samples: NDArray[Any]) -> None:
    """Of values that GDAL's tag calls no data; NaN among them is an error anyway."""
    if _NO_DATA in page.tags and (count := int((samples == page.nodata).any(axis=2).sum())):
        log.warning(
            "%d pixels of page %s have the value %g, which the file marks as no data; they blend with their "
            "surroundings: fill them first, for example with gdal_fillnodata.py",
            count,
            page.index,
            page.nodata,
        )


def _through_palette(page: tifffile.TiffPage, indices: NDArray[Any]) -> Frame:
    """Grey or RGB, at 16 bits where the palette has colours that 8 can't give."""
    table: NDArray[np.uint16] = np.asarray(page.colormap, np.uint16).reshape(3, -1).T
    if indices.dtype.kind not in "ub" or int(indices.max()) >= len(table):
        raise InputError("its palette has fewer colours than its pixels use")
    if table.max() < 256:  # written as 8 bits; libtiff takes it so, too
        table = table.astype(np.uint8)
    elif not (table % 257).any() or not (table % 256).any():
        table = (table >> 8).astype(np.uint8)
    if (table == table[:, :1]).all():
        table = table[:, :1]
    return table[indices.astype(np.intp)]


def _cmyk_to_srgb(samples: NDArray[Any], icc_profile: bytes | None) -> tuple[Frame, bytes | None]:
    """Profiles are applied at 8 bits, which is what LittleCMS takes through Pillow."""
    if samples.dtype not in (np.uint8, np.uint16):
        raise InputError(f"CMYK of the type {samples.dtype} is not supported; convert it to 8 bit")
    eight = as_samples(np.ascontiguousarray(samples), np.uint8)
    image = Image.frombytes("CMYK", (eight.shape[1], eight.shape[0]), eight.tobytes())
    if icc_profile:
        image.info["icc_profile"] = icc_profile
    return pixels_of(image)


def _lab_to_srgb(samples: NDArray[Any], *, offset: bool) -> tuple[Frame, bytes | None]:
    """At 8 bits, as CMYK. With `offset` a* and b* are unsigned, 128 (32768) their zero (TIFF's ICCLAB)."""
    if samples.dtype not in (np.uint8, np.uint16):
        raise InputError(f"LAB of the type {samples.dtype} is not supported; convert it to 8 bit")
    lightness = as_samples(np.ascontiguousarray(samples[..., :1]), np.uint8)
    opponents = samples[..., 1:]
    if samples.dtype == np.uint16:  # a* and b* have 8 bits before their point
        centred = opponents.astype(np.int32) - 32768 if offset else opponents.view(np.int16).astype(np.int32)
        opponents = np.clip((centred + 128) >> 8, -128, 127).astype(np.int8).view(np.uint8)
    elif offset:
        opponents = opponents ^ 128
    eight = np.concatenate([lightness, opponents], axis=2)
    return pixels_of(Image.frombytes("LAB", (eight.shape[1], eight.shape[0]), eight.tobytes()))
