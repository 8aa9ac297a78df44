"""A video made larger keeps its times, colours and streams, and survives being killed."""

import json
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support.captioned_clip import captioned, captions_of
from support.dynamic_hdr import dolby_vision, dynamic_clip, hdr10_plus
from support.field_pictures import field_clip
from support.joined_files import without_transport_packets
from support.segment_runs import Killed, stop_after
from support.video_clips import SILENT_X265, Clip, Tags, make_clip, segmenting_command
from support.video_facts import decoded, picture_times, planes, streams_of, tags_of

from ripfdn_cli.errors import InputError, OutputError, UsageError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.output_size import SizeRequest
from ripfdn_cli.video_jobs.segments import segments_folder
from ripfdn_cli.video_jobs.video_plan import plan_video
from ripfdn_cli.video_jobs.video_run import VideoFacts, upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings

pytestmark = pytest.mark.any_precision

Upscale = Callable[..., VideoFacts]


@pytest.fixture(scope="session")
def network(bilinear_weights: Path) -> NetworkSettings:
    return NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)


@pytest.fixture
def upscale(network: NetworkSettings) -> Upscale:
    """`upscale_video` with a quick network and encoder; keywords are settings of the job and of reading."""

    def run(path: Path, output: Path, progress: Any = None, **settings: Any) -> VideoFacts:
        reading = {
            name: settings.pop(name) for name in list(settings) if name in ReadingOptions.__dataclass_fields__
        }
        if settings.get("codec", "x264") in ("x264", "x265"):
            settings.setdefault("preset", "ultrafast")
        encoding = {
            name: settings.pop(name)
            for name in list(settings)
            if name in EncodingOptions.__dataclass_fields__
        }
        settings.setdefault("segment", 5)
        overwrite = settings.pop("overwrite", False)
        asked = VideoSettings(
            reading=ReadingOptions(**reading), encoding=EncodingOptions(**encoding), **settings
        )
        return upscale_video([path], output, asked, network, overwrite=overwrite, progress=progress)

    return run


VARIABLE = [0, 1000, 1500, 4000, 4500, 9000, 9001, 12000, 13000, 15000, 16000, 19000]
OPEN_GOP = {"preset": "fast", "x264-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0"}
CLIPS = {
    "constant": (".mp4", Clip()),
    "variable": (".mp4", Clip(times=VARIABLE)),
    "late": (".mp4", Clip(times=[12345 + 1001 * n for n in range(12)], audio="aac")),
    "b_frames": (".mkv", Clip(frames=20, options={"bf": "3", "preset": "fast"})),
    "open_gop": (".mp4", Clip(frames=24, options=OPEN_GOP)),
    "ten_bit": (".mkv", Clip(pixel_format="yuv420p10le", tags=Tags(1, 1, 1, 1))),
    "full_range": (".mkv", Clip(tags=Tags(1, 1, 1, 2))),
    "bt2020": (".mp4", Clip(pixel_format="yuv420p10le", tags=Tags(9, 9, 14, 1))),
    "hlg": (".mp4", Clip(pixel_format="yuv420p10le", tags=Tags(9, 9, 18, 1))),
    "bt601": (".mkv", Clip(tags=Tags(5, 5, 6, 1))),
    "rotated": (".mp4", Clip(rotation=90)),
    "anamorphic": (".mkv", Clip(aspect=Fraction(16, 11))),
    "odd": (".mkv", Clip(codec="ffv1", pixel_format="yuv444p", width=71, height=55)),
    "late_sound": (".mp4", Clip(audio="aac", audio_start=Fraction(1, 3))),
    "early_sound": (
        ".mkv",
        Clip(audio="libmp3lame", time_base=Fraction(1, 1000), times=[500 + 42 * n for n in range(12)]),
    ),
    "pcm": (".mov", Clip(audio="pcm_s16le")),
    "avi": (".avi", Clip(codec="mpeg4", time_base=Fraction(1, 24), audio="libmp3lame")),
}


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", CLIPS)
def test_times_tags_colours_and_sound_are_kept(
    name: str, suffix: str, tmp_path: Path, upscale: Upscale
) -> None:
    source_suffix, clip = CLIPS[name]
    clip = clip if name == "odd" else replace(clip, width=64, height=48)
    source = make_clip(tmp_path / f"in{source_suffix}", clip)
    if name == "pcm":
        suffix = {".mkv": ".mkv", ".mp4": ".mov"}[suffix]
    output = tmp_path / f"out{suffix}"
    upscale(source, output, crf=1)

    before, after = streams_of(source), streams_of(output)
    assert [(stream.kind, stream.codec) for stream in after[1:]] == [(s.kind, s.codec) for s in before[1:]]
    assert_times(picture_times(output), picture_times(source), after[0].tick)
    for old, new in zip(before[1:], after[1:], strict=True):
        if name != "pcm":  # whose samples containers cut into packets as they like
            assert new.digests == old.digests
            assert_times(list(new.times), list(old.times), new.tick)
    assert_alike(decoded(source), decoded(output))


