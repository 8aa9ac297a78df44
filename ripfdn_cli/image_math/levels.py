"""The integers that a network's floats stand for."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def as_levels(unit: NDArray[np.float32], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """`unit`, nominally 0..1, clamped and rounded half to even as engines do it, in all levels of the
    unsigned integers `dtype`.
    """
    levels = np.clip(unit, 0, 1)
    levels *= np.float32(np.iinfo(dtype).max)
    return np.rint(levels, out=levels).astype(dtype)
