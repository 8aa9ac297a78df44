"""What can't be held is found before the first frame, tags stop nothing, and what was computed stays."""

import logging
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from shutil import which
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image
from support.commands import NOT_UTF8
from support.joined_files import concatenated
from support.video_clips import Clip, make_clip, picture
from support.video_facts import decoded, picture_times, planes, seconds, streams_of

from ripfdn_cli.errors import InputError, InternalError, UsageError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video import mux as mux_module
from ripfdn_cli.video.check import Difference
from ripfdn_cli.video_jobs import video_target
from ripfdn_cli.video_jobs.segments import segments_folder
from ripfdn_cli.video_jobs.video_run import VideoFacts, upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings

pytestmark = pytest.mark.any_precision

Upscale = Callable[..., VideoFacts]
TRANSLATED = (0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
"""A quarter turn that moves the picture back into view, as phones write it."""


@pytest.fixture
def upscale(bilinear_weights: Path) -> Upscale:
    """`upscale_video` with a quick network; keywords are options of reading, and `encoding`."""
    network = NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)

    def run(
        path: Path,
        output: Path,
        encoding: EncodingOptions | None = None,
        progress: Any = None,
        **reading: Any,
    ) -> VideoFacts:
        encoding = encoding or EncodingOptions(preset="ultrafast")
        asked = VideoSettings(reading=ReadingOptions(**reading), encoding=encoding, segment=20)
        return upscale_video([path], output, asked, network, progress=progress)

    return run


def remuxed(source: Path, path: Path, options: dict[str, str], change: Callable[[Any, Any], None]) -> Path:
    """The packets of `source` in another file, whose streams and tags `change(old, new)` sets."""
    with av.open(str(source)) as old, av.open(str(path), "w", container_options=options) as new:
        streams = {stream.index: new.add_stream_from_template(stream, opaque=True) for stream in old.streams}
        change(old, new)
        for packet in old.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    return path


def tags_of_file(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return dict(container.metadata)


@pytest.mark.parametrize("frames", [23, 24, 25, 47, 48, 61])
def test_a_matroska_of_23_976_becomes_mp4(frames: int, tmp_path: Path, upscale: Upscale) -> None:
    """Its clock of a millisecond can't hold the rate, and MP4 has no durations of reordered frames."""
    times = [round(number * 1001 / 24) for number in range(frames)]
    clip = Clip(times=times, time_base=Fraction(1, 1000), width=48, height=32, audio="aac")
    source = make_clip(tmp_path / "a.mkv", clip)
    output = tmp_path / "a.mp4"
    upscale(source, output, EncodingOptions(preset="medium"))
    for have, want in zip(picture_times(output), picture_times(source), strict=True):
        assert abs(have - want) <= Fraction(1, 1000)
    assert streams_of(output)[1].digests == streams_of(source)[1].digests


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("steps", [[1000] * 10 + [5] * 10, [5] * 10 + [1000] * 10, [40] * 19 + [3000]])
def test_mp4_ends_when_its_last_frame_does(
    suffix: str, steps: list[int], tmp_path: Path, upscale: Upscale
) -> None:
    times = [sum(steps[:number]) for number in range(len(steps) + 1)]
    source = make_clip(tmp_path / "a.mkv", Clip(times=times, time_base=Fraction(1, 1000)))
    output = tmp_path / f"a{suffix}"
    upscale(source, output, EncodingOptions(preset="medium"))
    with av.open(str(output)) as container:
        assert container.duration is not None
        length = container.duration / 1_000_000
    assert abs(length - (times[-1] + 41) / 1000) < 0.003  # as long as the last packet says


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("late", [Fraction(0), Fraction(31, 1000)])
def test_sound_of_44_1_khz_from_a_clock_of_milliseconds_starts_when_it_should(
    late: Fraction, suffix: str, tmp_path: Path, upscale: Upscale
) -> None:
    """Its first packet lies between two ticks of both clocks, wherever the video is cut."""
    clip = Clip(time_base=Fraction(1, 1000), audio="aac", audio_rate=44100, audio_start=late)
    source = make_clip(tmp_path / "a.mkv", clip)
    shown, packets = picture_times(source), streams_of(source)[1]
    for cut in (0, 1, 3, 5):
        output = tmp_path / f"{cut}{suffix}"
        upscale(source, output, start=shown[cut])
        kept = [
            (time - shown[cut], digest)
            for time, digest in zip(packets.times, packets.digests, strict=True)
            if time >= shown[cut]
        ]
        made = streams_of(output)[1]
        assert made.digests == tuple(digest for _, digest in kept)
        for have, (want, _) in zip(made.times, kept, strict=True):
            assert abs(have - want) <= Fraction(1, 44100)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_tags_of_phones_stop_nothing(suffix: str, tmp_path: Path, upscale: Upscale) -> None:
    def tag(old: Any, new: Any) -> None:
        new.metadata.update(
            {
                "com.apple.quicktime.make": "Apple",
                "com.android.version": "9",
                "creation_time": "2019-07-24T08:25:57.000000Z",
            }
        )
        new.streams[1].metadata["title"] = "Microphone"
        new.streams[0].set_display_matrix(TRANSLATED)

    clip = make_clip(tmp_path / "plain.mp4", Clip(audio="libopus" if suffix == ".webm" else "aac"))
    source = remuxed(clip, tmp_path / "phone.mp4", {"movflags": "use_metadata_tags"}, tag)
    assert tags_of_file(source)["com.apple.quicktime.make"] == "Apple"
    output = tmp_path / f"out{suffix}"
    upscale(source, output, EncodingOptions() if suffix == ".webm" else None)
    tags = {name.lower(): value for name, value in tags_of_file(output).items()}
    assert tags["com.apple.quicktime.make"] == "Apple"
    assert tags["com.android.version"] == "9"
    assert tags["creation_time"].startswith("2019-07-24T08:25:57")
    assert "Microphone" in streams_of(output)[1].metadata.values()


def test_tags_that_can_not_be_held_are_told_in_one_line(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(metadata={"title": "T", "DIRECTOR": "D", "STUDIO": "S"}))
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / "a.mp4")
    told = [record.message for record in caplog.records if "can't hold" in record.message]
    assert len(told) == 1
    assert sorted(told[0].partition(": the tags ")[2].split(", ")) == ["DIRECTOR", "STUDIO"]
    assert tags_of_file(tmp_path / "a.mp4")["title"] == "T"