def assert_times(have: list[Fraction], want: list[Fraction], tick: Fraction) -> None:
    assert len(have) == len(want)
    for a, b in zip(have, want, strict=True):
        assert abs(a - b) <= tick / 2


def assert_alike(small: list[av.VideoFrame], large: list[av.VideoFrame]) -> None:
    """The same tags, and patches within 3 levels of each other, in the codes themselves."""
    assert len(small) == len(large)
    assert (large[0].width, large[0].height) == (4 * small[0].width, 4 * small[0].height)
    said = [(a, b) for a, b in zip(tags_of(small[0]), tags_of(large[0]), strict=True) if a not in (0, 2)]
    assert all(a == b for a, b in said)
    levels = 4 if max(part.bits for part in small[0].format.components) == 10 else 1
    for before, after in ((small[0], large[0]), (small[-1], large[-1])):
        for old, new in zip(planes(before), planes(after), strict=True):
            height, width = old.shape
            shrunk = new.reshape(height, new.shape[0] // height, width, -1).mean(axis=(1, 3))
            flat = is_flat(old, 2 * levels)
            assert flat.sum() > 20
            assert np.percentile(np.abs(shrunk - old)[2:-2, 2:-2][flat], 99) <= 3 * levels


def is_flat(plane: np.ndarray, most: int) -> np.ndarray:
    """Where a sample of the inner part differs from none up to two samples away by more than `most`."""
    height, width = plane.shape
    around = [plane[y : height - 4 + y, x : width - 4 + x].astype(int) for y in range(5) for x in range(5)]
    spread: np.ndarray = np.max(around, axis=0) - np.min(around, axis=0)
    return spread <= most


def test_rotation_and_shape_of_pixels_are_kept(tmp_path: Path, upscale: Upscale) -> None:
    clip = Clip(frames=4, rotation=270, aspect=Fraction(4, 3))
    for suffix in (".mp4", ".mov", ".mkv"):
        source = make_clip(tmp_path / f"in{suffix}", clip)
        upscale(source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            stream = container.streams.video[0]
            assert stream.sample_aspect_ratio == Fraction(4, 3)
            assert next(container.decode(stream)).rotation == decoded(source)[0].rotation == -90


def test_another_proportion_changes_the_shape_of_pixels(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=2, width=48, height=32))
    upscale(source, tmp_path / "out.mkv", size=SizeRequest(width=96, height=128))
    with av.open(str(tmp_path / "out.mkv")) as container:
        ratio = container.streams.video[0].sample_aspect_ratio
        # Twice as wide and four times as high: pixels twice as wide as high show it as it was.
        assert ratio == 2


def rich_clip(path: Path) -> Path:
    return make_clip(
        path,
        Clip(
            frames=12,
            audio="aac",
            audio_start=Fraction(1, 10),
            subtitles="subrip" if path.suffix == ".mkv" else "mov_text",
            attachment=b"a font, perhaps" if path.suffix == ".mkv" else None,
            chapters=True,
            metadata={"title": "A film", "comment": "shot at dawn"},
        ),
    )


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_subtitles_chapters_attachments_and_tags_are_kept(
    suffix: str, tmp_path: Path, upscale: Upscale
) -> None:
    source, output = rich_clip(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}"
    upscale(source, output)
    before, after = streams_of(source), streams_of(output)
    assert [stream.kind for stream in after] == [stream.kind for stream in before]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert new.digests == old.digests
        assert new.disposition == old.disposition
        assert new.metadata.get("language") == old.metadata.get("language")
        assert_times(list(new.times), list(old.times), new.tick)
    with av.open(str(source)) as a, av.open(str(output)) as b:
        assert b.metadata["title"] == "A film"
        assert "shot at dawn" in b.metadata.values()
        assert chapters(b) == chapters(a) != []
        if suffix == ".mkv":
            assert b.streams.attachments[0].data == b"a font, perhaps"
            assert b.streams.attachments[0].name == "font.ttf"


def chapters(container: Any) -> list[tuple[float, float, str]]:
    return [
        (
            float(chapter["start"] * Fraction(str(chapter["time_base"]))),
            float(chapter["end"] * Fraction(str(chapter["time_base"]))),
            chapter["metadata"]["title"],
        )
        for chapter in container.chapters()
    ]


def sounding_avi(path: Path) -> Path:
    """With sound that MP4 doesn't hold."""
    return make_clip(path, Clip(frames=12, codec="mpeg4", time_base=Fraction(1, 24), audio="adpcm_ms"))


def test_what_a_container_can_not_hold_is_named_before_the_work(tmp_path: Path, upscale: Upscale) -> None:
    source = sounding_avi(tmp_path / "in.avi")
    with pytest.raises(UsageError) as caught:
        upscale(source, tmp_path / "out.mp4")
    for part in ("stream 1 (audio", "write it as .mkv", "`audio=aac`", "`drop=unsupported`"):
        assert part in str(caught.value)
    assert not segments_folder(tmp_path / "out.mp4").exists()
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(("codec", "suffix"), [("prores", ".mp4"), ("ffv1", ".mov")])
def test_the_picture_is_never_left_out(codec: str, suffix: str, tmp_path: Path, upscale: Upscale) -> None:
    """Nor is it advised: the result would be nothing."""
    output = tmp_path / f"out{suffix}"
    for drop in ((), ("unsupported",)):
        with pytest.raises(UsageError, match=r"can't hold .* pictures; write it as \.mkv") as caught:
            upscale(make_clip(tmp_path / "in.mp4"), output, codec=codec, drop=drop)
        assert "or use another `codec`" in str(caught.value)
        assert "drop" not in str(caught.value)
    assert not output.exists()


def test_a_codec_that_can_not_state_full_range_gets_limited_range(tmp_path: Path, upscale: Upscale) -> None:
    """Cameras' Motion JPEG into ProRes: the grey of BT.601's full range 0..255 in 16..235, ten bits of it."""
    clip = Clip(codec="mjpeg", pixel_format="yuvj420p", tags=Tags(5, 5, 6, 2))
    upscale(make_clip(tmp_path / "in.mov", clip), tmp_path / "out.mov", codec="prores")
    before, after = decoded(tmp_path / "in.mov")[0], decoded(tmp_path / "out.mov")[0]
    full = planes(before)[0][18:30, 26:34].astype(float).mean()
    limited = planes(after)[0][72:120, 104:136].astype(float).mean()
    assert limited == pytest.approx(4 * (16 + full * 219 / 255), abs=6)
    assert abs(limited - 4 * full) > 12


def test_what_a_container_can_not_hold_is_left_out_when_asked(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    upscale(sounding_avi(tmp_path / "in.avi"), tmp_path / "out.mp4", drop=("unsupported",))
    assert [stream.kind for stream in streams_of(tmp_path / "out.mp4")] == ["video"]
    assert "can't hold it: stream 1 (audio" in caplog.text
    source = rich_clip(tmp_path / "in.mkv")
    upscale(source, tmp_path / "silent.mkv", drop=("audio", "2", "chapters"))
    assert [stream.kind for stream in streams_of(tmp_path / "silent.mkv")] == ["video", "attachment"]


def test_what_nobody_would_miss_is_left_out_with_a_word(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    upscale(rich_clip(tmp_path / "in.mkv"), tmp_path / "out.mp4")
    assert [stream.kind for stream in streams_of(tmp_path / "out.mp4")] == ["video", "audio", "subtitle"]
    assert "font.ttf" in caplog.text


def test_sound_whose_start_is_unreadable_is_named_before_the_work(tmp_path: Path, upscale: Upscale) -> None:
    """Nothing then says how much of AAC's first packet is padding, which Matroska's times depend on."""
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6, audio="aac"))
    with av.open(str(source)) as container:
        sound = bytes(next(packet for packet in container.demux(audio=0) if packet.size))
    source.write_bytes(source.read_bytes().replace(sound, b"\xb3" * len(sound)))
    try:
        upscale(source, tmp_path / "out.mkv")  # which the FFmpeg of PyAV 19 can
    except UsageError as error:
        assert "Matroska can't hold stream 1 (audio, aac" in str(error)  # noqa: PT017 - or a whole result
    upscale(source, tmp_path / "out.mp4")
    assert len(streams_of(tmp_path / "out.mp4")) == 2


def test_a_codec_that_a_container_can_not_hold_is_said(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=3))
    with pytest.raises(UsageError, match=r"WebM can't hold x264 .*\.mkv or \.mp4 or \.mov"):
        upscale(source, tmp_path / "out.webm", codec="x264")
    upscale(source, tmp_path / "out.webm", preset=None)
    assert len(decoded(tmp_path / "out.webm")) == 3


