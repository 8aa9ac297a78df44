"""What is made, and made again where it began at a wrong place; errors are those of one machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ripfdn_cli.errors import InputError, OutOfMemoryError
from ripfdn_cli.video.encoding import Segment
from ripfdn_cli.video_jobs.segment_schedule import SegmentSchedule, SegmentTask
from ripfdn_cli.video_jobs.segments import SegmentEntry, Segments, open_segments

pytestmark = pytest.mark.any_precision


@pytest.fixture
def segments(tmp_path: Path) -> Iterator[Segments]:
    with open_segments(tmp_path, {}, restart=False) as found:
        yield found


def ends_with(number: int) -> dict[int, int]:
    """What the source's last frame of segment `number` is."""
    return {10 * number + 9: number}


def make(schedule: SegmentSchedule, segments: Segments, task: SegmentTask, *, wrong: bool = False) -> None:
    """Record the segment of `task` as a worker has made it."""
    lead = None if task.before is not None else {} if wrong else ends_with(task.number - 1)
    segments.path(task.number).touch()
    segments.add(task.number, SegmentEntry(Segment(10, 0, 0, ""), ends_with(task.number), 0, lead))
    schedule.made(task)


def test_all_begin_where_seeking_leads_but_what_is_known(segments: Segments) -> None:
    schedule = SegmentSchedule(segments, 3)
    assert list(schedule.waiting) == [SegmentTask(0, {}), SegmentTask(1, None), SegmentTask(2, None)]
    make(schedule, segments, schedule.waiting.popleft())
    assert list(SegmentSchedule(segments, 3).waiting) == [SegmentTask(1, {9: 0}), SegmentTask(2, None)]


def test_a_wrong_place_shows_when_the_segment_before_is_there(segments: Segments) -> None:
    schedule = SegmentSchedule(segments, 4)
    first, second, third, fourth = (schedule.waiting.popleft() for _ in range(4))
    make(schedule, segments, third, wrong=True)
    make(schedule, segments, second)
    make(schedule, segments, fourth)
    assert not schedule.waiting
    make(schedule, segments, first)
    assert list(schedule.waiting) == [SegmentTask(2, {19: 1})]
    make(schedule, segments, schedule.waiting.popleft())
    assert len(segments.entries) == 4
    assert not schedule.waiting


def test_after_two_wrong_places_no_other_is_sought(segments: Segments) -> None:
    schedule = SegmentSchedule(segments, 5)
    for _ in range(2):
        make(schedule, segments, schedule.waiting.popleft())
        make(schedule, segments, schedule.waiting.popleft(), wrong=True)
    assert list(schedule.waiting) == [SegmentTask(2, {19: 1}), SegmentTask(3, {}), SegmentTask(4, {})]


def test_an_error_ends_what_comes_after_and_the_first_one_is_told(segments: Segments) -> None:
    schedule = SegmentSchedule(segments, 6)
    tasks = [schedule.waiting.popleft() for _ in range(4)]
    schedule.failed(tasks[3], OutOfMemoryError("third"))
    assert not schedule.waiting
    schedule.failed(tasks[2], OutOfMemoryError("second"))
    make(schedule, segments, tasks[1])
    make(schedule, segments, tasks[0])
    assert not schedule.waiting
    with pytest.raises(OutOfMemoryError, match="second"):
        schedule.raise_error()


def test_damage_after_seeking_counts_when_the_place_is_known(segments: Segments) -> None:
    schedule = SegmentSchedule(segments, 3)
    first, second, third = (schedule.waiting.popleft() for _ in range(3))
    schedule.failed(second, InputError("after seeking"))
    make(schedule, segments, third)
    make(schedule, segments, first)
    again = schedule.waiting.popleft()
    assert again == SegmentTask(1, {9: 0})
    schedule.raise_error()
    schedule.failed(again, InputError("really"))
    assert not schedule.waiting
    with pytest.raises(InputError, match="really"):
        schedule.raise_error()
