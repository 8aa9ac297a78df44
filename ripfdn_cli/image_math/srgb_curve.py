"""sRGB's curve between levels and linear light (IEC 61966-2-1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def srgb_to_linear(encoded: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Linear light of `encoded`, both 0..1, of any shape; floats of the same type."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """`light`, linear and 0..1, of any shape, as sRGB has it."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** np.float32(1 / 2.4) - 0.055)
