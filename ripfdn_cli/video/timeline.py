"""When each frame of a video shows: which source frame, at which timestamp, for how long. Integers only."""

import logging
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError, UsageError

log = logging.getLogger(__name__)

Ticks = NDArray[np.int64]

_LARGEST_DENOMINATOR = 2**31 - 1
"""Time bases are ratios of 32-bit integers in every container."""
_TICKS_OF_FINE_CLOCKS = 4
"""So many ticks a frame, half a tick is nothing to see."""


@dataclass(frozen=True, eq=False)
class SourceTimes:
    """Timestamps and durations, in ticks of `time_base` seconds, of the frames of a source in the order they
    show. `nominal_rate`: the frames per second that the file gives. `stamps`: the timestamps that decoded
    frames have; None where they are `pts`.
    """

    time_base: Fraction
    pts: Ticks
    durations: Ticks
    nominal_rate: Fraction | None = None
    stamps: Ticks | None = None

    @property
    def start(self) -> Fraction:
        """When the first frame shows, in seconds."""
        return int(self.pts[0]) * self.time_base

    @property
    def is_constant(self) -> bool:
        """All frames are equally far apart, to a tick (clocks that can't hold the rate exactly alternate)."""
        steps = np.diff(self.pts)
        return len(steps) == 0 or int(steps.max() - steps.min()) <= 1

    @property
    def rate(self) -> Fraction:
        """Frames per second: what the file says where all frames are so far apart, else the average."""
        if self.nominal_rate is not None and self.is_constant and self._is_at(self.nominal_rate):
            return self.nominal_rate
        first, end = int(self.pts[0]), int(self.pts[-1] + self.durations[-1])
        if end <= first:
            return Fraction(1)
        return Fraction(len(self.pts)) / ((end - first) * self.time_base)

    def _is_at(self, rate: Fraction) -> bool:
        """Frames are `rate` a second, to a tick."""
        if len(self.pts) < 2:
            return True
        step = Fraction(int(self.pts[-1] - self.pts[0]), len(self.pts) - 1) * self.time_base
        return abs(step - 1 / rate) <= self.time_base


@dataclass(frozen=True, eq=False)
class Timeline:
    """The frames of an output: frame i shows frame `source[i]` of the source at `pts[i]` for `durations[i]`
    ticks of `time_base` seconds. `shift`: seconds to add to any timestamp of the source.
    """

    time_base: Fraction
    source: Ticks
    pts: Ticks
    durations: Ticks
    shift: Fraction
    rate: Fraction

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def start(self) -> Fraction:
        """When the first frame shows, in seconds."""
        return int(self.pts[0]) * self.time_base

    @property
    def end(self) -> Fraction:
        """When the last frame's time is over, in seconds."""
        return int(self.pts[-1] + self.durations[-1]) * self.time_base

    @property
    def source_span(self) -> tuple[Fraction, Fraction]:
        """From when to when, in the source's own time."""
        return self.start - self.shift, self.end - self.shift


def source_times(
    time_base: Fraction,
    pts: list[int],
    durations: list[int],
    nominal_rate: Fraction | None = None,
    *,
    name: str = "the video",
) -> SourceTimes:
    """`pts` in any order, with the packets' own `durations` (0 where unknown), as times in showing order.

    A frame shows until the next one starts; the last as long as its packet says, else as long as the one
    before. Frames with one timestamp are spread: evenly over all, where packets of one duration fill the time
    from the first to the last, as where a program stream gave a time to the wrong one of two frames; else
    over the time until the next. `name`: what messages call the source. Raises InputError where that is too
    short.
    """
    stamps, own = np.array(pts, np.int64), np.array(durations, np.int64)
    order = np.argsort(stamps, kind="stable")
    stamps, own = stamps[order], own[order]
    steps = np.diff(stamps)
    last = int(own[-1]) or (int(steps[-1]) if len(steps) else 0) or 1
    if (steps > 0).all():
        return SourceTimes(time_base, stamps, np.append(steps, last).astype(np.int64), nominal_rate)
    times = _even(stamps, own, name)
    if times is None:
        times = _spread(stamps, last, time_base, name)
    return SourceTimes(time_base, times, np.append(np.diff(times), last), nominal_rate, stamps)


def _even(stamps: Ticks, durations: Ticks, name: str) -> Ticks | None:
    """Times one duration apart, where all `durations` are the same and no sorted `stamps` are further off."""
    step = int(durations[0])
    times: Ticks = stamps[0] + step * np.arange(len(stamps), dtype=np.int64)
    fits = step > 0 and (durations == step).all() and times[-1] == stamps[-1]
    if not fits or (np.abs(times - stamps) > step).any():
        return None
    log.info(
        "%s: some frames have the timestamp of another one; all are shown at an even rate, as it fits", name
    )
    return times


