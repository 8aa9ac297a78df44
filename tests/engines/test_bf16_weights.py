"""Weights rounded to bf16 keep the sums that decide the colours of even areas."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ripfdn_cli.engines.bf16_weights import rounded_in_turn, rounded_to_bf16


@pytest.mark.parametrize("shape", [(48, 52, 3, 3), (26, 52, 1, 1), (5, 1, 1, 1)])
def test_weights_in_bf16_keep_the_sum_of_each_kernel(shape: tuple[int, ...]) -> None:
    """torch rounds one by one, and loses ten times as much of the sum."""
    weights = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
    rounded = rounded_to_bf16(weights)
    one_by_one = torch.from_numpy(weights).bfloat16().float().numpy()
    np.testing.assert_array_equal(torch.from_numpy(rounded).bfloat16().float().numpy(), rounded)
    np.testing.assert_allclose(rounded, weights, rtol=0.05, atol=1e-3)
    kernel = (2, 3) if shape[2] > 1 else (1, 2, 3)
    if weights[0].size == 1:
        np.testing.assert_array_equal(rounded, one_by_one)
    else:
        assert lost_of_sums(rounded, weights, kernel) < lost_of_sums(one_by_one, weights, kernel) / 10


def test_groups_of_weights_keep_their_sums() -> None:
    weights = np.random.default_rng(1).normal(0, 0.1, (40, 12))
    groups = [np.array([3, 0, 7]), np.array([1, 2, 4, 5, 6]), np.array([8, 9, 10, 11])]
    rounded = rounded_in_turn(weights, groups)
    one_by_one = torch.from_numpy(weights).bfloat16().float().numpy()
    np.testing.assert_array_equal(torch.from_numpy(rounded).bfloat16().float().numpy(), rounded)
    for group in groups:
        ours, theirs = (lost_of_sums(x[:, group], weights[:, group], (1,)) for x in (rounded, one_by_one))
        assert ours < theirs / 2
    assert lost_of_sums(rounded, weights, (1,)) < lost_of_sums(one_by_one, weights, (1,)) / 5


def lost_of_sums(
    rounded: NDArray[np.float32], weights: NDArray[np.floating[Any]], axes: tuple[int, ...]
) -> float:
    return float(np.abs((rounded.astype(float) - weights).sum(axis=axes)).mean())
