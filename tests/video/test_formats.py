from pathlib import PurePath

import av
import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.video.formats import (
    CONTAINERS,
    DEMUXERS,
    QUICKTIME_LANGUAGES,
    container_of,
    is_video,
    written_suffix,
)


def test_ffmpeg_knows_the_names() -> None:
    """Each of those by which it calls one demuxer; a wrong one would refuse every file of that kind."""
    for name in ",".join(DEMUXERS).split(","):
        assert av.ContainerFormat(name, "r").is_input
    for container in CONTAINERS:
        muxer = av.ContainerFormat(container.muxer, "w")
        assert container.suffixes[0].removeprefix(".") in muxer.extensions


@pytest.mark.parametrize("name", ["a.MKV", "b.webm", "c.mp4", "d.m4v", "e.Mov"])
def test_suffixes_in_any_case_name_a_container(name: str) -> None:
    assert PurePath(name).suffix.lower() in container_of(PurePath(name)).suffixes
    assert is_video(PurePath(name))
    assert written_suffix(PurePath(name)) == PurePath(name).suffix.lower()


def test_what_is_only_read_becomes_matroska() -> None:
    assert is_video(PurePath("a.TS"))
    assert written_suffix(PurePath("a.TS")) == ".mkv"
    with pytest.raises(UsageError, match=r"a\.ts: \.ts is not a container.*use one of \.mkv \.webm \.mp4"):
        container_of(PurePath("a.ts"))
    with pytest.raises(UsageError, match="a: no suffix is not a container"):
        container_of(PurePath("a"))
    assert not is_video(PurePath("a.png"))


def test_languages_become_those_that_the_muxer_of_quicktime_keeps() -> None:
    assert all(len(code) == 3 for pair in QUICKTIME_LANGUAGES.items() for code in pair)
    assert not QUICKTIME_LANGUAGES.keys() & set(QUICKTIME_LANGUAGES.values())
