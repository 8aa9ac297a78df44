import sys

import numpy as np
import pytest
import torch

from ripfdn_cli.evaluation.peak_memory import peak_memory

MIB = 2**20


def touch(mebibytes: int) -> None:
    """Take memory and give it back at once."""
    assert np.ones(mebibytes * MIB, np.uint8)[-1] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the resident set's peak can be reset on Linux only")
def test_memory_that_is_given_back_counts_every_time() -> None:
    touch(200)  # an earlier, higher peak must not count
    for _ in range(2):
        peak = peak_memory(lambda: touch(64), "cpu")
        assert peak is not None
        assert 60 * MIB < peak < 100 * MIB


def test_a_device_without_a_measure_runs_the_call_all_the_same() -> None:
    calls: list[int] = []
    assert peak_memory(lambda: calls.append(1), "mps") is None
    assert calls == [1]


@pytest.mark.gpu
def test_on_cuda_it_is_what_torch_allocated() -> None:
    peak = peak_memory(lambda: torch.ones(64 * MIB, dtype=torch.uint8, device="cuda").sum().item(), "cuda")
    assert peak is not None
    assert 64 * MIB <= peak < 100 * MIB
