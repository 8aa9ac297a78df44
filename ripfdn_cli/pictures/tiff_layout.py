"""What a TIFF's tags say of its pages. Files leave tags out and get them wrong: they are read as libtiff and
libvips read them, not strictly by the specification.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from tifffile import PHOTOMETRIC

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.picture import check_size, too_many_pixels

_MOST_PAGES = 10_000
_BYTES_PER_PIXEL = 16
"""What pixels can take, all together: damaged headers ask for thousands of samples in each."""
PHOTOMETRIC_TAG, ORIENTATION_TAG, SAMPLE_FORMAT_TAG, YCBCR_SUBSAMPLING_TAG = 262, 274, 339, 530
_STRIP_BYTE_COUNTS, _TILE_BYTE_COUNTS = 279, 325
_CCITT = (2, 3, 4, 32771)
JPEG_COMPRESSIONS = (7, 34892, 33007)
"""JPEG, lossy JPEG of DNG, and an older number for the same."""
PICTURES_IN_SEGMENTS = dict.fromkeys(JPEG_COMPRESSIONS, "JPEG") | {
    33004: "JPEG2000",
    33005: "JPEG2000",
    34712: "JPEG2000",
    34933: "PNG",
    50002: "JXL",
    52546: "JXL",
}
"""Compressions whose strips and tiles are files with headers of their own → their format."""
_COLOURS = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.MASK: 1,
    PHOTOMETRIC.SEPARATED: 4,
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.CIELAB: 3,
    PHOTOMETRIC.ICCLAB: 3,
    PHOTOMETRIC.LOGL: 1,
    PHOTOMETRIC.LOGLUV: 3,
}
"""Photometric interpretation → samples of a pixel that are colour."""
_RAW = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
_ASSOCIATED, _UNASSOCIATED = 1, 2  # kinds of extra samples
_TYPE_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of tags that are whole numbers, as `struct` names them."""


@dataclass(frozen=True)
class Layout:
    """What the samples of a page mean: the first `colours` of them in the colour space `photometric`, then,
    where `alpha` is not None, transparency at that place. `bits` of each sample are used. `left_out` counts
    the samples that are neither.
    """

    photometric: int
    colours: int
    alpha: int | None
    premultiplied: bool
    bits: int
    left_out: int


def picture_pages(file: tifffile.TiffFile, max_pixels: int) -> list[tifffile.TiffPage]:
    """The pages that are pictures of their own, previews and masks of others left out; their sizes within
    bounds. Raises InputError.
    """
    stacked = (file.imagej_metadata or {}).get("images", 1)
    if isinstance(stacked, int) and stacked > len(file.pages) == 1:
        raise InputError(
            f"it has {stacked} pictures behind the header of one, as ImageJ writes large stacks; save "
            "them as pages, or as single files"
        )
    pages: list[tifffile.TiffPage] = []
    pixels = 0
    for page in _chosen(list(listed_pages(file.pages))):
        check_size(page.imagewidth, page.imagelength, 1, max_pixels)
        pages.append(page)
        pixels += page.imagewidth * page.imagelength
        if page.nbytes > _BYTES_PER_PIXEL * max_pixels:
            raise too_many_pixels(f"its header states {page.samplesperpixel} samples per pixel", max_pixels)
        if pixels > max_pixels:
            raise too_many_pixels("its pages together have more", max_pixels)
    if not pages:
        raise InputError("it has no page with a picture")
    return pages


def masks_of(file: tifffile.TiffFile) -> dict[int, tifffile.TiffPage]:
    """Masks by the index of their page, which is the last before them that is neither preview nor mask."""
    masks: dict[int, tifffile.TiffPage] = {}
    owner = None
    for page in listed_pages(file.pages):
        if page.is_reduced:  # a preview, or its mask
            continue
        if not page.is_mask:
            owner = page.index
        elif owner is not None:
            masks.setdefault(owner, page)
    return masks


def is_alpha_of(page: tifffile.TiffPage, mask: tifffile.TiffPage) -> bool:
    """Whether `mask` says which pixels of `page` are transparent (TIFF 6.0, page 37; GDAL writes such masks),
    and `page` has samples that transparency goes with.
    """
    same_size = (mask.imagewidth, mask.imagelength) == (page.imagewidth, page.imagelength)
    is_plain = (
        mask.photometric == PHOTOMETRIC.MASK and mask.samplesperpixel == 1 and mask.bitspersample in (1, 8)
    )
    samples = page.dtype
    holds_pictures = samples is not None and (
        samples.kind in "bf" or (samples.kind == "u" and samples.itemsize <= 2)
    )
    return same_size and is_plain and holds_pictures


