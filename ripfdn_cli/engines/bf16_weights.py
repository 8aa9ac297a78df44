"""Weights for bf16 arithmetic, rounded alike for every engine."""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rounded_to_bf16(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """`weights` (outputs, inputs, height, width) with mantissas of eight bits. What one loses is added to the
    next smaller one of its kernel (of its output, where kernels are 1×1), so that sums stay what they are to
    the precision of the smallest: rounded one by one they shift the colours of even areas.
    """
    kernels = weights.shape[:2] if weights[0, 0].size > 1 else weights.shape[:1]
    flat = weights.reshape(prod(kernels), -1)
    rounded = rounded_in_turn(flat, [np.arange(flat.shape[1])])
    return rounded.reshape(weights.shape)


def rounded_in_turn(
    weights: NDArray[np.floating[Any]], groups: Iterable[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """`weights` (kernels, weights of one) with mantissas of eight bits, one of `groups` of a kernel's weights
    after another. What one weight loses is added to the next smaller one of its group, and what a group loses
    to the next group, so that the sum of each group stays, and the sum of all, to the precision of the
    smallest.
    """
    rounded = np.zeros(weights.shape, np.float32)
    lost, rows = np.zeros(len(weights)), np.arange(len(weights))
    for group in groups:
        smaller_and_smaller = group[np.argsort(-np.abs(weights[:, group]), axis=1)]
        for column in smaller_and_smaller.T:
            wanted = weights[rows, column].astype(np.float64) + lost
            rounded[rows, column] = nearest_bf16(wanted)
            lost = wanted - rounded[rows, column]
    return rounded


def nearest_bf16(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """`values` with mantissas of eight bits, half to even: bf16 is the upper half of a float32."""
    bits = values.astype(np.float32).view(np.uint32)
    upper = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return upper.view(np.float32)
