"""Results come in order, equal frames are computed once, and what came before an error is written."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import pytest

from ripfdn_cli.pipeline.devices import Devices, Networks, NetworkSettings
from ripfdn_cli.pipeline.frame_pipeline import FramePipeline
from ripfdn_cli.upscaler import Progress


@dataclass(frozen=True)
class Number:
    value: int

    def equals(self, other: Self) -> bool:
        return self.value == other.value


def squares(networks: Networks, frames: Sequence[Number], progress: Progress) -> list[int]:
    progress(1, 1)
    if any(frame.value < 0 for frame in frames):
        raise ArithmeticError("below zero")
    return [frame.value**2 for frame in frames]


@pytest.fixture
def devices() -> Iterator[Devices]:
    made = Devices(NetworkSettings(devices=("cpu", "cpu:1", "cpu:2")))  # none is loaded
    yield made
    made.close()


def through(
    devices: Devices, values: Sequence[int], batch_size: int = 1
) -> tuple[list[tuple[int, int]], int]:
    """Results with the places of their frames, and how many were computed."""
    written: list[tuple[int, int]] = []
    pipeline = FramePipeline(devices, squares, batch_size=batch_size, read_ahead=4)
    pipeline.run(
        ((Number(value), place) for place, value in enumerate(values)),
        lambda result, place: written.append((result, place)),
    )
    return written, pipeline.computed


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("count", [0, 1, 7, 50])
def test_every_frame_in_order(devices: Devices, count: int, batch_size: int) -> None:
    written, computed = through(devices, range(count), batch_size)
    assert written == [(number**2, number) for number in range(count)]
    assert computed == count


@pytest.mark.parametrize("batch_size", [1, 4])
def test_equal_frames_are_computed_once(devices: Devices, batch_size: int) -> None:
    values = [1, 1, 2, 1, 2, 3, 3, 3, 1]
    written, computed = through(devices, values, batch_size)
    assert [result for result, _ in written] == [value**2 for value in values]
    assert computed == 4  # 1, 2, 3, and 1 once more: only two are remembered


@pytest.mark.parametrize("batch_size", [1, 4])
def test_what_came_before_damage_is_written(devices: Devices, batch_size: int) -> None:
    def damaged() -> Iterator[tuple[Number, int]]:
        yield from ((Number(number), number) for number in range(6))
        raise ValueError("damaged")

    written: list[int] = []
    pipeline = FramePipeline(devices, squares, batch_size=batch_size, read_ahead=2)
    with pytest.raises(ValueError, match="damaged"):
        pipeline.run(damaged(), lambda result, place: written.append(place))
    assert written == list(range(6))


def test_an_error_of_the_network_or_the_writer_comes_out(devices: Devices) -> None:
    with pytest.raises(ArithmeticError, match="below zero"):
        through(devices, [1, 2, -1, 4])

    def full(result: int, place: int) -> None:
        raise OSError("full")

    endless = ((Number(number), number) for number in iter(int, 1))
    pipeline = FramePipeline(devices, squares, batch_size=1, read_ahead=2)
    with pytest.raises(OSError, match="full"):
        pipeline.run(endless, full)
    assert threading.active_count() < 20
