"""Which videos a command is about: by names, and by content where those say nothing."""

import os
from fractions import Fraction
from pathlib import Path
from shutil import copy

import pytest
from PIL import Image
from support.video_clips import Clip, make_clip, picture

from ripfdn_cli.pipeline.shards import Shard
from ripfdn_cli.video_jobs.video_request import VideoRequest, find_videos, is_video_file


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


@pytest.mark.parametrize("name", ["clip", "clip.bin", "clip.of 2024", "clip.mp4"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts", ".avi"])
def test_a_video_that_is_named_is_one_by_its_content(name: str, suffix: str, tmp_path: Path) -> None:
    clip = Clip(frames=24, codec="mpeg2video", time_base=Fraction(1, 24))
    path = Path(copy(make_clip(tmp_path / f"source{suffix}", clip), tmp_path / name))
    assert is_video_file(path)
    assert [source.path for source in find_videos(VideoRequest((path,), f"{tmp_path}/out/"))] == [path]
    (tmp_path / "folder").mkdir()
    path.rename(tmp_path / "folder" / name)  # where a name has to say it
    found = find_videos(VideoRequest((tmp_path / "folder",), f"{tmp_path}/out/"))
    assert len(found) == (name == "clip.mp4")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "MPO", "GIF", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("frames", [1, 3])
def test_a_picture_is_no_video_whatever_its_name(kind: str, frames: int, tmp_path: Path) -> None:
    """Not even what FFmpeg takes for one, as it does AVIF, and JPEGs in a row."""
    images = [Image.fromarray(picture(number)) for number in range(frames)]
    several = {"save_all": True, "append_images": images[1:]} if frames > 1 and kind != "JPEG" else {}
    images[0].save(tmp_path / "a", kind, **several)
    assert not is_video_file(tmp_path / "a")


def test_what_is_neither_is_no_video(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", Clip(frames=2))
    contents = {"empty": b"", "text": b"a video?\n" * 99, "box": b"\0\0\0\x18ftypcrx " + bytes(99)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "missing", "."):
        assert not is_video_file(tmp_path / name)
    copy(clip, tmp_path / "named.png")
    assert not is_video_file(tmp_path / "named.png")
    os.mkfifo(tmp_path / "pipe")
    assert not is_video_file(tmp_path / "pipe")  # and nothing waits for who writes into it
