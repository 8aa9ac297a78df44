"""Weights for bf16 arithmetic, rounded alike for every engine."""

import numpy as np
from numpy.typing import NDArray


def rounded_to_bf16(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """`weights` (outputs, …) with mantissas of eight bits. What one weight loses is added to the next smaller
    one of its output, so that the sum stays what it is to the precision of the smallest: rounded one by one
    they shift the colours of even areas.
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    rounded, lost, outputs = np.empty_like(flat), np.zeros(len(flat)), np.arange(len(flat))
    for largest_left in np.argsort(-np.abs(flat), axis=1).T:
        wanted = flat[outputs, largest_left] + lost
        nearest = _nearest_bf16(wanted)
        rounded[outputs, largest_left] = nearest
        lost = wanted - nearest
    return rounded.astype(np.float32).reshape(weights.shape)


def _nearest_bf16(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Half to even: bf16 is the upper half of a float32."""
    bits = values.astype(np.float32).view(np.uint32)
    upper = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return upper.view(np.float32)
