"""A TIFF's own tags of its colour space (TIFF 6.0, section 20), in a block of their own, as EXIF's are."""

import numpy as np
from numpy.typing import DTypeLike

from ripfdn_cli.pictures.exif import HEAD, exif_of_tiff, first_tags

_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES = 301, 318, 319
COLORIMETRY_TAGS = (_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES)


def without_transfer_function(colorimetry: bytes) -> bytes | None:
    """The rest of it."""
    return exif_of_tiff(colorimetry[len(HEAD) :], (_WHITE_POINT, _PRIMARIES))


def fits_samples(colorimetry: bytes, dtype: DTypeLike) -> bool:
    """Whether its transfer function, if there is one, is for samples of the type `dtype`: it lists a number
    for each that there can be, once or for each of three channels.
    """
    samples = np.dtype(dtype)
    counts = [tag.count for tag in first_tags(colorimetry, "<") if tag.tag == _TRANSFER_FUNCTION]
    levels = 2 ** (8 * samples.itemsize) if samples.kind == "u" else 0
    return all(count in (levels, 3 * levels) for count in counts)
