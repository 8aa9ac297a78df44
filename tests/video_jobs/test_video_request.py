"""Which videos a command is about, by names alone."""

from pathlib import Path

import pytest

from ripfdn_cli.pipeline.shards import Shard
from ripfdn_cli.video_jobs.video_request import VideoRequest, find_videos


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("film.mkv", True),
        ("frames/%06d.png", True),
        ("out/", False),
        ("picture.png", False),
        ("out/{stem}.mkv", False),
        ("out/{stem}/%03d.png", False),
    ],
)
def test_an_output_is_one_result_or_a_rule_for_several(output: str, expected: bool) -> None:
    assert VideoRequest((Path("a.mp4"),), output).is_one_result is expected


def test_a_folder_by_the_name_of_a_video_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "clips.mkv").mkdir()
    assert not VideoRequest((Path("a.mp4"),), str(tmp_path / "clips.mkv")).is_one_result


def test_videos_are_found_at_any_depth_and_nothing_else(tmp_path: Path) -> None:
    names = ("b.MP4", "a/c.mkv", "a/d.png", "a/.e.mkv", "f.txt", "out/g.mkv")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_videos(VideoRequest((tmp_path,), str(tmp_path / "out") + "/"))
    assert {source.below.as_posix() for source in found} == {"b.MP4", "a/c.mkv"}
    some = find_videos(VideoRequest((tmp_path,), str(tmp_path / "out") + "/", exclude=("*.mkv",)))
    assert [source.below.as_posix() for source in some] == ["b.MP4"]


def test_videos_have_journals_of_their_own() -> None:
    whole = VideoRequest((Path("clips"),), "out/")
    shares = {VideoRequest((Path("clips"),), "out/", shard=Shard(n, 2)).journal for n in (1, 2)}
    assert whole.journal != ""
    assert len(shares | {whole.journal}) == 3
