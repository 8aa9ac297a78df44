"""Photographs as cameras record them (DNG, CR2, NEF, ARW …), developed by LibRaw through imageio.

White balance as the camera chose it, upright, sRGB in 16 bits; results are written in another format.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ripfdn_cli.errors import InputError, UnavailableError
from ripfdn_cli.pictures.exif import DETAILS, PLACE, exif_of_tiff
from ripfdn_cli.pictures.formats import RAW_SUFFIXES, format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Header, Picture, check_size

if TYPE_CHECKING:
    import tifffile

log = logging.getLogger(__name__)

_TIFF_HEADS = (b"II*\0", b"MM\0*")
_RAW_HEADS = (b"FUJIFILMCCD-RAW", b"\0MRM", b"FOVb", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
_RAW_MARKS = ((4, b"ftypcrx "), (6, b"HEAPCCDR"), (8, b"CR\2"))
"""Canon's, and at which byte they are."""
_MAKE, _DNG_VERSION, _COLOUR_FILTER_ARRAY = 271, 50706, 32803
_SIDEWAYS = (5, 6)
"""LibRaw's numbers for pictures that are turned by a quarter."""
_KEPT_TAGS = (270, 271, 272, 305, 306, 315, 33432)
"""Description, make, model, software, time, artist, copyright; others say how the file lays out its data."""
_NOT_KEPT = (37500, 40965, 37396, 41492)
"""The maker's note, whose offsets are those of its file, the pointer to interoperability, and the subject's
places in a picture that LibRaw may have turned and cut.
"""


def is_raw(name: str, data: bytes) -> bool:
    """Whether the file `data` called `name` is a camera's: by its suffix, as inside most are TIFFs with a
    preview; by its content where it has none, as from a pipe.
    """
    suffix = PurePath(name).suffix.lower()
    return suffix in RAW_SUFFIXES or (not suffix and _looks_raw(data))


def _looks_raw(data: bytes) -> bool:
    if data.startswith(_RAW_HEADS) or any(data[at:].startswith(mark) for at, mark in _RAW_MARKS):
        return True
    if not data.startswith(_TIFF_HEADS):
        return False
    import tifffile

    from ripfdn_cli.pictures.tiff_layout import listed_pages

    def with_inner(pages: tifffile.TiffPages) -> Iterator[tifffile.TiffPage]:
        for page in listed_pages(pages):
            yield page
            if page.pages is not None:
                yield from listed_pages(page.pages)

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            return _are_raw(list(with_inner(tiff.pages)))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a TIFF is what it is read as then
        return False


def _are_raw(pages: list[tifffile.TiffPage]) -> bool:
    """A DNG's pages, or a sensor's with the camera's maker, without whom LibRaw can't know what they are."""
    has_maker = any(_MAKE in page.tags for page in pages)
    return any(_DNG_VERSION in page.tags for page in pages) or (
        has_maker and any(page.photometric == _COLOUR_FILTER_ARRAY for page in pages)
    )


def read_raw_header(data: bytes, max_pixels: int) -> Header:
    """Raises InputError, UnavailableError."""
    with _opened(data) as file:
        width, height = _size(file)
    check_size(width, height, 1, max_pixels)
    return Header(width, height, 3, 2, 1, format_named("tiff"))


def decode_raw(data: bytes, max_pixels: int) -> Picture:
    """The picture, developed. Raises InputError, UnavailableError."""
    read_raw_header(data, max_pixels)
    with _opened(data) as file:
        try:
            pixels = file.read(use_camera_wb=True, output_bps=16)
        except UnboundLocalError as error:  # imageio's, where LibRaw fails
            raise InputError("LibRaw can't develop it: it is damaged, or from an unknown camera") from error
    return Picture((np.ascontiguousarray(pixels),), format_named("tiff"), Metadata(exif=_exif(data)))


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    try:
        import rawpy  # noqa: F401 - imageio tells of it in many lines
        from imageio.core.request import InitializationError
        from imageio.v3 import imopen
    except ImportError as error:
        raise UnavailableError(
            'raw photographs need an extra package; install it with: pip install "ripfdn-cli[raw]"'
        ) from error
    try:
        file = imopen(io.BytesIO(data), "r", plugin="rawpy")
    except (InitializationError, OSError) as error:
        raise InputError("LibRaw can't read it: it is damaged, or from an unknown camera") from error
    with file:
        yield file


def _size(file: Any) -> tuple[int, int]:
    """Width and height of the upright picture."""
    flip = file.metadata(exclude_applied=False)["flip"]
    height, width = file.properties().shape[:2]
    return (height, width) if flip in _SIDEWAYS else (width, height)


def _exif(data: bytes) -> bytes | None:
    """What the file says of the photograph; its orientation is no more."""
    if not data.startswith(_TIFF_HEADS):
        log.info("the EXIF data of this kind of raw file is not read")
        return None
    try:
        return exif_of_tiff(data, (*_KEPT_TAGS, DETAILS, PLACE), left_out=_NOT_KEPT)
    except (ValueError, struct.error) as error:
        log.warning("the EXIF data is damaged (%s) and is left out", error)
        return None