def _spread(stamps: Ticks, last: int, time_base: Fraction, name: str) -> Ticks:
    """Rising times for sorted `stamps`, of which some are equal; the last ones are `last` apart."""
    distinct, first, counts = np.unique(stamps, return_index=True, return_counts=True)
    room = np.append(np.diff(distinct), last * counts[-1])
    if (room < counts).any():
        place = int(np.argmax(room < counts))
        raise InputError(
            f"{counts[place]} of its frames have the same timestamp "
            f"({float(distinct[place] * time_base):.3f} s), too many to spread them until the next; "
            "make a copy with new timestamps first: ffmpeg -r RATE -i FILE -c:v ffv1 copy.mkv"
        )
    moved = int((counts - 1).sum())
    log.warning(
        "%s: %s the timestamp of another one; they are spread over the time until the next",
        name,
        "1 frame has" if moved == 1 else f"{moved} frames have",
    )
    number = np.arange(len(stamps)) - np.repeat(first, counts)
    room, counts, distinct = (np.repeat(column, counts) for column in (room, counts, distinct))
    spread: Ticks = distinct + number * room // counts
    return spread


def timeline(
    times: SourceTimes,
    *,
    origin: Fraction = Fraction(0),
    start: Fraction | None = None,
    end: Fraction | None = None,
    fps: Fraction | None = None,
) -> Timeline:
    """What to show when: every source frame at its own time; from `start` to before `end`, seconds after the
    first frame; with `fps`, at that constant rate instead, repeating and dropping frames.

    A file that doesn't start at 0 but at `origin` is moved to there, but for sound that starts before 0 next
    to a picture that doesn't; what is cut from a longer video begins at 0 too. Raises UsageError where
    nothing is left.
    """
    first, stop = _kept(times, start, end)
    base = times.time_base
    shift = -int(times.pts[first]) * base if first else -_late_start(times, origin)
    ticks = round(shift / base)
    cut = Timeline(
        time_base=base,
        source=np.arange(first, stop, dtype=np.int64),
        pts=times.pts[first:stop] + ticks,
        durations=times.durations[first:stop],
        shift=ticks * base,
        rate=times.rate,
    )
    return cut if fps is None else _at_rate(cut, fps)


def at_rate(count: int, fps: Fraction) -> SourceTimes:
    """The times of `count` frames without timestamps, `fps` a second from 0."""
    return SourceTimes(1 / fps, np.arange(count, dtype=np.int64), np.ones(count, np.int64), fps)


def _late_start(times: SourceTimes, origin: Fraction) -> Fraction:
    """By how much a file that starts at `origin` starts late; a clock that just wrapped may be below 0."""
    return origin if origin > 0 or times.pts[0] < 0 else Fraction(0)


def _kept(times: SourceTimes, start: Fraction | None, end: Fraction | None) -> tuple[int, int]:
    """The first frame at or after `start`, and the first at or after `end`, seconds after the first."""
    origin = times.start

    def index(seconds: Fraction) -> int:
        ticks = -((-(origin + seconds)) // times.time_base)  # rounded up
        return int(np.searchsorted(times.pts, int(ticks)))

    first = 0 if start is None else index(start)
    stop = len(times.pts) if end is None else index(end)
    if stop <= first:
        length = float(int(times.pts[-1] + times.durations[-1]) * times.time_base - origin)
        raise UsageError(f"`start` and `end` leave no frame of a video of {length:.3f} s")
    return first, stop


def _at_rate(cut: Timeline, fps: Fraction) -> Timeline:
    """Frame k shows what `cut` shows at its start + k / fps; all last as long as `cut`, to half a frame."""
    step = 1 / fps
    count = max(1, int((cut.end - cut.start) / step + Fraction(1, 2)))
    instants = [cut.start + k * step for k in range(count)]
    rounding = _rounding(cut.durations)
    ticks = np.array([(instant / cut.time_base + rounding) // 1 for instant in instants], np.int64)
    shown = np.searchsorted(cut.pts, ticks, side="right") - 1
    base = _common_base(step, cut.start)
    begin, length = round(cut.start / base), round(step / base)
    return Timeline(
        time_base=base,
        source=cut.source[shown],
        pts=begin + length * np.arange(count, dtype=np.int64),
        durations=np.full(count, length, np.int64),
        shift=cut.shift,
        rate=fps,
    )


def _rounding(durations: Ticks) -> Fraction:
    """By how many ticks timestamps may be late: a clock of milliseconds lets the second frame of 24 a second
    begin at 42 in place of 41.67. One as coarse as the frames themselves was made for them, and is exact.
    """
    return Fraction(1, 2) if np.median(durations) >= _TICKS_OF_FINE_CLOCKS else Fraction(0)


def _common_base(step: Fraction, offset: Fraction) -> Fraction:
    """The coarsest time base that holds multiples of `step`, and of `offset` where that is possible."""
    if not offset:
        return step
    denominator = step.denominator * offset.denominator
    numerator = np.gcd(step.numerator * offset.denominator, abs(offset.numerator) * step.denominator)
    exact = Fraction(int(numerator), denominator)
    return exact if exact.denominator <= _LARGEST_DENOMINATOR else step