def layout_of(page: tifffile.TiffPage, samples: int, dtype: np.dtype[Any]) -> Layout:
    """How to read a page's `samples` a pixel of the type `dtype`. Raises InputError for unknown colours."""
    photometric = photometric_of(page, samples)
    if photometric not in _COLOURS:
        name = PHOTOMETRIC(photometric).name if photometric in set(PHOTOMETRIC) else photometric
        advice = "; it is a camera's raw file: develop it first" if photometric in _RAW else ""
        raise InputError(f"its colours are of a kind that is not supported ({name}){advice}")
    colours = _COLOURS[PHOTOMETRIC(photometric)]
    if samples < colours:
        raise InputError("its header contradicts its content")
    alpha, premultiplied = _alpha_of(page, samples - colours)
    return Layout(
        photometric,
        colours,
        None if alpha is None else colours + alpha,
        premultiplied,
        _bits(page, dtype),
        samples - colours - (alpha is not None),
    )


def photometric_of(page: tifffile.TiffPage, samples: int) -> int:
    """The colour space of a page of `samples` a pixel; where no tag gives it, what libtiff assumes."""
    given = page.photometric if PHOTOMETRIC_TAG in page.tags else None
    if given == PHOTOMETRIC.PALETTE and page.colormap is None:
        given = None
    if given is not None:
        return given
    colours = samples - len(page.extrasamples)
    if colours >= 3:
        return PHOTOMETRIC.YCBCR if page.compression in JPEG_COMPRESSIONS else PHOTOMETRIC.RGB
    return PHOTOMETRIC.MINISWHITE if page.compression in _CCITT else PHOTOMETRIC.MINISBLACK


def orientation_of(page: tifffile.TiffPage) -> int:
    """EXIF's orientation of a page, 1 (upright) to 8."""
    tag = page.tags.get(ORIENTATION_TAG)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def with_counts_within(data: bytes, page: tifffile.TiffPage) -> bytes:
    """The TIFF `data` in which no strip or tile of `page` claims to end past the file. Whether what is there
    suffices is for its decoder to say.
    """
    counts = [
        min(count, max(0, len(data) - offset))
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
    ]
    tag = page.tags.get(_TILE_BYTE_COUNTS) or page.tags.get(_STRIP_BYTE_COUNTS)
    if tag is None or tag.count != len(counts) or counts == list(page.databytecounts):
        return data
    values = struct.pack(f"{page.parent.byteorder}{len(counts)}{_TYPE_CODES[int(tag.dtype)]}", *counts)
    page.databytecounts = tuple(counts)
    return data[: tag.valueoffset] + values + data[tag.valueoffset + len(values) :]


def with_tag(data: bytes, page: tifffile.TiffPage, code: int, value: int) -> bytes:
    """The TIFF `data` in which every number of the tag `code` of `page`, where it has one, is `value`."""
    tag = page.tags.get(code)
    if tag is None or tag.value == value:
        return data
    kind = f"{page.parent.byteorder}{tag.count}{_TYPE_CODES[int(tag.dtype)]}"
    written = struct.pack(kind, *[value] * tag.count)
    return data[: tag.valueoffset] + written + data[tag.valueoffset + len(written) :]


def listed_pages(pages: tifffile.TiffPages) -> Iterator[tifffile.TiffPage]:
    """The pages of a file's list, or of those below a page, each once: a list that runs into itself ends
    there. Raises InputError for too many.
    """
    seen: set[int] = set()
    for page in pages:
        if page.offset in seen:
            return
        if not isinstance(page, tifffile.TiffPage):
            continue
        if len(seen) == _MOST_PAGES:
            raise InputError(f"it has more than {_MOST_PAGES} pages; split it")
        seen.add(page.offset)
        yield page


def _chosen(pages: list[tifffile.TiffPage]) -> list[tifffile.TiffPage]:
    """Pages that are neither previews nor masks; where all say they are, the largest previews."""
    full = [page for page in pages if not page.is_reduced and not page.is_mask]
    if full or not pages:
        return full
    reduced = [page for page in pages if not page.is_mask] or pages
    _check_for_raw(reduced)
    largest = max(page.imagewidth * page.imagelength for page in reduced)
    return [page for page in reduced if page.imagewidth * page.imagelength == largest]


def _check_for_raw(previews: list[tifffile.TiffPage]) -> None:
    """Raises InputError where pictures larger than their `previews` lie below them, as in a camera's raw
    file, of which other programs show the preview.
    """
    if any(page.subifds for page in previews):
        raise InputError("it is a camera's raw file, or like one; develop it first, and upscale the result")


def _alpha_of(page: tifffile.TiffPage, extra: int) -> tuple[int | None, bool]:
    """Which of the `extra` samples after the colours is transparency, and whether it multiplies them."""
    kinds = [int(kind) for kind in page.extrasamples][:extra]
    for place, kind in enumerate(kinds):
        if kind in (_ASSOCIATED, _UNASSOCIATED):
            return place, kind == _ASSOCIATED
    # One whose kind is not given: OpenCV writes transparency so, and libtiff and libvips read it so.
    return (0, False) if extra == 1 else (None, False)


def _bits(page: tifffile.TiffPage, dtype: np.dtype[Any]) -> int:
    if dtype == np.bool_:
        return 1
    given = page.bitspersample if isinstance(page.bitspersample, int) else 0
    return given if 0 < given <= 8 * dtype.itemsize else 8 * dtype.itemsize
