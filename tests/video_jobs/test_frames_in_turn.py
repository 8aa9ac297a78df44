"""What is decoded from the start is decoded once for parts in turn, whoever stops wherever."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import numpy as np
import pytest

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.frames import Checksums, SourceFrame
from ripfdn_cli.video_jobs.frames_in_turn import FramesInTurn

pytestmark = pytest.mark.any_precision

LENGTH = 40
HELD = {20: 23}
"""Frame 20 stands for those up to 23."""


class Source:
    """Frames that show their number. `began`: where each reading did; `decoded`: their numbers, of all."""

    def __init__(self, broken: int = LENGTH) -> None:
        self.began: list[tuple[int, Checksums | None]] = []
        self.decoded: list[int] = []
        self._broken = broken

    def __call__(self, first: int, before: Checksums | None) -> Iterator[SourceFrame]:
        self.began.append((first, before))
        number = 0 if before == {} else first
        while number < LENGTH:
            self.decoded.append(number)
            if number == self._broken:
                raise InputError(f"frame {number}")
            stop = HELD.get(number, number + 1)
            if stop > first:
                yield SourceFrame(number, stop, np.full((1, 1, 3), number, np.uint8))
            number = stop


def part(frames: FramesInTurn, first: int, stop: int, before: Checksums | None) -> list[int]:
    """Up to and with the one that shows that the part has ended, as those who make segments read."""
    found = []
    with closing(frames(first, before)) as reading:
        for frame in reading:
            found.append(frame.index)
            assert frame.pixels[0, 0, 0] == frame.index
            if frame.index >= stop:
                break
    return found


def test_parts_in_turn_are_decoded_once() -> None:
    source = Source()
    frames = FramesInTurn(source, seeks=False)
    assert part(frames, 0, 5, None) == [0, 1, 2, 3, 4, 5]
    assert part(frames, 5, 8, {4: 1}) == [5, 6, 7, 8]
    assert part(frames, 18, 21, None) == [18, 19, 20, 23]
    assert part(frames, 21, 24, {}) == [20, 23, 24]
    assert part(frames, 38, 41, None) == [38, 39]
    assert source.began == [(0, {})]
    assert source.decoded == [number for number in range(LENGTH) if number not in (21, 22)]


def test_what_lies_behind_is_decoded_from_the_start() -> None:
    source = Source()
    frames = FramesInTurn(source, seeks=False)
    part(frames, 10, 15, None)
    assert part(frames, 5, 6, None) == [5, 6]
    assert part(frames, 5, 6, None) == [5, 6]  # both are still kept
    assert source.began == [(10, {}), (5, {})]
    part(frames, 7, 30, None)
    assert part(frames, 6, 7, None) == [6, 7]  # long gone from what is kept
    assert source.began == [(10, {}), (5, {}), (6, {})]


def test_places_that_are_sought_are_left_to_the_source() -> None:
    source = Source()
    frames = FramesInTurn(source, seeks=True)
    for _ in range(2):
        assert part(frames, 30, 31, {29: 29}) == [30, 31]
    assert part(frames, 10, 11, None) == [10, 11]
    assert part(frames, 12, 13, {}) == [12, 13]
    assert part(frames, 14, 15, {}) == [14, 15]
    assert source.began == [(30, {29: 29}), (30, {29: 29}), (10, None), (12, {})]


def test_two_at_once_have_readings_of_their_own() -> None:
    source = Source()
    frames = FramesInTurn(source, seeks=False)
    one, other = frames(0, {}), frames(1, {})
    pairs = list(islice(zip(one, other, strict=False), 10))
    assert [(a.index, b.index) for a, b in pairs] == [(number, number + 1) for number in range(10)]
    one.close()
    other.close()
    assert part(frames, 11, 12, None) == [11, 12]
    assert part(frames, 10, 11, None) == [10, 11]
    assert len(source.began) == 2


def test_a_reading_that_failed_is_not_gone_on_with() -> None:
    source = Source(broken=7)
    frames = FramesInTurn(source, seeks=False)
    for _ in range(2):
        with pytest.raises(InputError, match="frame 7"):
            part(frames, 5, 9, None)
    assert source.began == [(5, {}), (5, {})]
