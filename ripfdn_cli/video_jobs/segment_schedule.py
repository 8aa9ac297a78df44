"""Which segments of a video are to be made where several are made at once, and what becomes of errors.

All begin where seeking leads; whether that was right shows once the segment before is there. One that began
at a wrong place is made again by what the segment before says, as in a run that is resumed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from ripfdn_cli.errors import InputError, RipfdnError
from ripfdn_cli.video.frames import Checksums
from ripfdn_cli.video_jobs.segments import SegmentEntry, Segments

_MOST_MISPLACED = 2
"""Wrong places after which no other is sought: what is left is decoded from the source's start."""


@dataclass(frozen=True)
class SegmentTask:
    """A segment to be made. `before`: see `SegmentMaker.make`."""

    number: int
    before: Checksums | None


@dataclass(frozen=True)
class MadeSegment:
    """What is to be recorded of a segment whose file is there, how many frames were `computed` for it, and
    the `warnings` meanwhile.
    """

    entry: SegmentEntry
    computed: int
    warnings: tuple[str, ...] = ()


class SegmentSchedule:
    """The tasks that make the missing ones of `count` segments; those that are `waiting` to be begun may be
    taken from there. Whoever ends one records it in `segments`, and says so.
    """

    def __init__(self, segments: Segments, count: int) -> None:
        self._segments, self._count = segments, count
        self.waiting = deque(self._task(number) for number in segments.missing(count))
        self._not_ended = {task.number for task in self.waiting}
        self._errors: dict[int, RipfdnError] = {}
        self._doubtful = set[int]()
        self._misplaced = 0

    def made(self, task: SegmentTask) -> None:
        """The segment of `task` is recorded."""
        self._not_ended.discard(task.number)
        self._make_next_again()

    def failed(self, task: SegmentTask, error: RipfdnError) -> None:
        """No segment is begun that comes after one that failed. Frames that can't be decoded after seeking
        are tried again from a place that is known.
        """
        self._not_ended.discard(task.number)
        if task.before is None and isinstance(error, InputError):
            self._doubtful.add(task.number)
        else:
            self._errors[task.number] = error
            for later in [other for other in self.waiting if other.number > task.number]:
                self.waiting.remove(later)
                self._not_ended.discard(later.number)
        self._make_next_again()

    def raise_error(self) -> None:
        """The error that one machine would have met first, if there was any."""
        if self._errors:
            raise self._errors[min(self._errors)]

    def _task(self, number: int) -> SegmentTask:
        if number == 0:
            return SegmentTask(number, {})
        known = number == len(self._segments.entries)
        return SegmentTask(number, self._segments.entries[-1].before if known else None)

    def _make_next_again(self) -> None:
        """The first one that is missing, where it has ended: only now is it known where it begins."""
        number = len(self._segments.entries)
        if number >= min(self._errors, default=self._count) or number in self._not_ended:
            return
        self.waiting.appendleft(self._task(number))
        self._not_ended.add(number)
        self._misplaced += number not in self._doubtful
        if self._misplaced == _MOST_MISPLACED:
            for place, task in enumerate(self.waiting):
                if task.before is None:
                    self.waiting[place] = replace(task, before={})