def test_a_cover_picture_stays_one(tmp_path: Path, upscale: Upscale) -> None:
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=4))
    source = tmp_path / "in.mp4"
    Image.new("RGB", (16, 16), "red").save(tmp_path / "cover.png")
    with (
        av.open(str(clip)) as video,
        av.open(str(tmp_path / "cover.png")) as cover,
        av.open(str(source), "w") as target,
    ):
        streams = [target.add_stream_from_template(video.streams.video[0], opaque=True)]
        streams.append(target.add_stream_from_template(cover.streams.video[0], opaque=True))
        streams[1].disposition = av.stream.Disposition.attached_pic
        for container, stream in ((video, streams[0]), (cover, streams[1])):
            for packet in container.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
    for suffix in (".mp4", ".mkv"):
        upscale(source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as result:
            covers = [s for s in result.streams.video if s.disposition & av.stream.Disposition.attached_pic]
            assert len(covers) == 1
            assert next(result.decode(covers[0])).to_ndarray(format="rgb24")[8, 8].tolist() == [255, 0, 0]


@pytest.mark.parametrize("codec", ["x265", "av1", "prores", "ffv1"])
def test_other_codecs_keep_time_and_depth(codec: str, tmp_path: Path, upscale: Upscale) -> None:
    clip = Clip(frames=7, times=VARIABLE[:7], pixel_format="yuv420p10le", tags=Tags(9, 9, 16, 1))
    source = make_clip(tmp_path / "in.mp4", clip)
    output = tmp_path / ("out.mov" if codec == "prores" else "out.mkv")
    upscale(source, output, codec=codec, segment=3, **({"preset": "12"} if codec == "av1" else {}))
    assert_times(picture_times(output), picture_times(source), streams_of(output)[0].tick)
    frame = decoded(output)[0]
    assert tags_of(frame) == (9, 9, 16, 1)
    assert frame.format.components[0].bits == 10


def test_hdr_in_eight_bits_is_refused(tmp_path: Path, upscale: Upscale) -> None:
    clip = Clip(frames=3, pixel_format="yuv420p10le", tags=Tags(9, 9, 16, 1))
    source = make_clip(tmp_path / "in.mp4", clip)
    with pytest.raises(UsageError, match="needs more than 8 bits"):
        upscale(source, tmp_path / "out.mp4", pixel_format="yuv420p")
    with pytest.raises(UsageError, match="HDR, which pictures"):
        upscale(source, tmp_path / "%03d.png")


def test_dolby_vision_without_another_picture_is_refused(tmp_path: Path, upscale: Upscale) -> None:
    """Also where its tags say PQ, which would make it look like HDR10."""
    unit = dolby_vision(rpu_profile=0, full_range=True)
    for tags in (Tags(9, 9, 16, 1), Tags(2, 2, 2, 2)):
        source = dynamic_clip(tmp_path / "in.ts", unit, after=True, tags=tags)
        with pytest.raises(InputError, match=r"Dolby Vision without .* convert it to HDR10"):
            upscale(source, tmp_path / "out.mkv", codec="x265")
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.parametrize(
    ("name", "unit", "transfer"),
    [
        ("HDR10+", hdr10_plus(), 16),
        ("Dolby Vision", dolby_vision(rpu_profile=1, full_range=False), 16),
        ("Dolby Vision", dolby_vision(rpu_profile=1, full_range=False), 1),
    ],
    ids=["HDR10+", "Dolby Vision 8.1", "Dolby Vision 8.2"],
)
def test_dynamic_metadata_is_lost_with_a_warning(
    name: str, unit: bytes, transfer: int, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    tags = Tags(9, 9, transfer, 1)
    source = dynamic_clip(tmp_path / "in.ts", unit, after=name != "HDR10+", tags=tags)
    upscale(source, tmp_path / "out.mkv", codec="x265")
    assert f"{name} can't be kept and will be lost" in caplog.text
    assert tags_of(decoded(tmp_path / "out.mkv")[0]) == (9, 9, transfer, 1)


def test_frames_that_are_coded_as_fields_are_deinterlaced(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source, output = field_clip(tmp_path / "in.ts"), tmp_path / "out.mkv"
    with caplog.at_level(logging.INFO):
        upscale(source, output, segment=4)
    assert caplog.text.count("in.ts is interlaced; it is deinterlaced") == 1
    assert_times(picture_times(output), [Fraction(n, 25) for n in range(6)], Fraction(1, 1000))
    upscale(field_clip(tmp_path / "joined.ts", own_packets=False), output, overwrite=True)
    assert len(decoded(output)) == 6
    with pytest.raises(InputError, match="from frame 3 at"):
        upscale(field_clip(tmp_path / "bad.ts", damaged=[3]), tmp_path / "b.mkv")


def test_fields_stay_where_that_is_asked_for(tmp_path: Path, upscale: Upscale) -> None:
    """The two fields of each frame differ by 10 in luma: whole frames have them blended, others in turn."""
    steps = {}
    for deinterlace in (None, False):
        output = tmp_path / f"{deinterlace}.mkv"
        upscale(field_clip(tmp_path / "in.ts"), output, deinterlace=deinterlace, crf=1)
        luma = planes(decoded(output)[3])[0].astype(float)
        steps[deinterlace] = np.abs(np.diff(luma.reshape(32, 2, -1).mean(1), axis=0)).mean()
        assert len(decoded(output)) == 6
    assert steps[None] < steps[False] / 2


def test_fields_that_are_pictures_of_their_own_are_refused(tmp_path: Path, upscale: Upscale) -> None:
    options = {"x265-params": f"{SILENT_X265}:interlace=tff"}
    source = make_clip(tmp_path / "in.mkv", Clip(frames=6, codec="libx265", width=64, options=options))
    with pytest.raises(InputError, match=r"not supported in H\.265; join them first"):
        upscale(source, tmp_path / "out.mkv", deinterlace=True)


@pytest.mark.parametrize("codec", ["x264", "x265"])
def test_closed_captions_inside_the_picture_are_kept(codec: str, tmp_path: Path, upscale: Upscale) -> None:
    source = captioned(tmp_path / "in.ts")
    upscale(source, tmp_path / "out.mkv", segment=3, codec=codec)
    assert captions_of(tmp_path / "out.mkv") == captions_of(source)
    assert len(set(captions_of(source))) > 1
    upscale(source, tmp_path / "without.mkv", codec=codec, drop=("captions",))
    assert captions_of(tmp_path / "without.mkv") == [None] * 7


@pytest.mark.parametrize("codec", ["ffv1", "prores", "av1"])
def test_captions_that_a_codec_can_not_hold_stop_the_work_before_it(
    codec: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source, output = captioned(tmp_path / "in.ts"), tmp_path / "out.mov"
    output = output.with_suffix(".mov" if codec == "prores" else ".mkv")
    with pytest.raises(UsageError, match=r"closed captions .*\(x264, x265.*\), or .*`drop=captions`"):
        upscale(source, output, codec=codec)
    assert not segments_folder(output).exists()
    upscale(source, output, codec=codec, drop=("captions",))
    assert "captions" not in caplog.text
    upscale(source, output, codec=codec, drop=("unsupported",), overwrite=True)
    assert "can't hold the closed captions" in caplog.text
    assert len(decoded(output)) == 7


def test_captions_that_come_late_are_lost_with_a_warning(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = captioned(tmp_path / "in.ts", frames=24, first=20)
    upscale(source, tmp_path / "out.mkv", codec="ffv1")
    assert caplog.text.count("are lost: FFV1") == 1
    assert "captions inside the picture, from 0.833 s on, are lost" in caplog.text


def test_a_cut_keeps_sound_and_chapters_in_step(tmp_path: Path, upscale: Upscale) -> None:
    clip = Clip(frames=48, audio="aac", chapters=True, options={"bf": "2"})
    source = make_clip(tmp_path / "in.mp4", clip)
    upscale(source, tmp_path / "out.mp4", start=Fraction(1, 4), end=Fraction(1, 2))
    times = picture_times(tmp_path / "out.mp4")
    assert times == [Fraction(n, 24) for n in range(6)]
    old, new = streams_of(source)[1], streams_of(tmp_path / "out.mp4")[1]
    kept = [
        (time - Fraction(1, 4), digest)
        for time, digest in zip(old.times, old.digests, strict=True)
        if Fraction(1, 4) <= time < Fraction(1, 2)
    ]
    assert list(zip(new.times, new.digests, strict=True)) == kept
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert chapters(container) == [(0.0, 0.25, "Ending")]


def test_a_rate_that_is_asked_for_repeats_frames_without_computing_them(
    tmp_path: Path, upscale: Upscale
) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6))
    facts = upscale(source, tmp_path / "out.mp4", fps=Fraction(48))
    assert (facts.frames, facts.computed) == (12, 6)
    assert picture_times(tmp_path / "out.mp4") == [Fraction(n, 48) for n in range(12)]


def test_frames_that_are_equal_to_the_last_bit_are_computed_once(tmp_path: Path, upscale: Upscale) -> None:
    clip = Clip(frames=12, repeats=4, codec="ffv1", pixel_format="yuv444p")
    facts = upscale(make_clip(tmp_path / "in.mkv", clip), tmp_path / "out.mkv")
    assert (facts.frames, facts.computed) == (12, 3)
    assert len(decoded(tmp_path / "out.mkv")) == 12


def test_a_frame_that_can_not_be_decoded_stops_the_work_or_is_repeated(
    tmp_path: Path, upscale: Upscale
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=12, codec="mjpeg", pixel_format="yuvj420p"))
    source = tmp_path / "in.mkv"
    with av.open(str(clip)) as whole, av.open(str(source), "w") as target:
        stream = target.add_stream_from_template(whole.streams.video[0], opaque=True)
        for number, packet in enumerate(packet for packet in whole.demux(video=0) if packet.size):
            new = av.Packet(bytes(packet)[:200] if number == 7 else bytes(packet))
            new.pts, new.dts, new.time_base, new.stream = packet.pts, packet.pts, packet.time_base, stream
            new.is_keyframe = True
            target.mux(new)
    with pytest.raises(InputError, match=r"frame from frame 7 at 0\.292 s"):
        upscale(source, tmp_path / "out.mkv")
    assert segments_folder(tmp_path / "out.mkv").is_dir()  # five frames are done
    facts = upscale(source, tmp_path / "other.mkv", bad_frames="repeat")
    assert (facts.frames, facts.computed) == (12, 11)
    assert picture_times(tmp_path / "other.mkv") == picture_times(clip)


@pytest.mark.parametrize("stops", [[3], [5], [7, 13], [4, 4, 9, 23]])
def test_a_run_that_was_stopped_goes_on_and_gives_the_same(
    stops: list[int], tmp_path: Path, upscale: Upscale
) -> None:
    clip = Clip(frames=24, options={"bf": "2"}, audio="aac", times=[1000 * n + n % 3 for n in range(24)])
    source = make_clip(tmp_path / "in.mp4", clip)
    upscale(source, tmp_path / "whole.mp4")
    for stop in stops:
        with pytest.raises(Killed):
            upscale(source, tmp_path / "out.mp4", progress=stop_after(stop))
        assert not (tmp_path / "out.mp4").exists()
    facts = upscale(source, tmp_path / "out.mp4")
    assert facts.resumed == max((stop - 1) // 5 * 5 for stop in stops)
    assert facts.computed == 24 - facts.resumed
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "whole.mp4"]


def test_changed_settings_and_a_changed_input_are_noticed(tmp_path: Path, upscale: Upscale) -> None:
    source, output = make_clip(tmp_path / "in.mkv", Clip(frames=12)), tmp_path / "out.mkv"
    with pytest.raises(Killed):
        upscale(source, output, progress=stop_after(7))
    with pytest.raises(UsageError, match=r"output\.options\.crf was 18, is 20"):
        upscale(source, output, crf=20)
    make_clip(tmp_path / "in.mkv", Clip(frames=12, options={"crf": "30"}))
    with pytest.raises(UsageError, match=r"input\.sha256 was"):
        upscale(source, output)
    facts = upscale(source, output, restart=True)
    assert facts.resumed == 0


def test_a_touched_input_is_the_same_input(tmp_path: Path, upscale: Upscale) -> None:
    source, output = make_clip(tmp_path / "in.mkv", Clip(frames=12)), tmp_path / "out.mkv"
    with pytest.raises(Killed):
        upscale(source, output, progress=stop_after(7))
    os.utime(source, (0, 0))
    assert upscale(source, output).resumed == 5


def test_a_full_disk_at_the_end_keeps_the_work(tmp_path: Path, upscale: Upscale) -> None:
    import resource

    source, output = make_clip(tmp_path / "in.mkv", Clip(frames=12)), tmp_path / "out.mkv"
    with pytest.raises(Killed):
        upscale(source, output, progress=stop_after(11))
    sizes = [path.stat().st_size for path in segments_folder(output).glob("*.part")]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes) + 100, hard))
    try:
        with pytest.raises(OutputError, match=r"can't write .*out\.mkv"):
            upscale(source, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not output.exists()
    facts = upscale(source, output)
    assert (facts.resumed, facts.computed) == (12, 0)
    assert len(decoded(output)) == 12


def test_a_segment_that_was_changed_is_noticed(tmp_path: Path, upscale: Upscale) -> None:
    source, output = make_clip(tmp_path / "in.mkv", Clip(frames=12)), tmp_path / "out.mkv"
    with pytest.raises(Killed):
        upscale(source, output, progress=stop_after(11))
    part = next(segments_folder(output).glob("*.part"))
    data = bytearray(part.read_bytes())
    data[-50] ^= 1
    part.write_bytes(data)
    with pytest.raises(OutputError, match="was changed after it was written"):
        upscale(source, output)
    assert not output.exists()


def test_what_is_there_is_not_replaced_unasked(tmp_path: Path, upscale: Upscale) -> None:
    source, output = make_clip(tmp_path / "in.mkv", Clip(frames=3)), tmp_path / "out.mkv"
    output.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        upscale(source, output)
    assert output.read_text() == "precious"
    upscale(source, output, overwrite=True)
    assert len(decoded(output)) == 3
    with pytest.raises(UsageError, match="would replace"):
        upscale(source, source, overwrite=True)


def test_a_plan_reads_and_writes_nothing(tmp_path: Path, network: NetworkSettings) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=9, audio="aac"))
    plan = plan_video([source], tmp_path / "out.mkv", VideoSettings(), network)
    assert (len(plan.target.timeline), plan.size, plan.passes) == (9, (192, 128), (4,))
    assert 0 < plan.expected_bytes < plan.expected_disk
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def kill_when(process: "subprocess.Popen[bytes]", enough: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and not enough() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait()


def segments_done(output: Path) -> int:
    journal = segments_folder(output) / "journal.jsonl"
    return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else 0


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    clip = Clip(frames=60, width=64, height=48, options={"bf": "2", "g": "12"}, audio="aac")
    return make_clip(tmp_path / "in.mp4", clip)


def assert_same_video(have: Path, want: Path) -> None:
    """Decoded frames, their times, and every packet of sound."""
    assert picture_times(have) == picture_times(want)
    for a, b in zip(decoded(have), decoded(want), strict=True):
        for mine, other in zip(planes(a), planes(b), strict=True):
            assert np.array_equal(mine, other)
    assert streams_of(have)[1:] == streams_of(want)[1:]


def test_a_killed_process_loses_a_segment_at_most(
    long_clip: Path, tmp_path: Path, upscale: Upscale, bilinear_weights: Path
) -> None:
    output = tmp_path / "out.mp4"
    for wanted in (2, 5):
        process = subprocess.Popen(
            segmenting_command(long_clip, output, bilinear_weights), stderr=subprocess.DEVNULL
        )

        def enough(wanted: int = wanted) -> bool:
            return segments_done(output) >= wanted

        kill_when(process, enough)
        assert not output.exists()
    done = segments_done(output)
    assert done >= 5
    facts = upscale(long_clip, output, segment=4)
    assert facts.resumed == 4 * done
    upscale(long_clip, tmp_path / "whole.mp4", segment=4)
    assert_same_video(output, tmp_path / "whole.mp4")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_kills_at_random_times(
    long_clip: Path, tmp_path: Path, upscale: Upscale, bilinear_weights: Path
) -> None:
    upscale(long_clip, tmp_path / "whole.mp4", segment=4)
    started = time.monotonic()
    subprocess.run(
        segmenting_command(long_clip, tmp_path / "timed.mp4", bilinear_weights),
        check=True,
        capture_output=True,
    )
    whole, random = time.monotonic() - started, np.random.default_rng(7)
    output, kills, finished = tmp_path / "out.mp4", 0, 0
    while kills < 50:
        process = subprocess.Popen(
            segmenting_command(long_clip, output, bilinear_weights), stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + random.uniform(0, whole)
        before = segments_done(output)

        def enough(end: float = end) -> bool:
            return time.monotonic() > end

        kill_when(process, enough)
        kills += process.returncode == -signal.SIGKILL
        if output.exists():
            assert_same_video(output, tmp_path / "whole.mp4")
            output.unlink()
            shutil.rmtree(segments_folder(output), ignore_errors=True)
            finished += 1
        else:
            assert segments_done(output) >= before
    upscale(long_clip, output, segment=4)
    assert_same_video(output, tmp_path / "whole.mp4")


def mutations(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Copies of `data` with bits flipped, stretches zeroed, moved, repeated or cut off."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(int(random.integers(1, 12))):
            place, length = int(random.integers(0, len(changed))), int(random.integers(1, 40))
            kind = int(random.integers(0, 5))
            if kind == 0:
                changed[place] ^= 1 << int(random.integers(0, 8))
            elif kind == 1:
                changed[place : place + length] = random.bytes(length)
            elif kind == 2:
                changed[place : place + length] = bytes(length)
            elif kind == 3:
                changed[place:place] = changed[place : place + length]
            else:
                del changed[place : place + length]
        yield bytes(changed[: int(random.integers(1, len(changed)))] if random.random() < 0.1 else changed)


MUTATED = {
    "in.mp4": Clip(frames=6, audio="aac", subtitles="mov_text", chapters=True, options={"bf": "2"}),
    "in.mkv": Clip(frames=6, audio="aac", subtitles="subrip", chapters=True, attachment=b"font"),
    "in.avi": Clip(frames=6, codec="mpeg4", time_base=Fraction(1, 24), audio="libmp3lame"),
    "in.ts": Clip(frames=6, audio="mp2"),
    "in.webm": Clip(frames=6, codec="libvpx-vp9", audio="libopus", options={"cpu-used": "5"}),
}


def assert_survives(name: str, count: int, seed: int, tmp_path: Path, upscale: Upscale) -> None:
    """Each mutation of a clip gives a whole result, or an error of one line and none."""
    original = make_clip(tmp_path / name, MUTATED[name]).read_bytes()
    path, output = tmp_path / f"mutated{Path(name).suffix}", tmp_path / "out.mkv"
    results = {"done": 0, "refused": 0}
    for data in mutations(original, count, seed):
        path.write_bytes(data)
        try:
            facts = upscale(path, output, segment=100, drop=("unsupported",))
        except (InputError, UsageError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - which error is left open
            assert not output.exists()
            results["refused"] += 1
        else:
            assert len(decoded(output)) == facts.frames
            output.unlink()
            results["done"] += 1
        shutil.rmtree(segments_folder(output), ignore_errors=True)
    assert min(results.values()) > 0 or count < 20


@pytest.mark.parametrize("name", MUTATED)
def test_damaged_files_are_results_or_errors(name: str, tmp_path: Path, upscale: Upscale) -> None:
    assert_survives(name, 8, 1, tmp_path, upscale)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", MUTATED)
def test_five_hundred_damaged_files(name: str, tmp_path: Path, upscale: Upscale) -> None:
    assert_survives(name, 100, 2, tmp_path, upscale)


def test_the_journal_is_lines_of_json(tmp_path: Path, upscale: Upscale) -> None:
    source, output = make_clip(tmp_path / "in.mkv", Clip(frames=12)), tmp_path / "out.mkv"
    with pytest.raises(Killed):
        upscale(source, output, progress=stop_after(11))
    lines = [
        json.loads(line) for line in (segments_folder(output) / "journal.jsonl").read_text().splitlines()
    ]
    assert lines[0]["job"]["segment"] == 5
    assert [line["segment"]["frames"] for line in lines[1:]] == [5, 5]


CUT_STREAMS = {
    "mpeg2video": {"bf": "2", "g": "12"},
    "libx264": {"preset": "fast", "g": "12", "bf": "2"},
    "libx265": {"preset": "fast", "x265-params": f"{SILENT_X265}:keyint=12:min-keyint=12:open-gop=1"},
}


@pytest.mark.parametrize("codec", CUT_STREAMS)
def test_a_recording_that_begins_between_keyframes_begins_with_the_next(
    codec: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """As a decoder has it, and with what lies between picture and sound; after an interruption, too."""
    clip = Clip(frames=48, width=96, height=64, codec=codec, time_base=Fraction(1, 24), audio="mp2")
    whole = make_clip(tmp_path / "whole.ts", replace(clip, options=CUT_STREAMS[codec]))
    source = without_transport_packets(whole, tmp_path / "a.ts", 0, 0.12)
    wanted, output = picture_times(source), tmp_path / "b.mkv"
    assert 12 < len(wanted) < 48
    with pytest.raises(Killed):
        upscale(source, output, progress=stop_after(11))
    assert upscale(source, output).resumed == 10
    have = picture_times(output)
    assert "begins between two keyframes" in caplog.text
    assert_times([time - have[0] for time in have], [time - wanted[0] for time in wanted], Fraction(1, 500))
    lead = wanted[0] - streams_of(source)[1].times[0]
    assert abs(have[0] - streams_of(output)[1].times[0] - lead) <= Fraction(2, 1000)
    assert_alike(decoded(source), decoded(output))
