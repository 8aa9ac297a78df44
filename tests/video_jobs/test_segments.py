"""What is done is found again, what is half-written counts for nothing, and another job is not mixed in."""

import json
from pathlib import Path

import pytest

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.video.encoding import Segment
from ripfdn_cli.video_jobs.segments import SegmentEntry, Segments, check_folder, open_segments

pytestmark = pytest.mark.any_precision

JOB = {"input": "abc", "encoder": {"codec": "x264", "crf": 18}}


def add(segments: Segments, size: int = 10) -> None:
    number = len(segments.entries)
    segments.path(number).write_bytes(bytes(size))
    segments.add(number, SegmentEntry(Segment(24, 7, size, "00"), {22: 5, 23: 6}, size))


def test_segments_are_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "clip.mkv.segments"
    with open_segments(folder, JOB, restart=False) as segments:
        add(segments)
        add(segments, 20)
    with open_segments(folder, JOB, restart=False) as segments:
        assert [record.segment.size for record in segments.entries] == [10, 20]
        assert segments.entries[0].before == {22: 5, 23: 6}
        assert (segments.frames, segments.written) == (48, 30)
    segments.remove()
    assert not folder.exists()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_counts_for_nothing(cut: int, tmp_path: Path) -> None:
    with open_segments(tmp_path, JOB, restart=False) as segments:
        add(segments)
        add(segments)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-cut])
    with open_segments(tmp_path, JOB, restart=False) as segments:
        assert len(segments.entries) == 1
        add(segments, 33)
    with open_segments(tmp_path, JOB, restart=False) as segments:
        assert [record.segment.size for record in segments.entries] == [10, 33]


@pytest.mark.parametrize("harm", ["missing", "short"])
def test_a_segment_that_is_not_whole_is_made_again(harm: str, tmp_path: Path) -> None:
    with open_segments(tmp_path, JOB, restart=False) as segments:
        for _ in range(3):
            add(segments)
        path = segments.path(1)
    path.unlink() if harm == "missing" else path.write_bytes(b"12345")
    with open_segments(tmp_path, JOB, restart=False) as segments:
        assert len(segments.entries) == 1
        assert segments.missing(4) == [1, 3]
        add(segments, 40)
        assert [record.segment.size for record in segments.entries] == [10, 40, 10]
        add(segments, 50)
    with open_segments(tmp_path, JOB, restart=False) as segments:
        assert [record.segment.size for record in segments.entries] == [10, 40, 10, 50]


def entry(before: dict[int, int], lead: dict[int, int] | None) -> SegmentEntry:
    return SegmentEntry(Segment(24, 7, 0, "00"), before, 0, lead)


def test_segments_that_end_early_count_once_those_before_show_that_they_follow(tmp_path: Path) -> None:
    with open_segments(tmp_path, JOB, restart=False) as segments:
        for number in (3, 2, 4):
            segments.path(number).touch()
        segments.add(3, entry({95: 4}, {70: 9, 71: 3}))
        segments.add(2, entry({71: 3}, {47: 2}))
        segments.add(4, entry({99: 5}, {95: 0}))
        assert (segments.entries, segments.missing(6), segments.frames) == ([], [0, 1, 5], 72)
        assert segments.gap(6) == range(2)
    with open_segments(tmp_path, JOB, restart=False) as segments:  # a later run has them, too
        for number, last in ((0, {23: 1}), (1, {47: 2})):
            segments.path(number).touch()
            segments.add(number, entry(last, None))
        assert [list(found.before) for found in segments.entries] == [[23], [47], [71], [95]]
        assert segments.missing(6) == [4, 5]  # the fourth began at a wrong place
    with open_segments(tmp_path, JOB, restart=False) as segments:
        assert len(segments.entries) == 4
        segments.add(4, entry({99: 6}, None))
    with open_segments(tmp_path, JOB, restart=False) as segments:
        assert segments.entries[4].before == {99: 6}


def test_a_folder_that_is_not_there_or_of_another_job_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="isn't there"):
        check_folder(tmp_path / "none", JOB)
    with open_segments(tmp_path, JOB, restart=False):
        check_folder(tmp_path, JOB)  # though this run holds it
        with pytest.raises(UsageError, match="input was abc, is other"):
            check_folder(tmp_path, JOB | {"input": "other"})


def test_another_job_is_noticed_and_named(tmp_path: Path) -> None:
    with open_segments(tmp_path, JOB, restart=False) as segments:
        add(segments)
    other = {"input": "abc", "encoder": {"codec": "x264", "crf": 20}}
    with (
        pytest.raises(UsageError, match=r"encoder\.crf was 18, is 20.*`restart=True`"),
        open_segments(tmp_path, other, restart=False),
    ):
        pass
    with open_segments(tmp_path, other, restart=True) as segments:
        assert segments.entries == []


def test_a_job_that_has_done_nothing_yet_makes_room(tmp_path: Path) -> None:
    with open_segments(tmp_path, JOB, restart=False):
        pass
    with open_segments(tmp_path, {"input": "other"}, restart=False) as segments:
        add(segments)
    with open_segments(tmp_path, {"input": "other"}, restart=False) as segments:
        assert len(segments.entries) == 1


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with (
        open_segments(tmp_path, JOB, restart=False),
        pytest.raises(UsageError, match="another run"),
        open_segments(tmp_path, JOB, restart=False),
    ):
        pass


def test_a_damaged_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text(json.dumps({"version": 1, "job": JOB}) + '\n{"number": 0}\n')
    with pytest.raises(OutputError, match="damaged"), open_segments(tmp_path, JOB, restart=False):
        pass


def test_a_folder_of_something_else_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with (
        pytest.raises(OutputError, match="not a folder of segments"),
        open_segments(tmp_path, JOB, restart=True),
    ):
        pass
    assert (tmp_path / "holiday.jpg").exists()
