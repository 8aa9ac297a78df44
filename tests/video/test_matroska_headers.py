"""What is put into headers is found by FFmpeg, and as RFC 9559 has it."""

import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import InternalError
from ripfdn_cli.video.matroska_headers import (
    ChapterTitle,
    Descriptions,
    describe,
    displayed_size,
    read_descriptions,
    room_for_display,
    room_for_language,
    room_for_titles,
    write_display,
)

TITLES = (ChapterTitle("Opening", "eng", "en-US"), ChapterTitle("Ouverture", "fre", "fr-CA", "ca"))


def file_with_room(path: Path, language: str, title: str) -> Path:
    """A video and its sound, copied, in one chapter."""
    source = make_clip(path.with_name("source.mkv"), Clip(audio="aac"))
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {}
        for stream in old.streams:
            streams[stream.index] = new.add_stream_from_template(stream)
            streams[stream.index].metadata["language"] = language if stream.type == "audio" else "ger"
        span: Any = {"id": 7, "start": 0, "end": 400, "time_base": Fraction(1, 1000)}
        new.set_chapters([span | {"metadata": {"title": title}}])
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return path


def test_languages_and_titles_fit_where_room_was_made(tmp_path: Path) -> None:
    path = file_with_room(tmp_path / "a.mkv", room_for_language("fre", "fr-CA"), room_for_titles(TITLES))
    size = path.stat().st_size
    describe(path, {1: ("fre", "fr-CA")}, [TITLES])
    content = path.read_bytes()
    assert len(content) == size
    assert content.count(b"\x22\xb5\x9d\x85fr-CA") == 1  # LanguageBCP47, 5 bytes
    assert content.count(b"\x22\xb5\x9c\x83fre") == 1  # Language
    for text in (b"\x85\x87Opening", b"\x85\x89Ouverture"):  # ChapString
        assert content.count(text) == 1
    for bcp47 in (b"\x43\x7d\x85en-US", b"\x43\x7d\x85fr-CA"):  # ChapLanguageBCP47
        assert content.count(bcp47) == 1
    with av.open(str(path)) as container:
        assert [stream.metadata["language"] for stream in container.streams] == ["ger", "fre"]
        assert container.chapters()[0]["metadata"]["title"] == "Ouverture"  # the last one
        assert sum(len(frame.planes) for frame in container.decode(video=0)) > 0


def test_checksums_are_of_what_was_written(tmp_path: Path) -> None:
    """FFmpeg writes a CRC-32 at the head of Tracks, of all that follows (RFC 8794, 11.3.1)."""
    path = file_with_room(tmp_path / "a.mkv", room_for_language("fre", "fr-CA"), "a")
    describe(path, {1: ("fre", "fr-CA")}, [()])
    content = path.read_bytes()
    at = content.rindex(b"\x16\x54\xae\x6b") + 4
    length = 9 - content[at].bit_length()
    size = int.from_bytes(content[at : at + length], "big") & ((1 << 7 * length) - 1)
    tracks = content[at + length : at + length + size]
    assert tracks[:2] == b"\xbf\x84"
    assert int.from_bytes(tracks[2:6], "little") == zlib.crc32(tracks[6:])


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = file_with_room(tmp_path / "a.mkv", room_for_language("fre", "fr-CA"), room_for_titles(TITLES))
    describe(path, {1: ("fre", "fr-CA")}, [TITLES])
    found = read_descriptions(path)
    assert found.languages == {1: "fr-CA"}
    assert list(found.titles.values()) == [TITLES]
    path.write_bytes(b"")
    assert read_descriptions(path) == Descriptions()


def test_without_room_nothing_is_overwritten(tmp_path: Path) -> None:
    path = file_with_room(tmp_path / "a.mkv", "fre", "short")
    before = path.read_bytes()
    with pytest.raises(InternalError, match="no room"):
        describe(path, {1: ("fre", "fr-CA")}, [()])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("size", "aspect", "stereo_mode", "shown"),
    [
        ((1440, 1152), Fraction(16, 15), "", (1536, 1152)),  # PAL
        ((2880, 1920), Fraction(1), "left_right", (1440, 1920)),
        ((2880, 1920), Fraction(2), "left_right", (2880, 1920)),
        ((1920, 2160), Fraction(1), "top_bottom", (1920, 1080)),
        ((128, 96), Fraction(2), "mono", (256, 96)),
    ],
)
def test_the_size_to_show_a_picture_in(
    size: tuple[int, int], aspect: Fraction, stereo_mode: str, shown: tuple[int, int]
) -> None:
    width, height = displayed_size(*size, aspect, stereo_mode)
    assert Fraction(width, height) == Fraction(*shown)
    assert abs(height - shown[1]) <= 1 or height == Fraction(*shown).denominator


def test_a_size_that_is_no_number_of_px_is_near_and_exact() -> None:
    """NTSC at 16:9, which is 853⅓ px wide."""
    width, height = displayed_size(720, 480, Fraction(32, 27), "")
    assert Fraction(width, height) == Fraction(16, 9)
    assert abs(height - 480) <= 9


@pytest.mark.parametrize("title", ["", "The end."])
def test_the_shape_of_the_picture_fits_where_room_was_made(title: str, tmp_path: Path) -> None:
    source, path = make_clip(tmp_path / "a.mkv", Clip(codec="ffv1")), tmp_path / "b.mkv"
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.metadata["title"] = room_for_display(title)
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    size = path.stat().st_size
    write_display(path, (96, 32))
    assert path.stat().st_size == size
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert video.sample_aspect_ratio == 2
        assert video.metadata.get("title", "") == title
        assert len(list(container.decode(video))) == 12
    with pytest.raises(InternalError, match="no room for the shape"):
        write_display(source, (96, 32))
