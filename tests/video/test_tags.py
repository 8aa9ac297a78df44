"""Tags are compared by what they mean, and spelt as each container reads them."""

from pathlib import Path

import pytest

from ripfdn_cli.video.formats import container_of
from ripfdn_cli.video.tags import carried, lost_tags, means_the_same, spelled, spelled_for_file

MKV, MP4, MOV = (container_of(Path(f"a.{suffix}")) for suffix in ("mkv", "mp4", "mov"))


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ("2019-07-24T08:25:57.000000Z", "2019-07-24T08:25:57Z"),
        ("2019-07-24T11:25:57+03:00", "2019-07-24T08:25:57.000000Z"),
        ("2019-07-24 08:25:57", "2019-07-24T08:25:57Z"),
        ("+12.0+013.0/", "+12.0000+013.0000/"),
        (" My film ", "My film"),
    ],
)
def test_other_spellings_of_one_value_are_no_loss(value: str, other: str) -> None:
    assert lost_tags({"tag": value}, {"TAG": other}, MKV) == []


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ("2019-07-24T08:25:57Z", "2019-07-24T08:25:58Z"),
        ("+12.0+013.0/", "+12.0-013.0/"),
        ("Film 1", "Film 10"),
    ],
)
def test_other_values_are_a_loss(value: str, other: str) -> None:
    assert lost_tags({"tag": value}, {"tag": other}, MKV) == ["tag"]


def test_what_a_container_tells_of_itself_is_left_behind() -> None:
    flv = {"hasVideo": "true", "lasttimestamp": "3", "title": "T", "metadatacreator": "x", "datasize": "9"}
    assert carried(flv, "flv", of_file=True) == {"title": "T"}
    mkv = {"DURATION": "1", "BPS-eng": "2", "_STATISTICS_TAGS": "BPS", "DIRECTOR": "D"}
    assert carried(mkv, "matroska,webm") == {"DIRECTOR": "D"}
    assert carried({"audio_note": "kept"}, "mov,mp4", of_file=True) == {"audio_note": "kept"}


def test_named_tags_are_left_out() -> None:
    assert carried({"Title": "T", "artist": "A"}, "mov", frozenset({"title"})) == {"artist": "A"}


def test_a_track_title_of_mp4_is_written_by_the_name_that_ffmpeg_writes() -> None:
    assert spelled({"name": "Surround"}, MP4) == {"title": "Surround"}


def test_tags_by_name_are_used_where_they_lose_nothing() -> None:
    assert spelled_for_file({"title": "T", "DIRECTOR": "D"}, MP4)[1] == {}
    assert spelled_for_file({"DIRECTOR": "D"}, MP4)[1] != {}
    tags, options = spelled_for_file({"title": "T", "com.android.version": "9"}, MOV)
    assert options
    assert tags["com.apple.quicktime.title"] == tags["title"] == "T"
    assert spelled_for_file({"com.android.version": "9"}, MKV)[1] == {}


def test_a_time_that_the_file_states_too_is_the_same_in_another_spelling() -> None:
    assert means_the_same("2024-03-01T10:11:12.000000Z", "2024-03-01T10:11:12Z")
    assert not means_the_same("2024-03-01T10:11:12Z", "2024-03-01T10:11:13Z")
