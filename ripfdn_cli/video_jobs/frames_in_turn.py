"""Frames that are decoded from a source's start: once for all parts that are wanted one after the other, not
once for each.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator

from ripfdn_cli.video.frames import Checksums, FramesFrom, SourceFrame

_KEPT = 4
"""Frames that can be had again: whoever wants a part takes the frame after it, too, to know that it ends."""


class FramesInTurn:
    """`frames`; a reading from the start goes on where one stands that was left before the wanted place.
    `seeks`: whether `frames` can begin elsewhere at all. For any thread.
    """

    def __init__(self, frames: FramesFrom, *, seeks: bool) -> None:
        self._frames, self._seeks = frames, seeks
        self._left: list[_Reading] = []
        self._lock = threading.Lock()

    def __call__(self, first: int, before: Checksums | None) -> Generator[SourceFrame]:
        """As `VideoFrames` gives them."""
        if self._seeks and before != {}:
            yield from self._frames(first, before)
            return
        reading = self._taken(first)
        try:
            yield from reading.frames_from(first)
        except GeneratorExit:  # no more of them are wanted now
            self._leave(reading)
            raise
        self._leave(reading)

    def _taken(self, first: int) -> _Reading:
        """The reading that is nearest before `first`; where there is none, others are of no use any more."""
        with self._lock:
            fitting = [reading for reading in self._left if reading.start <= first]
            if not fitting:
                self._left.clear()
                return _Reading(self._frames(first, {}), first)
            nearest = max(fitting, key=lambda reading: reading.start)
            self._left.remove(nearest)
            return nearest

    def _leave(self, reading: _Reading) -> None:
        with self._lock:
            self._left.append(reading)


class _Reading:
    """`frames` to be read bit by bit; those from number `start` on can be had."""

    def __init__(self, frames: Iterator[SourceFrame], start: int) -> None:
        self._frames, self.start = frames, start
        self._kept: deque[SourceFrame] = deque()

    def frames_from(self, first: int) -> Iterator[SourceFrame]:
        """Those that show at `first` or later."""
        for frame in list(self._kept):
            if frame.stop > first:
                yield frame
        for frame in self._frames:
            self._keep(frame)
            if frame.stop > first:
                yield frame

    def _keep(self, frame: SourceFrame) -> None:
        self._kept.append(frame)
        if len(self._kept) > _KEPT:
            self._kept.popleft()
            self.start = self._kept[0].index
