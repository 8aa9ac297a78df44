"""Timestamps of packets as they were meant: in streams that were joined byte by byte, the clock starts anew
in the middle of a file.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction

_LARGEST_STEP_BACK = Fraction(1, 10)
_LARGEST_STEP_AHEAD = Fraction(10)
"""Seconds between packets of a stream; more is a new clock, by FFmpeg's own limits for transport streams."""
_NEAR = 1 << 24
"""Bytes within which all streams change to the new clock."""

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Joint:
    """Packets from byte `position` of a file on have a clock of their own: `seconds` are to be added."""

    position: int
    seconds: Fraction


def retimed(packets: Iterable[AnyPacket], joints: Sequence[Joint]) -> Iterator[AnyPacket]:
    """`packets` in the order of a file, with times on one clock."""
    if not joints:
        yield from packets
        return
    starts = [joint.position for joint in joints]
    latest: dict[int, int] = {}
    for packet in packets:
        position = latest[packet.stream_index] = _position(packet, latest)
        number = bisect_right(starts, position)
        if number and packet.size:
            ticks = round(joints[number - 1].seconds / as_fraction(packet.time_base))
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        yield packet


def _position(packet: AnyPacket, latest: dict[int, int]) -> int:
    """Where `packet` begins; one that shares its transport packet with the one before has no place itself."""
    unknown = packet.pos is None or packet.pos < 0
    return latest.get(packet.stream_index, 0) if unknown else packet.pos


class _Rows:
    """Packets of one stream: byte positions, decoding and presentation times, ends; in ticks."""

    def __init__(self) -> None:
        self.columns = [array("q") for _ in range(4)]

    def arrays(self) -> list[Integers]:
        return [np.array(column, np.int64) for column in self.columns]


@dataclass(frozen=True)
class _Pause:
    """Between two packets of a stream, at these `positions`, lie more than `limit` ticks of decoding `times`:
    a new clock, or nothing to tell for so long.
    """

    positions: Integers
    times: Integers
    limit: int

    def is_shown_beyond(self, shown: Integers) -> bool:
        """One of the packets before, which show at `shown`, shows after it: it was on the same clock already.
        Frames that are decoded ahead of those that show before them do.
        """
        return bool(shown.max() > self.times[0] + self.limit)

    def is_filled(self, other: Sequence[Integers]) -> bool:
        """Packets of the stream `other` lie in it, without such a step between any two."""
        low, high = np.searchsorted(other[0], self.positions[0]), np.searchsorted(other[0], self.positions[1])
        steps = np.diff(np.concatenate([self.times[:1], other[1][low:high], self.times[1:]]))
        return bool(low < high and (np.abs(steps) <= self.limit).all())


class ClockWatch:
    """Finds `joints` in packets that it is shown in the order of the file."""

    def __init__(self, time_base: Fraction) -> None:
        self._base = time_base
        self._rows: dict[int, _Rows] = {}
        self._latest: dict[int, int] = {}

    def add(self, packet: AnyPacket) -> int:
        """Note `packet`; the byte position that counts for it."""
        position = self._latest[packet.stream_index] = _position(packet, self._latest)
        time = packet.pts if packet.dts is None else packet.dts
        if time is None or as_fraction(packet.time_base) != self._base:
            return position
        shown = time if packet.pts is None else packet.pts
        row = (position, time, shown, shown + (packet.duration or 0))
        columns = self._rows.setdefault(packet.stream_index, _Rows()).columns
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        return position

    def joints(self, stream: int) -> tuple[Joint, ...]:
        """Where the clock of `stream`, the picture's, starts anew, and what makes one clock of all: what
        comes after a joint begins when everything before it has ended.
        """
        if stream not in self._rows:
            return ()
        rows = {index: rows.arrays() for index, rows in self._rows.items()}
        jumps = {index: self._jumps(index, rows) for index in rows}
        starts = _together(jumps.pop(stream), list(jumps.values()))
        found: list[Joint] = []
        offset, end = 0, self._epoch(rows, starts, 0)[1]
        for number, position in enumerate(starts):
            begin, stop = self._epoch(rows, starts, number + 1)
            offset, end = end - begin, stop - begin + end
            found.append(Joint(position, offset * self._base))
        return tuple(found)

    def _jumps(self, stream: int, rows: dict[int, list[Integers]]) -> list[int]:
        """Byte positions of the packets of `stream` with which the clock changes. Where its packets only
        pause, as those of slides do, the clock goes on.
        """
        positions, times, shown, _ = rows[stream]
        others = [columns for index, columns in rows.items() if index != stream]
        steps = np.diff(times)
        back, ahead = (int(limit / self._base) for limit in (_LARGEST_STEP_BACK, _LARGEST_STEP_AHEAD))
        starts = list(np.flatnonzero(steps < -back) + 1)
        for place in np.flatnonzero(steps > ahead) + 1:
            since = max((start for start in starts if start < place), default=0)
            pause = _Pause(positions[place - 1 : place + 1], times[place - 1 : place + 1], ahead)
            if not pause.is_shown_beyond(shown[since:place]) and not any(map(pause.is_filled, others)):
                starts.append(place)
        return [int(positions[start]) for start in sorted(starts)]

    def _epoch(self, rows: dict[int, list[Integers]], starts: list[int], number: int) -> tuple[int, int]:
        """When the packets between two joints begin and end, on their own clock."""
        low = starts[number - 1] if number else -1
        high = starts[number] if number < len(starts) else 1 << 62
        begins, ends = [], []
        for positions, _, shown, stops in rows.values():
            inside = (positions >= low) & (positions < high)
            if inside.any():
                begins.append(int(shown[inside].min()))
                ends.append(_end(shown[inside], int(stops[inside].max())))
        return min(begins), max(ends)


def _end(shown: Integers, stop: int) -> int:
    """When packets end that show at `shown`: at `stop`, or a usual step later where no duration is said."""
    times = np.unique(shown)
    if stop > times[-1] or len(times) < 2:
        return stop
    return int(times[-1] + np.median(np.diff(times)))


def offsets(positions: Integers, joints: Sequence[Joint], time_base: Fraction) -> Integers:
    """What to add to the times of packets at these byte positions, in ticks."""
    ticks = np.array([0, *(round(joint.seconds / time_base) for joint in joints)], np.int64)
    starts = np.array([joint.position for joint in joints], np.int64)
    return ticks[np.searchsorted(starts, positions, side="right")]


def _together(main: list[int], others: list[list[int]]) -> list[int]:
    """The first byte of each new clock: some streams' packets may lie before the picture's."""
    starts = list(main)
    for jumps in others:
        for position in jumps:
            if starts:
                nearest = min(range(len(main)), key=lambda place: abs(main[place] - position))
                if abs(main[nearest] - position) < _NEAR:
                    starts[nearest] = min(starts[nearest], position)
    return sorted(set(starts))