FLAGS = Disposition.default | Disposition.original | Disposition.comment, Disposition.hearing_impaired


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_flags_of_tracks_that_a_container_has_no_place_for_are_told(
    suffix: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever FFmpeg's muxers write of them; a result has all that isn't named."""

    def flag(old: Any, new: Any) -> None:
        for stream, disposition in zip(list(new.streams)[1:], FLAGS, strict=True):
            stream.disposition = disposition

    sound = "libopus" if suffix == ".webm" else "aac"
    clip = make_clip(tmp_path / "plain.mkv", Clip(audio=sound, subtitles="subrip"))
    source, output = remuxed(clip, tmp_path / "a.mkv", {}, flag), tmp_path / f"b{suffix}"
    assert [stream.disposition for stream in streams_of(source)[1:]] == list(map(int, FLAGS))
    with caplog.at_level(logging.WARNING):
        upscale(source, output, EncodingOptions() if suffix == ".webm" else None)
    lost = [
        f"stream {place}'s flag {flag.name}"
        for place, (stream, flags) in enumerate(zip(streams_of(output)[1:], FLAGS, strict=True), 1)
        for flag in Disposition
        if flag & flags and flag.name != "default" and not flag & stream.disposition
    ]
    told = [record.message for record in caplog.records if "flag" in record.message]
    assert [text.partition("can't hold it: ")[2].split(", ") for text in told] == ([lost] if lost else [])


def test_flags_that_a_reader_adds_are_not_told_as_lost(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """FFmpeg reads MP4's flag for the hearing impaired as one of captions, too, which Matroska hasn't."""
    clip = make_clip(tmp_path / "plain.mp4", Clip(subtitles="mov_text"))

    def flag(old: Any, new: Any) -> None:
        new.streams[1].disposition = Disposition.hearing_impaired

    source = remuxed(clip, tmp_path / "a.mp4", {}, flag)
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / "b.mkv")
    assert streams_of(tmp_path / "b.mkv")[1].disposition & Disposition.hearing_impaired
    assert not caplog.records


def test_named_tags_are_dropped_alone(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(metadata={"title": "T", "LOCATION": "home"}, audio="aac"))
    upscale(source, tmp_path / "b.mkv", drop=("tag:location",))
    assert tags_of_file(tmp_path / "b.mkv")["title"] == "T"
    assert "home" not in tags_of_file(tmp_path / "b.mkv").values()
    upscale(source, tmp_path / "c.mkv", drop=("metadata",))
    assert "T" not in tags_of_file(tmp_path / "c.mkv").values()
    assert len(streams_of(tmp_path / "c.mkv")) == 2


def test_tracks_that_nothing_would_describe_are_left_out_with_a_word(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture, shared: Path
) -> None:
    """Timed metadata of phones, which FFmpeg writes into QuickTime with an empty description."""
    source = next((shared / "cases" / "videos").glob("*iphone*.mov"))
    output = tmp_path / "out.mov"
    upscale(source, output, end=Fraction(1, 10))
    assert [stream.kind for stream in streams_of(output)] == ["video", "audio"]
    assert "stream 2 (data, unknown, Core Media Metadata)" in caplog.text


def test_a_transport_stream_that_starts_late_becomes_a_video_that_starts_at_zero(
    tmp_path: Path, upscale: Upscale
) -> None:
    late = 16 * 3600 * 90000
    times = [late + 9000 + 3750 * number for number in range(12)]
    clip = Clip(times=times, time_base=Fraction(1, 90000), audio="aac", audio_start=Fraction(16 * 3600))
    source, output = make_clip(tmp_path / "a.ts", clip), tmp_path / "a.mp4"
    upscale(source, output)
    before, after = streams_of(source), streams_of(output)
    starts = [{stream.kind: stream.times[0] for stream in streams} for streams in (before, after)]
    assert starts[0]["audio"] > 50_000
    assert abs(min(starts[1].values())) <= Fraction(1, 24000)
    apart = [times["video"] - times["audio"] for times in starts]
    assert abs(apart[0] - apart[1]) <= Fraction(1, 24000)


@pytest.mark.parametrize(
    ("name", "frames", "options"), [("a.m2v", 12, {"bf": "2"}), ("a.mpg", 1, {}), ("a.mpg", 12, {"bf": "2"})]
)
def test_a_file_that_does_not_say_when_it_starts_becomes_one_that_starts_at_zero(
    name: str, frames: int, options: dict[str, str], tmp_path: Path, upscale: Upscale
) -> None:
    clip = Clip(frames=frames, codec="mpeg2video", time_base=Fraction(1, 24), options=options)
    source, output = make_clip(tmp_path / name, clip), tmp_path / "b.mkv"
    assert picture_times(source)[0] > 0
    upscale(source, output)
    have = picture_times(output)
    assert len(have) == frames
    assert all(abs(time - Fraction(place, 24)) <= Fraction(1, 1000) for place, time in enumerate(have))


def test_the_end_counts_from_the_first_frame_and_cuts_subtitles(tmp_path: Path, upscale: Upscale) -> None:
    clip = Clip(
        time_base=Fraction(1, 1000),
        times=[400 + 40 * number for number in range(20)],
        audio="aac",
        subtitles="subrip",
    )
    source = make_clip(tmp_path / "a.mkv", clip)  # whose lines show at 0, 150 and 300 for 120 ms
    upscale(source, tmp_path / "b.mkv", end=Fraction(2, 10))
    assert len(picture_times(tmp_path / "b.mkv")) == 5
    upscale(make_clip(tmp_path / "c.mkv", replace(clip, times=None)), tmp_path / "d.mkv", end=Fraction(2, 10))
    with av.open(str(tmp_path / "d.mkv")) as container:
        lines = [(p.pts, p.duration) for p in container.demux(subtitles=0) if p.size]
    assert lines == [(0, 120), (150, 55)]  # to the end of the fifth frame, at 205 ms


def test_joined_streams_become_one_video(tmp_path: Path, upscale: Upscale) -> None:
    part = make_clip(tmp_path / "a.ts", Clip(time_base=Fraction(1, 90000), audio="aac"))
    source = concatenated(tmp_path / "b.ts", part, part)
    assert upscale(source, tmp_path / "c.mp4").frames == 24
    times = picture_times(tmp_path / "c.mp4")
    assert times == sorted(set(times))


def test_a_time_that_can_not_be_written_is_found_before_the_first_frame(
    tmp_path: Path, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A muxer that goes wrong only late in a file, long after the first packets."""
    shown: list[int] = []
    true = mux_module._options

    def broken(*arguments: Any) -> dict[str, str]:
        return true(*arguments) | {"frag_duration": "1", "movflags": "+omit_tfhd_offset+empty_moov"}

    monkeypatch.setattr(mux_module, "_options", broken)
    source = make_clip(tmp_path / "a.mkv", Clip(frames=30, times=None, audio="aac"))
    with pytest.raises(UsageError, match="MP4 can't hold"):
        upscale(source, tmp_path / "a.mp4", progress=lambda done, total, written: shown.append(done))
    assert max(shown, default=0) == 0
    assert not segments_folder(tmp_path / "a.mp4").exists()


@NOT_UTF8
def test_a_kept_result_whose_name_is_no_utf8_is_found_again(
    tmp_path: Path, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = make_clip(tmp_path / "a.mkv", Clip()), tmp_path / os.fsdecode(b"b\xff.mkv")
    with monkeypatch.context() as failing:
        failing.setattr(video_target.VideoTarget, "_checked", lambda *a: [Difference("sound of its own")])
        with pytest.raises(InternalError, match="sound of its own"):
            upscale(source, output)
    assert (tmp_path / os.fsdecode(b"b\xff.unchecked.mkv")).is_file()
    upscale(source, output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", output.name]


@pytest.mark.parametrize("fails_in", ["check", "mux"])
def test_what_was_computed_stays_under_a_name_that_says_so(
    fails_in: str, tmp_path: Path, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong at the end: every frame is in a file, and the message tells which and why."""
    source = make_clip(tmp_path / "a.mkv", Clip(audio="aac", subtitles="subrip"))
    output, kept = tmp_path / "b.mkv", tmp_path / "b.unchecked-2.mkv"
    (tmp_path / "b.unchecked.mkv").write_text("of an earlier run")
    if fails_in == "check":
        monkeypatch.setattr(video_target.VideoTarget, "_checked", lambda *a: [Difference("sound of its own")])
    else:
        true = mux_module.mux

        def failing(temporary: Path, container: Any, track: Any, streams: Any, **others: Any) -> None:
            if not track.stands_in and len(track.timeline) > 2 and streams and "limit" not in others:
                raise InternalError("FFmpeg can't write it: sound of its own")
            true(temporary, container, track, streams, **others)

        monkeypatch.setattr(video_target, "mux", failing)
    with pytest.raises(InternalError, match=r"sound of its own.*b\.unchecked-2\.mkv"):
        upscale(source, output)
    assert not output.exists()
    assert picture_times(kept) == picture_times(source)
    assert (tmp_path / "b.unchecked.mkv").read_text() == "of an earlier run"
    assert segments_folder(output).is_dir()
    with pytest.raises(InternalError, match=r"sound of its own.*b\.unchecked-2\.mkv"):
        upscale(source, output)  # which takes the place of its own
    monkeypatch.undo()
    dropped = {"drop": ("audio",)} if fails_in == "mux" else {}
    facts = upscale(source, output, **dropped)
    assert (facts.resumed, facts.computed) == (12, 0)
    assert len(streams_of(output)) == 3 - len(dropped)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["a.mkv", "b.mkv", "b.unchecked.mkv"]


def with_timecode(path: Path, folder: Path) -> Path:
    """A clip in QuickTime whose first frame has the timecode 01:02:03:04, in a track of its own."""

    def tag(old: Any, new: Any) -> None:
        new.streams[0].metadata["timecode"] = "01:02:03:04"
        new.streams[0].codec_context.framerate = Fraction(24)

    return remuxed(make_clip(folder / "plain.mp4", Clip(audio="aac")), path, {}, tag)


def timecodes_of(path: Path) -> set[str]:
    with av.open(str(path)) as container:
        tags = [(key.lower(), value) for s in container.streams for key, value in s.metadata.items()]
    return {value for key, value in tags if key == "timecode"}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("referred", [True, False])
def test_a_timecode_track_is_kept_without_a_word(
    suffix: str, referred: bool, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the picture's track refers to it, as it should, or not."""
    source = with_timecode(tmp_path / "a.mov", tmp_path)
    assert [stream.kind for stream in streams_of(source)] == ["video", "audio", "data"]
    if not referred:
        source.write_bytes(source.read_bytes().replace(b"tref", b"free"))
        with av.open(str(source)) as container:
            assert "timecode" not in container.streams.video[0].metadata
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / f"b{suffix}")
    assert timecodes_of(tmp_path / f"b{suffix}") == {"01:02:03:04"}
    assert "left out, as" not in caplog.text


@pytest.mark.parametrize("drop", ["2", "data", "tag:timecode"])
def test_a_timecode_can_be_dropped(drop: str, tmp_path: Path, upscale: Upscale) -> None:
    source = with_timecode(tmp_path / "a.mov", tmp_path)
    upscale(source, tmp_path / "b.mp4", drop=(drop,))
    assert timecodes_of(tmp_path / "b.mp4") == set()
    assert [stream.kind for stream in streams_of(tmp_path / "b.mp4")] == ["video", "audio"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_timecode_is_that_of_the_first_frame_that_is_kept(
    suffix: str, tmp_path: Path, upscale: Upscale
) -> None:
    """Nine frames of 24 a second after 01:02:03:04, then two after that."""
    source, output = with_timecode(tmp_path / "a.mov", tmp_path), tmp_path / f"b{suffix}"
    upscale(source, output, start=Fraction(9, 24))
    assert timecodes_of(output) == {"01:02:03:13"}
    again = tmp_path / f"c{suffix}"
    upscale(output, again, start=Fraction(3, 48))
    assert timecodes_of(again) == {"01:02:03:15"}


def test_a_timecode_that_nothing_counts_on_from_is_left_out_with_a_word(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    times = [number * 1000 + 300 * (number % 3) for number in range(12)]
    plain = make_clip(tmp_path / "plain.mkv", Clip(times=times))
    code = "01:02:03:04"
    source = remuxed(
        plain, tmp_path / "a.mkv", {}, lambda old, new: new.streams[0].metadata.update(timecode=code)
    )
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / "whole.mkv")
        assert timecodes_of(tmp_path / "whole.mkv") == {code}
        assert code not in caplog.text
        upscale(source, tmp_path / "cut.mkv", start=Fraction(1, 4), drop=("tag:timecode",))
        assert code not in caplog.text
        upscale(source, tmp_path / "cut2.mkv", start=Fraction(1, 4))
    assert timecodes_of(tmp_path / "cut2.mkv") == set()
    assert [record.message for record in caplog.records if f"timecode {code} is left out" in record.message]


def test_the_name_of_a_cover_that_mp4_has_no_room_for_is_told(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    clip, source = make_clip(tmp_path / "plain.mkv"), tmp_path / "a.mkv"
    picture = BytesIO()
    Image.new("RGB", (16, 16), "red").save(picture, "PNG")
    with av.open(str(clip)) as old, av.open(str(source), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        new.add_attachment("small_cover.png", "image/png", picture.getvalue())
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / "b.mkv")
    assert "left out, as" not in caplog.text
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / "b.mp4")
    assert "can't hold it: the cover picture's filename (small_cover.png)" in caplog.text
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert [stream.codec_context.name for stream in container.streams.video] == ["h264", "png"]


def test_mpeg_audio_of_layer_2_is_copied_into_mp4(tmp_path: Path, upscale: Upscale) -> None:
    """MP4 calls all layers alike, and FFmpeg reads that as the third."""
    source, output = make_clip(tmp_path / "a.mkv", Clip(audio="mp2")), tmp_path / "a.mp4"
    upscale(source, output)
    assert streams_of(output)[1].digests == streams_of(source)[1].digests
    with av.open(str(output)) as container:
        packet = next(p for p in container.demux(audio=0) if p.size)
    header = int.from_bytes(bytes(packet)[:2], "big")
    assert (header >> 5, header >> 1 & 3) == (0x7FF, 2)  # ISO 11172-3: the sync word, then "10" for layer 2


@pytest.mark.skipif(which("mkvmerge") is None or which("mkvinfo") is None, reason="needs MKVToolNix")
def test_what_matroska_says_of_languages_chapters_and_covers_is_kept(
    tmp_path: Path, upscale: Upscale
) -> None:
    """MKVToolNix, which shares no code with FFmpeg, writes it and reads it."""
    clip = make_clip(tmp_path / "plain.mkv", Clip(frames=48, audio="aac"))
    cover = tmp_path / "cover.png"
    with av.open(str(cover), "w", format="image2", options={"update": "1"}) as target:
        stream = target.add_stream("png", rate=1, width=16, height=16, pix_fmt="rgb24")
        target.mux(stream.encode(av.VideoFrame(16, 16, "rgb24")))
        target.mux(stream.encode(None))
    chapters = tmp_path / "chapters.xml"
    display = (
        "<ChapterDisplay><ChapterString>{}</ChapterString><ChapLanguageIETF>{}</ChapLanguageIETF>"
        "</ChapterDisplay>"
    )
    atoms = [
        (0, display.format("Opening", "en") + display.format("Ouverture", "fr-CA")),
        (1, display.format("Ende", "de")),
    ]
    chapters.write_text(
        '<?xml version="1.0"?><Chapters><EditionEntry>'
        + "".join(
            f"<ChapterAtom><ChapterTimeStart>00:00:0{start}.000</ChapterTimeStart>{titles}</ChapterAtom>"
            for start, titles in atoms
        )
        + "</EditionEntry></Chapters>"
    )
    source, output = tmp_path / "a.mkv", tmp_path / "b.mkv"
    command = ["mkvmerge", "-q", "-o", str(source), "--chapters", str(chapters), "--language", "1:fr-CA"]
    command += ["--attachment-name", "small_cover.png", "--attachment-description", "front"]
    subprocess.run([*command, "--attach-file", str(cover), str(clip)], check=True)
    upscale(source, output)
    wanted = ("Language", "Chapter string", "Chapter language", "File name", "File description")
    said = [
        [line.strip("| +") for line in lines if any(name in line for name in wanted)]
        for lines in map(mkvinfo, (source, output))
    ]
    assert "Language (IETF BCP 47): fr-CA" in said[1]
    assert sorted(said[0]) == sorted(said[1])
    assert "crc" not in "".join(mkvinfo(output)).lower()


@pytest.mark.skipif(which("mkvmerge") is None or which("mkvinfo") is None, reason="needs MKVToolNix")
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_languages_of_a_country_travel_through_mp4(
    suffix: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """MKVToolNix writes them and reads them; between, MediaInfo and a search for the box (ISO 14496-12,
    section 8.4.6).
    """
    clip = make_clip(tmp_path / "plain.mkv", Clip(audio="aac", subtitles="subrip"))
    source, between, output = tmp_path / "a.mkv", tmp_path / f"b{suffix}", tmp_path / "c.mkv"
    languages = ["--language", "0:fr-CA", "--language", "1:zh-Hant-TW", "--language", "2:de"]
    subprocess.run(["mkvmerge", "-q", "-o", str(source), *languages, str(clip)], check=True)
    with caplog.at_level(logging.WARNING):
        upscale(source, between)
        upscale(between, output)
    assert "language" not in caplog.text
    content = between.read_bytes()
    for language in (b"fr-CA", b"zh-Hant-TW"):
        size = (13 + len(language)).to_bytes(4, "big")
        assert content.count(size + b"elng" + bytes(4) + language + b"\0") == 1
    assert content.count(b"elng") == 2
    headers = [stream.metadata for stream in streams_of(between)]
    assert [header["handler_name"] for header in headers] == [
        "VideoHandler",
        "SoundHandler",
        "SubtitleHandler",
    ]
    codes = ({"fre", "fra"}, {"chi", "zho"}, {"ger", "deu"})  # ISO 639-2 has two of each
    assert all(header["language"] in code for header, code in zip(headers, codes, strict=True))
    if which("mediainfo") is not None:
        command = ["mediainfo", "--Inform=General;%Audio_Language_List%", str(between)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "Chinese" in told
        assert "TW" in told
    assert streams_of(output)[1].digests == streams_of(source)[1].digests
    said = [line for line in mkvinfo(output) if "IETF" in line]
    assert [line.rpartition(": ")[2] for line in said] == ["fr-CA", "zh-Hant-TW"]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_chapter_without_a_length_is_kept(suffix: str, tmp_path: Path, upscale: Upscale) -> None:
    """As FFmpeg reads one that has no end of its own, of a single frame."""
    start: Any = [{"id": 1, "start": 0, "end": 0, "time_base": Fraction(1, 1000), "metadata": {"title": "A"}}]
    clip = make_clip(tmp_path / "plain.mkv", Clip(frames=1))
    source = remuxed(clip, tmp_path / "a.mkv", {}, lambda old, new: new.set_chapters(start))
    output = tmp_path / f"b{suffix}"
    upscale(source, output)
    with av.open(str(output)) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["A"]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_chapters_from_before_the_file_are_cut_at_its_start(
    suffix: str, tmp_path: Path, upscale: Upscale
) -> None:
    """A file that was cut out of a longer one with its times, and moved to 0, keeps what lies in it."""
    titles = {"before": (0, 6000), "across": (6000, 10_250), "inside": (10_250, 10_500)}
    asked: Any = [
        {"id": n, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for n, (title, (a, b)) in enumerate(titles.items(), 1)
    ]
    clip = Clip(times=[10_000 + 1000 * n // 24 for n in range(12)], time_base=Fraction(1, 1000))
    plain = make_clip(tmp_path / "plain.mkv", clip)
    source = remuxed(plain, tmp_path / "a.mkv", {}, lambda old, new: new.set_chapters(asked))
    with av.open(str(source)) as container:
        assert min(chapter["start"] for chapter in container.chapters()) == 0
        assert container.start_time == 10_000_000
    output = tmp_path / f"b{suffix}"
    upscale(source, output)
    with av.open(str(output)) as container:
        kept = [
            (c["metadata"]["title"], seconds(c["start"], c["time_base"]), seconds(c["end"], c["time_base"]))
            for c in container.chapters()
        ]
    assert kept == [("across", 0, Fraction(1, 4)), ("inside", Fraction(1, 4), Fraction(1, 2))]


def mkvinfo(path: Path) -> list[str]:
    done = subprocess.run(["mkvinfo", str(path)], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def sound_of(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(container.streams.audio[0]))


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le"])
def test_samples_whose_channels_have_no_names_go_into_mp4(
    name: str, codec: str, tmp_path: Path, upscale: Upscale
) -> None:
    """Matroska and AVI say how many channels there are; MP4 wants to know which."""
    source = make_clip(tmp_path / name, Clip(codec="mpeg4", time_base=Fraction(1, 24), audio=codec))
    upscale(source, tmp_path / "b.mp4")
    assert sound_of(tmp_path / "b.mp4") == sound_of(source)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.audio[0].layout.name == "stereo"


def test_layer_2_from_mp4_goes_into_matroska(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "a.mp4", Clip(audio="mp2"))
    upscale(source, tmp_path / "b.mkv")
    assert streams_of(tmp_path / "b.mkv")[1].digests == streams_of(source)[1].digests


def test_sound_whose_lengths_are_not_said_is_kept_to_its_end(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(audio="alac"))
    upscale(source, tmp_path / "b.mp4")
    assert sound_of(tmp_path / "b.mp4") == sound_of(source)
    with av.open(str(source)) as old, av.open(str(tmp_path / "b.mp4")) as new:
        counts = [sum(frame.samples for frame in container.decode(audio=0)) for container in (old, new)]
    assert counts[0] == counts[1]


def test_the_ways_out_are_a_sentence(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(audio="wavpack"))
    with pytest.raises(UsageError, match=r"; write it as \.mkv, which can, or re-encode the sound with"):
        upscale(source, tmp_path / "b.mp4")
    plain = make_clip(tmp_path / "plain.ts", Clip())
    with av.open(str(plain)) as old, av.open(str(tmp_path / "c.ts"), "w") as new:
        picture = new.add_stream_from_template(old.streams.video[0], opaque=True)
        teletext: Any = new.add_mux_stream("dvb_teletext")
        for packet in old.demux():
            if packet.size:
                packet.stream = picture
                new.mux(packet)
        page = av.Packet(b"\x10" + bytes(45))
        page.stream, page.time_base = teletext, Fraction(1, 90000)
        page.pts = page.dts = 90000
        new.mux(page)
    with pytest.raises(UsageError, match=", nor can any other container here: leave out what it can't hold"):
        upscale(tmp_path / "c.ts", tmp_path / "c.mkv")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_has_a_time_twice_is_kept(suffix: str, tmp_path: Path, upscale: Upscale) -> None:
    """As after a gap that a program filled: MP4 takes only times that rise."""
    whole = make_clip(tmp_path / "whole.mkv", Clip(audio="aac"))
    source = tmp_path / "a.mkv"
    with av.open(str(whole)) as old, av.open(str(source), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream, opaque=True) for stream in old.streams}
        before: Any = None
        for packet in old.demux():
            if packet.size:
                if packet.stream.type == "audio":
                    if packet.pts is not None and 200 < packet.pts < 260:
                        packet.pts = packet.dts = before
                    before = packet.pts
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    have = streams_of(source)[1]
    assert len(set(have.times)) < len(have.times)
    upscale(source, tmp_path / f"b{suffix}")
    made = streams_of(tmp_path / f"b{suffix}")[1]
    assert sorted(made.digests) == sorted(have.digests)
    assert max(abs(a - b) for a, b in zip(made.times, have.times, strict=True)) <= Fraction(3, 1000)


def test_a_palette_without_transparency_is_not_mentioned(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "a.avi"
    palette = np.stack([np.full(256, 255)] + [np.arange(256)] * 3, axis=1).astype(np.uint8)
    with av.open(str(source), "w") as container:
        video: Any = container.add_stream("rawvideo", rate=24)
        video.width, video.height, video.pix_fmt = 48, 32, "pal8"
        for number in range(3):
            grey = np.full((32, 48), 60 * number, np.uint8)
            pixels: Any = (grey, palette)  # as PyAV takes them, whose stubs say otherwise
            frame = av.VideoFrame.from_ndarray(pixels, format="pal8")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    with caplog.at_level("WARNING"):
        upscale(source, tmp_path / "b.mkv")
    assert not caplog.records
    assert [round(frame.to_ndarray(format="gray").mean() / 60) for frame in decoded(tmp_path / "b.mkv")] == [
        0,
        1,
        2,
    ]


def cut_between_keyframes(source: Path, path: Path, start: Fraction) -> Path:
    """As `ffmpeg -ss -c copy` into MP4: all packets, of which an edit list hides those before `start`."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                ticks = round(start / packet.time_base)
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_that_an_edit_list_hides_stays_hidden(suffix: str, tmp_path: Path, upscale: Upscale) -> None:
    """Matroska, which has no edit lists, would play what was cut off, before the picture."""
    whole = make_clip(tmp_path / "whole.mp4", Clip(frames=16, options={"g": "48"}, audio="aac"))
    source = cut_between_keyframes(whole, tmp_path / "cut.mp4", Fraction(1, 2))
    upscale(source, tmp_path / f"a{suffix}")
    with av.open(str(tmp_path / f"a{suffix}")) as container:
        heard = [frame.time for frame in container.decode(audio=0) if frame.time is not None]
        assert container.start_time is not None
        assert container.start_time > -150_000
    assert -0.15 < heard[0] <= 0.03
    have, want = streams_of(tmp_path / f"a{suffix}")[1], streams_of(source)[1]
    shown = [digest for time, digest in zip(want.times, want.digests, strict=True) if time > 0]
    assert have.digests[-len(shown) :] == tuple(shown)
    assert len(shown) < len(have.digests) <= len(want.digests)


@pytest.mark.parametrize(
    ("name", "muxer", "codec"),
    [
        ("no suffix", "mp4", "mpeg4"),
        ("clip.bin", "matroska", "mpeg4"),
        ("GL010001.LRV", "mp4", "libx264"),
        ("MOV001.MOD", "vob", "mpeg2video"),
        ("clip.trp", "mpegts", "mpeg2video"),
        ("clip.m2v", "mpeg2video", "mpeg2video"),
        ("clip.mjpg", "mjpeg", "mjpeg"),
    ],
)
def test_a_video_is_known_by_its_content(
    name: str, muxer: str, codec: str, tmp_path: Path, upscale: Upscale
) -> None:
    with av.open(str(tmp_path / name), "w", format=muxer) as container:
        stream: Any = container.add_stream(codec, rate=25, width=48, height=32)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    upscale(tmp_path / name, tmp_path / "a.mkv")
    times = picture_times(tmp_path / "a.mkv")
    assert len(times) == 6
    steps = [after - before for before, after in pairwise(times)]
    assert all(abs(step - Fraction(1, 25)) <= Fraction(1, 1000) for step in steps)


def test_a_stream_without_a_container_is_said_to_need_one(tmp_path: Path, upscale: Upscale) -> None:
    (tmp_path / "a.h264").write_bytes(b"\0\0\0\1")
    with pytest.raises(UsageError, match=r"ffmpeg -framerate 25 -i a\.h264 -c copy a\.mkv"):
        upscale(tmp_path / "a.h264", tmp_path / "a.mkv")
    (tmp_path / "b.txt").write_text("not a video\n" * 100)
    with pytest.raises(InputError, match=r"can't read .*b\.txt"):
        upscale(tmp_path / "b.txt", tmp_path / "b.mkv")


@pytest.mark.parametrize("turn", [(2, 0, 0, 2), (0, 2, -2, 0)])
def test_a_rotation_that_also_enlarges_is_kept_without_that(
    turn: tuple[int, ...], tmp_path: Path, upscale: Upscale
) -> None:
    """Matroska has angles only, and players show the picture as large as they like."""
    a, b, c, d = (number << 16 for number in turn)
    whole, source = make_clip(tmp_path / "whole.mp4", Clip(frames=4)), tmp_path / "a.mp4"

    def enlarge(old: Any, new: Any) -> None:
        new.streams.video[0].set_display_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30))

    remuxed(whole, source, {}, enlarge)
    for suffix in (".mkv", ".mp4"):
        upscale(source, tmp_path / f"b{suffix}")
        assert decoded(tmp_path / f"b{suffix}")[0].rotation == decoded(source)[0].rotation


def test_a_time_of_the_track_that_is_the_files_own_is_not_told_as_lost(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """Phones write it by name without a fraction, and into the headers of tracks, where FFmpeg reads one."""
    time = "2024-03-01T10:11:12Z"
    make = "com.apple.quicktime.make"
    source = remuxed(
        make_clip(tmp_path / "plain.mp4"),
        tmp_path / "a.mov",
        {"movflags": "use_metadata_tags"},
        lambda _, new: new.metadata.update({"creation_time": time, make: "Apple"}),
    )
    assert {tags_of_file(source)["creation_time"], streams_of(source)[0].metadata["creation_time"]} > {time}
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / "a.mkv")
    assert not caplog.records


def without_sound(source: Path, path: Path) -> Path:
    """A file that announces the sound of `source` and has no packet of it."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams: list[Any] = [new.add_stream_from_template(s, opaque=True) for s in old.streams]
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = streams[0]
                new.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.avi"])
def test_sound_without_a_packet_is_left_out_with_a_word(
    name: str, suffix: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    clip = Clip(codec="mpeg2video", time_base=Fraction(1, 24), audio="mp2")
    whole = make_clip(tmp_path / "whole.mp4", clip)
    source = without_sound(whole, tmp_path / name)
    assert [(s.kind, len(s.times) > 0) for s in streams_of(source)] == [("video", True), ("audio", False)]
    with caplog.at_level(logging.INFO):
        upscale(source, tmp_path / f"b{suffix}")
    assert [stream.kind for stream in streams_of(tmp_path / f"b{suffix}")] == ["video"]
    told = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert [
        line.startswith(f"{source}: left out, as there is nothing in it: stream 1 (au") for line in told
    ] == [True]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_streams_that_end_before_the_part_that_is_kept_are_left_out(
    suffix: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """The sound lasts 0.64 s, and the last line of text is over after 0.42 s."""
    clip = Clip(frames=24, audio="libopus", subtitles="subrip")
    source = make_clip(tmp_path / "a.mkv", clip)
    encoding = EncodingOptions() if suffix == ".webm" else None
    kinds = {Fraction(1, 4): ["video", "audio", "subtitle"], Fraction(1, 2): ["video", "audio"]}
    for start, kept in (kinds | {Fraction(3, 4): ["video"]}).items():
        output = tmp_path / f"{float(start)}{suffix}"
        with caplog.at_level(logging.INFO):
            caplog.clear()
            upscale(source, output, encoding, start=start)
        assert [stream.kind for stream in streams_of(output)] == kept
        told = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
        assert len(told) == (len(kept) < 3)
        assert all("stream 2 (subtitle" in line for line in told)


@pytest.mark.parametrize("codec", ["x264", "x265"])
@pytest.mark.parametrize("pixel_format", ["yuvj420p", "yuvj444p"])
def test_a_format_of_full_range_holds_full_range(
    pixel_format: str, codec: str, tmp_path: Path, upscale: Upscale
) -> None:
    """Luma of the clip's patches by BT.601, from 0 to 255, though the source's is from 16 to 235."""
    source = make_clip(tmp_path / "a.mp4", Clip(frames=2, options={"crf": "4"}))
    asked = EncodingOptions(codec=codec, preset="ultrafast", crf=4, pixel_format=pixel_format)
    upscale(source, tmp_path / "b.mkv", asked)
    small, large = decoded(source)[0], decoded(tmp_path / "b.mkv")[0]
    assert (small.color_range == 2, large.color_range == 2) == (False, True)
    middles = planes(large)[0][[48, 96]][:, 24::48].astype(float)
    patches = picture(0)[[12, 24]][:, 6::12]
    assert np.abs(middles - patches @ [0.299, 0.587, 0.114]).max() < 4


@pytest.mark.parametrize(("pixel_format", "bits"), [("gray", 8), ("gray10le", 10)])
def test_a_grey_picture_becomes_one_that_players_know(
    pixel_format: str, bits: int, tmp_path: Path, upscale: Upscale
) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(frames=3, codec="ffv1", pixel_format=pixel_format))
    upscale(source, tmp_path / "b.mp4")
    small, large = decoded(source)[0], decoded(tmp_path / "b.mp4")[0]
    assert (large.format.chroma_width(8), large.format.chroma_height(8)) == (4, 4)
    assert large.format.components[0].bits == bits
    assert abs(small.to_ndarray(format="gray").mean() - large.to_ndarray(format="gray").mean()) < 2


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "vp9"), ("a.mkv", "ffv1"), ("a.mkv", "av1")])
def test_pixels_that_are_not_square_stay_so_in_any_codec(
    name: str, codec: str, tmp_path: Path, upscale: Upscale
) -> None:
    source = make_clip(tmp_path / "source.mp4", Clip(frames=3, aspect=Fraction(16, 15)))
    upscale(source, tmp_path / name, EncodingOptions(codec=codec))
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 15)
    if which("mkvinfo") is not None:
        sides = [int(line.rpartition(" ")[2]) for line in mkvinfo(tmp_path / name) if "Display " in line]
        assert Fraction(*sides) == Fraction(48 * 16, 32 * 15)


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(2)])
def test_a_film_of_two_views_stays_one_in_matroska(
    aspect: Fraction, tmp_path: Path, upscale: Upscale
) -> None:
    """FFmpeg's clip is of half as wide views; with pixels twice as wide they are whole ones, squeezed."""
    source = tmp_path / "a.mkv"
    remuxed(
        make_clip(tmp_path / "plain.mp4", Clip(frames=3, aspect=aspect)),
        source,
        {},
        lambda _, new: new.streams.video[0].metadata.update({"stereo_mode": "left_right"}),
    )
    upscale(source, tmp_path / "b.mkv")
    with av.open(str(source)) as old, av.open(str(tmp_path / "b.mkv")) as new:
        before, after = old.streams.video[0], new.streams.video[0]
        assert after.metadata["stereo_mode"] == "left_right"
        assert after.sample_aspect_ratio == before.sample_aspect_ratio
        assert after.metadata.get("title") is None


@pytest.mark.skipif(which("mkvmerge") is None, reason="needs MKVToolNix")
def test_a_picture_all_around_is_said_to_become_a_flat_one(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    plain, source = make_clip(tmp_path / "plain.mkv", Clip(frames=3)), tmp_path / "a.mkv"
    command = ["mkvmerge", "-q", "-o", str(source), "--projection-type", "0:1", str(plain)]
    subprocess.run(command, check=True)
    with caplog.at_level(logging.WARNING):
        upscale(plain, tmp_path / "b.mkv")
        assert not caplog.records
        upscale(source, tmp_path / "c.mkv")
    assert [("360°" in record.getMessage()) for record in caplog.records] == [True]


def test_a_stream_that_is_not_there_to_be_left_out_is_said(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(frames=3, audio="aac"))
    with caplog.at_level(logging.WARNING):
        upscale(source, tmp_path / "b.mkv", drop=("0", "1", "7"))
    told = [record.getMessage() for record in caplog.records]
    assert [("stream 0 is the picture" in text, "no stream 7" in text) for text in told] == [
        (True, False),
        (False, True),
    ]
    assert [stream.kind for stream in streams_of(tmp_path / "b.mkv")] == ["video"]


def test_an_error_names_only_what_stops_the_job(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(frames=3, audio="libopus", attachment=b"font"))
    with pytest.raises(UsageError, match="audio, opus") as raised:
        upscale(source, tmp_path / "b.mov")
    assert "attachment" not in str(raised.value)
    assert "write it as .mkv or .mp4, which can" in str(raised.value)


@pytest.mark.parametrize(
    ("codec", "suffix", "advised"),
    [("tta", ".mp4", "flac"), ("libopus", ".mov", "aac"), ("tta", ".webm", "opus")],
)
def test_sound_that_lost_nothing_is_advised_to_lose_nothing(
    codec: str, suffix: str, advised: Any, tmp_path: Path, upscale: Upscale
) -> None:
    source = make_clip(tmp_path / "a.mkv", Clip(frames=3, audio=codec))
    with pytest.raises(UsageError, match=f"`audio={advised}`"):
        upscale(source, tmp_path / f"b{suffix}", EncodingOptions())
    upscale(source, tmp_path / f"b{suffix}", EncodingOptions(audio=advised))
    if advised == "flac":
        assert np.array_equal(samples_of(tmp_path / f"b{suffix}"), samples_of(source))


def samples_of(path: Path) -> np.ndarray:
    """Samples in turn, of 16 bits."""
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    return (samples.astype(np.int16) - 128) * 256 if samples.dtype == np.uint8 else samples


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_language_of_a_country_in_the_old_place_is_kept(
    suffix: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """FFmpeg writes whatever it is given into Matroska's element for plain languages."""
    source, output = tmp_path / "a.mkv", tmp_path / f"b{suffix}"
    plain = make_clip(tmp_path / "plain.mkv", Clip(frames=3, audio="aac"))
    remuxed(plain, source, {}, lambda _, new: new.streams.audio[0].metadata.update({"language": "fr-CA"}))
    with caplog.at_level(logging.WARNING):
        upscale(source, output)
    assert not caplog.records
    content = output.read_bytes()
    box = b"elng" + bytes(4) + b"fr-CA\0"
    assert (box if suffix == ".mp4" else b"\x22\xb5\x9d\x85fr-CA") in content
    if suffix == ".mkv":
        assert streams_of(output)[1].metadata["language"] == "fr-CA"
