"""Weights for bf16 arithmetic, rounded alike for every engine."""

from math import prod

import numpy as np
from numpy.typing import NDArray


def rounded_to_bf16(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """`weights` (outputs, inputs, height, width) with mantissas of eight bits. What one loses is added to the
    next smaller one of its kernel (of its output, where kernels are 1×1), so that sums stay what they are to
    the precision of the smallest: rounded one by one they shift the colours of even areas.
    """
    kernels = weights.shape[:2] if weights[0, 0].size > 1 else weights.shape[:1]
    flat = weights.reshape(prod(kernels), -1).astype(np.float64)
    rounded, lost, rows = np.empty_like(flat), np.zeros(len(flat)), np.arange(len(flat))
    for largest_left in np.argsort(-np.abs(flat), axis=1).T:
        wanted = flat[rows, largest_left] + lost
        nearest = nearest_bf16(wanted)
        rounded[rows, largest_left] = nearest
        lost = wanted - nearest
    return rounded.astype(np.float32).reshape(weights.shape)


def nearest_bf16(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """`values` with mantissas of eight bits, half to even: bf16 is the upper half of a float32."""
    bits = values.astype(np.float32).view(np.uint32)
    upper = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return upper.view(np.float32)
