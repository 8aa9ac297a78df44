"""What lies around each pixel: the least and the greatest of 3×3, at the size of a larger picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def local_min(array: NDArray[Any]) -> NDArray[Any]:
    """(H, W) or (H, W, C): the least of each pixel and its eight neighbours."""
    return _over_neighbours(np.minimum, array)


def local_max(array: NDArray[Any]) -> NDArray[Any]:
    """(H, W) or (H, W, C): the greatest of each pixel and its eight neighbours."""
    return _over_neighbours(np.maximum, array)


def enlarged(array: NDArray[Any], scale: int) -> NDArray[Any]:
    """(H, W, …) → (scale·H, scale·W, …), each pixel a square."""
    return array.repeat(scale, axis=0).repeat(scale, axis=1)


def _over_neighbours(extreme: np.ufunc, array: NDArray[Any]) -> NDArray[Any]:
    for axis in (0, 1):
        padding = [(1, 1) if axis == side else (0, 0) for side in range(array.ndim)]
        padded = np.pad(array, padding, mode="edge")
        parts = [padded.take(range(i, i + array.shape[axis]), axis=axis) for i in range(3)]
        array = extreme(extreme(parts[0], parts[1]), parts[2])
    return array
