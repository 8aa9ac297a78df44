"""Sound and subtitles that a container doesn't hold become what it holds; the rest is copied as it is."""

import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet
from numpy.typing import NDArray
from support.video_clips import Clip, make_clip, picture
from support.video_facts import streams_of

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video_jobs.video_run import VideoFacts, upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings

Upscale = Callable[..., VideoFacts]

pytestmark = pytest.mark.any_precision


ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@pytest.fixture
def upscale(bilinear_weights: Path) -> Upscale:
    network = NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)

    def run(source: Path, output: Path, audio: Any = "copy", **reading: Any) -> VideoFacts:
        encoding = EncodingOptions(preset=None if output.suffix == ".webm" else "ultrafast", audio=audio)
        settings = VideoSettings(encoding=encoding, reading=ReadingOptions(**reading))
        return upscale_video([source], output, settings, network)

    return run


def make_sounding_clip(path: Path, codec: str, rate: int = 44100, layout: str = "stereo") -> Path:
    """A second and a half of a tone that rises, in the codec, with a picture."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=24)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        audio = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(audio, AudioStream)
        if codec != "adpcm_ms":
            audio.bit_rate = {"wmav2": 128_000}.get(codec, 12_200)
        for number in range(36):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        time = np.arange(rate * 3 // 2) / rate
        wave = (0.4 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.float32)
        samples = np.repeat(wave[None], 2 if layout == "stereo" else 1, axis=0)
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        sound.sample_rate, sound.pts, sound.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(audio.codec_context.format.name, layout, rate)
        for part in resampler.resample(sound):
            container.mux(audio.encode(part))
        container.mux(audio.encode())
    return path


def heard(path: Path) -> NDArray[np.float32]:
    """The sound as a player gives it: mono, 8000 samples a second, from the moment 0 on."""
    parts: list[NDArray[np.float32]] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 8000)
        first: Fraction | None = None
        for frame in container.decode(audio=0):
            if first is None:
                assert frame.pts is not None and frame.time_base is not None  # noqa: PT018
                first = frame.pts * frame.time_base
            frame.pts = None
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    sound = np.concatenate(parts)
    assert first is not None
    shift = round(first * 8000)
    return np.concatenate([np.zeros(max(shift, 0), np.float32), sound])[max(-shift, 0) :]


def assert_sounds_alike(have: Path, want: Path) -> None:
    """At the same time, to a millisecond, and with the same length, to 50."""
    a, b = heard(have), heard(want)
    assert abs(len(a) - len(b)) < 0.05 * 8000
    middle = slice(3000, 9000)
    alike = {
        shift: np.corrcoef(a[middle], b[3000 + shift : 9000 + shift])[0, 1] for shift in range(-100, 101, 4)
    }
    best = max(alike, key=lambda shift: alike[shift])
    assert alike[best] > 0.97
    assert abs(best) <= 8


SOURCES = {"amr.3gp": ("libopencore_amrnb", 8000, "mono"), "wma.wmv": ("wmav2", 44100, "stereo")}
SOURCES |= {"adpcm.avi": ("adpcm_ms", 22050, "stereo")}


def source_of(name: str, folder: Path) -> Path:
    codec, rate, layout = SOURCES[name]
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no {codec}")
    return make_sounding_clip(folder / name, codec, rate, layout)


@pytest.mark.parametrize("name", SOURCES)
def test_matroska_takes_sound_as_it_is(name: str, tmp_path: Path, upscale: Upscale) -> None:
    source = source_of(name, tmp_path)
    output = tmp_path / "it's [one] | of 'them'.mkv"  # all of which means something to FFmpeg's tee
    upscale(source, output)
    old, new = (next(s for s in streams_of(path) if s.kind == "audio") for path in (source, output))
    assert new.codec == old.codec
    assert new.digests == old.digests


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_what_does_not_hold_it_says_so_before_the_work(
    name: str, suffix: str, tmp_path: Path, upscale: Upscale
) -> None:
    source = source_of(name, tmp_path)
    sound = {".mp4": "aac", ".webm": "opus"}[suffix]
    with pytest.raises(UsageError, match=rf"can't hold stream 1 \(audio, .* `audio={sound}`, or leave out"):
        upscale(source, tmp_path / f"out{suffix}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    ("suffix", "audio"),
    [(".mp4", "aac"), (".mp4", "opus"), (".mp4", "flac"), (".mov", "aac"), (".webm", "opus")],
)
def test_it_is_encoded_anew_when_asked(
    name: str, suffix: str, audio: str, tmp_path: Path, upscale: Upscale
) -> None:
    if name != "wma.wmv" and suffix == ".mov":
        pytest.skip("QuickTime holds it")
    source = source_of(name, tmp_path)
    upscale(source, tmp_path / f"out{suffix}", audio=audio)
    assert next(s for s in streams_of(tmp_path / f"out{suffix}") if s.kind == "audio").codec == audio
    assert_sounds_alike(tmp_path / f"out{suffix}", source)


def test_a_part_of_it_is_encoded_too(tmp_path: Path, upscale: Upscale) -> None:
    source = source_of("adpcm.avi", tmp_path)
    upscale(source, tmp_path / "out.mp4", audio="aac", start=Fraction(1, 2))
    part, whole = heard(tmp_path / "out.mp4"), heard(source)
    assert len(part) == pytest.approx(8000, abs=700)
    scores = [np.corrcoef(part[2000:6000], whole[n : n + 4000])[0, 1] for n in range(5000, 7000)]
    assert 5000 + int(np.argmax(scores)) == pytest.approx(6000, abs=60)


def test_sound_that_the_container_holds_is_copied(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=24, audio="aac"))
    upscale(source, tmp_path / "out.mp4", audio="flac")
    old, new = (streams_of(path)[1] for path in (source, tmp_path / "out.mp4"))
    assert (new.codec, new.digests) == ("aac", old.digests)


def dialogue(subtitle: object) -> str:
    assert isinstance(subtitle, AssSubtitle)
    return subtitle.dialogue.decode()


def subtitles_of(path: Path) -> list[tuple[float, float, str]]:
    """When each begins, for how long, and its words."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        shown = []
        for packet in container.demux(stream):
            texts = [] if packet.size <= 2 else [dialogue(part) for part in packet.decode()]
            if texts:
                base, pts, duration = stream.time_base, packet.pts, packet.duration
                assert base is not None
                assert pts is not None
                assert duration is not None
                shown.append((float(pts * base), float(duration * base), "".join(texts)))
        return shown


