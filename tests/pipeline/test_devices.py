"""Devices lent to threads, and memory lent to pictures."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.sample_pictures import smooth

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.pipeline.devices import (
    ByteBudget,
    Devices,
    Networks,
    NetworkSettings,
    NetworkUnavailableError,
)
from ripfdn_cli.upscaler import Upscaler


def settings(weights: Path, *devices: str) -> NetworkSettings:
    return NetworkSettings(
        weights=str(weights), devices=devices or ("cpu",), engine="torch", precision="fp32", threads=1
    )


def test_a_device_runs_one_call_at_a_time_in_one_thread(enlarging_weights: dict[int, Path]) -> None:
    devices, inside, most = Devices(settings(enlarging_weights[2])), 0, 0
    threads = set()
    busy = threading.Lock()

    def work(networks: Networks) -> None:
        nonlocal inside, most
        with busy:
            inside += 1
            most = max(most, inside)
            threads.add(threading.get_ident())
        networks[2].upscale(smooth(16, 16))
        with busy:
            inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: devices.run(work), range(12)))
    devices.close()
    assert most == 1
    assert len(threads) == 1


def test_an_error_gives_the_device_back(enlarging_weights: dict[int, Path]) -> None:
    devices = Devices(settings(enlarging_weights[2]))

    def fails(networks: Networks) -> None:
        raise ValueError("of this picture")

    with pytest.raises(ValueError, match="of this picture"):
        devices.run(fails)
    assert devices.run(lambda networks: networks[2].scale) == 2
    devices.close()


def test_networks_are_loaded_once_and_run_as_asked(enlarging_weights: dict[int, Path]) -> None:
    networks = Networks({3: str(enlarging_weights[3])}, settings(enlarging_weights[3]), "cpu")
    assert networks[3] is networks.among({3: str(enlarging_weights[3])})[3]
    expected = Upscaler(enlarging_weights[3], device="cpu", engine="torch", precision="fp32", threads=1)
    pixels = smooth(20, 24)
    np.testing.assert_array_equal(networks[3].upscale(pixels), expected.upscale(pixels))
    assert (networks[3].engine_name, networks[3].precision) == ("torch", "fp32")


def test_a_missing_device_is_an_error_for_all(enlarging_weights: dict[int, Path]) -> None:
    devices = Devices(settings(enlarging_weights[2], "cuda:9"))
    with pytest.raises(NetworkUnavailableError) as caught:
        devices.run(lambda networks: networks[2])
    devices.close()
    assert isinstance(caught.value.reason, UnavailableError)


def test_a_budget_is_never_exceeded_and_one_that_is_larger_waits_until_it_is_alone() -> None:
    budget, lent, most, alone = ByteBudget(100), 0, 0, True
    counting = threading.Lock()

    def borrow(amount: int) -> None:
        nonlocal lent, most, alone
        with budget.lend(amount):
            with counting:
                alone = alone and (amount <= 100 or lent == 0)
                lent += amount
                most = max(most, lent if amount <= 100 else 0)
            threading.Event().wait(0.002)
            with counting:
                lent -= amount

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(borrow, [40, 30, 250, 60, 50, 10] * 8))
    assert most <= 100
    assert alone
