"""The eight flips and rotations of a rectangle (the dihedral group of the square), under one numbering: bit 0
of a transform flips the rows, bit 1 the columns, and bit 2 swaps the axes after that.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DIHEDRAL_TRANSFORMS = (0, 6, 3, 5, 2, 4, 1, 7)
"""All of them: by no, one, two and three quarter turns counterclockwise, and the same after a flip from left
to right.
"""
FLIPS_ROWS, FLIPS_COLUMNS, SWAPS_AXES = 1, 2, 4
EXIF_TRANSFORMS = (0, 0, 2, 3, 1, 4, 5, 7, 6)
"""What EXIF's orientations 1 to 8 ask for."""


def transformed(pixels: NDArray[Any], transform: int) -> NDArray[Any]:
    """A view of `pixels` (H, W, …): (H, W, …), or (W, H, …) where `transform` swaps the axes."""
    rows = slice(None, None, -1) if transform & FLIPS_ROWS else slice(None)
    columns = slice(None, None, -1) if transform & FLIPS_COLUMNS else slice(None)
    flipped = pixels[rows, columns]
    return np.swapaxes(flipped, 0, 1) if transform & SWAPS_AXES else flipped


def transformed_window(
    rows: slice, columns: slice, shape: tuple[int, ...], transform: int
) -> tuple[slice, slice]:
    """Where `rows` and `columns` of pixels of `shape` (H, W, …) lie in what `transformed` makes of them."""
    if transform & FLIPS_ROWS:
        rows = slice(shape[0] - rows.stop, shape[0] - rows.start)
    if transform & FLIPS_COLUMNS:
        columns = slice(shape[1] - columns.stop, shape[1] - columns.start)
    return (columns, rows) if transform & SWAPS_AXES else (rows, columns)


def inverse(transform: int) -> int:
    """The transform that undoes `transform`."""
    if not transform & SWAPS_AXES:
        return transform
    rows, columns = bool(transform & FLIPS_ROWS), bool(transform & FLIPS_COLUMNS)
    return SWAPS_AXES | FLIPS_ROWS * columns | FLIPS_COLUMNS * rows