LINES = [(0.0, 0.12, "Line 0"), (0.15, 0.12, "Line 1"), (0.3, 0.12, "Line 2")]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".mkv"])
@pytest.mark.parametrize(("name", "codec"), [("in.mkv", "subrip"), ("in.mp4", "mov_text")])
def test_text_subtitles_go_into_every_container(
    name: str, codec: str, suffix: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path / name, Clip(frames=24, subtitles=codec))
    with caplog.at_level(logging.INFO):
        upscale(source, tmp_path / f"out{suffix}")
    found = subtitles_of(tmp_path / f"out{suffix}")
    assert [text for *_, text in found] == [text for *_, text in LINES]
    for have, want in zip(found, LINES, strict=True):
        assert have[:2] == pytest.approx(want[:2], abs=0.002)
    becomes = {".mp4": "mov_text", ".mov": "mov_text", ".webm": "webvtt", ".mkv": "subrip"}[suffix]
    assert (f"becomes {becomes}" in caplog.text) == (becomes != codec)


def test_there_and_back_again(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=24, subtitles="subrip"))
    upscale(source, tmp_path / "there.mp4")
    upscale(tmp_path / "there.mp4", tmp_path / "back.mkv")
    old, new = (
        next(s for s in streams_of(p) if s.kind == "subtitle") for p in (source, tmp_path / "back.mkv")
    )
    assert (new.digests, new.times) == (old.digests, old.times)
    assert new.metadata["language"] == old.metadata["language"]


def overlapping_clip(path: Path, codec: str, shown: dict[str, tuple[int, int]]) -> Path:
    """Of a second, with lines that show from one millisecond to another, in the codec."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        lines: Any = container.add_stream(codec)
        lines.codec_context.subtitle_header = ASS_HEADER
        lines.codec_context.time_base = lines.time_base = Fraction(1, 1000)
        for number in range(24):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for number, (text, (begin, end)) in enumerate(shown.items()):
            event = f"{number},0,Default,,0,0,0,,{text}".encode()
            packet = lines.codec_context.encode_subtitle(SubtitleSet.create(event, 0, end - begin))
            packet.stream, packet.time_base = lines, Fraction(1, 1000)
            packet.pts = packet.dts = begin
            packet.duration = end - begin
            container.mux(packet)
    return path


def shown_in_mp4(path: Path, millisecond: int) -> list[str]:
    """The lines of the sample of timed text that shows then: each does until the next (3GPP TS 26.245)."""
    text = ""
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.subtitles[0]):
            if packet.size and packet.pts is not None and packet.time_base is not None:
                data = bytes(packet)
                place = Fraction(millisecond, 1000) / packet.time_base - packet.pts
                if place >= 0:
                    shows = place < (packet.duration or 0)
                    text = data[2 : 2 + int.from_bytes(data[:2], "big")].decode() if shows else ""
    return text.splitlines()


@pytest.mark.parametrize("codec", ["ass", "srt"])
def test_lines_that_overlap_show_together_in_mp4(codec: str, tmp_path: Path, upscale: Upscale) -> None:
    """Its samples follow each other, and none may be put off until another has ended."""
    lines = {"one": (100, 500), "two": (300, 900), "three": (300, 400), "four": (900, 950)}
    source = overlapping_clip(tmp_path / "a.mkv", codec, lines)
    upscale(source, tmp_path / "a.mp4")
    for time in (50, 150, 290, 310, 390, 410, 490, 510, 890, 910, 960):
        wanted = [text for text, (begin, end) in lines.items() if begin <= time < end]
        assert shown_in_mp4(tmp_path / "a.mp4", time) == wanted, time
