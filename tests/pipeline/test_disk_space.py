"""A job that won't fit on the disk stops before it starts, or before the segment that would fill it."""

import shutil
from pathlib import Path

import pytest

from ripfdn_cli.errors import DiskFullError
from ripfdn_cli.pipeline.disk_space import DiskWatch


def test_a_job_that_can_not_fit_stops_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"free some space, or choose another `output`"):
        DiskWatch(tmp_path / "x.segments", frames=10**9, frame_bytes=10**9).check_before(0, 0)


def test_a_job_that_may_not_fit_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    free = shutil.disk_usage(tmp_path).free
    watch = DiskWatch(tmp_path / "x.segments", frames=1000, frame_bytes=free / 1000)
    watch.check_before(0, 0)
    watch.check_after_segment(10, free // 100, 1000)
    assert caplog.text.count("what is done is kept") == 1


def test_what_was_measured_counts_more_than_what_was_thought(tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path / "x.segments", frames=100, frame_bytes=10**15)
    assert watch.expected(done=10, written=1000) == 90 * 100 + 100 * 100


def test_sound_and_the_like_are_counted_once(tmp_path: Path) -> None:
    frames, beside = DiskWatch(tmp_path, 100, 10.0), DiskWatch(tmp_path, 100, 10.0, other_bytes=7000)
    assert beside.expected() == frames.expected() + 7000


def test_the_disk_is_never_filled_to_the_brim(tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path / "x.segments", frames=100, frame_bytes=1.0)
    largest = shutil.disk_usage(tmp_path).free
    with pytest.raises(DiskFullError, match=r"10 of 100 frames are done and kept"):
        watch.check_after_segment(10, 10, largest)
    watch.check_after_segment(100, 100, largest)
