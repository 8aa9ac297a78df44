"""Small videos made by code, of every kind that tests need."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray
from support.commands import QUICK

if TYPE_CHECKING:
    from av.container.core import Chapter  # which is nowhere but in PyAV's stubs

SILENT_X265 = "log-level=none"


@dataclass(frozen=True)
class Tags:
    """H.273 numbers; 2 is unspecified. `colour_range`: 0 unsaid, 1 limited, 2 full."""

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    colour_range: int = 0


@dataclass(frozen=True)
class Clip:
    """What `make_clip` makes. `times`: timestamps in ticks of `time_base`, one a frame."""

    frames: int = 12
    width: int = 48
    height: int = 32
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    time_base: Fraction = Fraction(1, 24000)
    times: Sequence[int] | None = None
    options: dict[str, str] = field(default_factory=dict)
    tags: Tags = Tags()
    aspect: Fraction | None = None
    rotation: int = 0
    repeats: int = 1
    audio: str | None = None
    audio_rate: int = 48000
    audio_start: Fraction = Fraction(0)
    subtitles: str | None = None
    attachment: bytes | None = None
    chapters: bool = False
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def timestamps(self) -> list[int]:
        step = int(1 / (24 * self.time_base))
        return list(self.times) if self.times is not None else [i * step for i in range(self.frames)]


PATCHES = (
    ((40, 60, 90), (200, 90, 60), (90, 180, 80), (60, 70, 190)),
    (
        (120, 120, 20),
        (20, 130, 140),
        (150, 40, 150),
        (225, 225, 225),
    ),
)


def picture(number: int, width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """Eight patches of colour, the blue of the lower left one by `number`, and a bright square that moves."""
    image = np.zeros((height, width, 3), np.uint8)
    for row, colours in enumerate(PATCHES):
        for column, colour in enumerate(colours):
            image[row * height // 2 :, column * width // 4 :] = colour
    image[height // 2 :, : width // 4, 2] = (number * 9) % 200 + 20
    left = (number * 3) % max(1, width - 8)
    image[height // 8 : height // 4, left : left + 8] = (250, 240, 20)
    return image


def make_clip(path: Path, clip: Clip | None = None) -> Path:
    clip = clip or Clip()
    with av.open(str(path), "w", options=_container_options(path)) as container:
        video = _video_stream(container, clip)
        audio = _audio_stream(container, clip) if clip.audio else None
        subtitles = _subtitle_stream(container, clip.subtitles) if clip.subtitles else None
        if clip.attachment is not None:
            container.add_attachment("font.ttf", "font/ttf", clip.attachment)
        if clip.chapters:
            container.set_chapters(_chapters())
        container.metadata.update(clip.metadata)
        for number, pts in enumerate(clip.timestamps):
            container.mux(video.encode(_frame(clip, number, pts)))
        container.mux(video.encode())
        if audio is not None:
            _write_audio(container, audio, clip)
        if subtitles is not None:
            _write_subtitles(container, subtitles, sized=clip.subtitles == "mov_text")
    return path


def _container_options(path: Path) -> dict[str, str]:
    return {"movie_timescale": "48000"} if path.suffix in (".mp4", ".mov", ".m4v") else {}


def _video_stream(container: Any, clip: Clip) -> Any:
    options = {"preset": "ultrafast"} if clip.codec in ("libx264", "libx265") else {}
    if clip.codec == "libx265":
        options["x265-params"] = SILENT_X265
    stream = container.add_stream(clip.codec, rate=24, options=options | clip.options)
    stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, clip.pixel_format
    context = stream.codec_context
    context.time_base = clip.time_base
    context.colorspace, context.color_primaries = clip.tags.matrix, clip.tags.primaries
    context.color_trc, context.color_range = clip.tags.transfer, clip.tags.colour_range
    if clip.aspect is not None:
        context.sample_aspect_ratio = clip.aspect
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    return stream


def _frame(clip: Clip, number: int, pts: int) -> av.VideoFrame:
    image = picture(number // clip.repeats, clip.width, clip.height)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame = frame.reformat(
        format=clip.pixel_format,
        dst_colorspace=clip.tags.matrix if clip.tags.matrix != 2 else 5,
        dst_color_range=clip.tags.colour_range or 1,
        interpolation=av.video.reformatter.Interpolation.BICUBIC
        | av.video.reformatter.Interpolation.ACCURATE_RND
        | av.video.reformatter.Interpolation.FULL_CHR_H_INT,
    )
    frame.pts, frame.time_base = pts, clip.time_base
    frame.color_trc, frame.color_primaries = clip.tags.transfer, clip.tags.primaries
    return frame


def _audio_stream(container: Any, clip: Clip) -> Any:
    stream = container.add_stream(clip.audio, rate=clip.audio_rate, layout="stereo")
    stream.metadata["language"] = "deu"
    return stream


def _write_audio(container: Any, stream: Any, clip: Clip) -> None:
    rate, start = clip.audio_rate, int(clip.audio_start * clip.audio_rate)
    for number in range(30):
        wave = np.sin(np.arange(1024) * (0.05 + number * 0.001)) * 0.3
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None].repeat(2, 0), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, start + number * 1024, Fraction(1, rate)
        for resampled in _resampled(frame, stream):
            container.mux(stream.encode(resampled))
    container.mux(stream.encode())


def _resampled(frame: av.AudioFrame, stream: Any) -> list[av.AudioFrame]:
    if stream.codec_context.format.name == "fltp":
        return [frame]
    resampler = av.AudioResampler(stream.codec_context.format.name, "stereo", frame.sample_rate)
    return [part for part in resampler.resample(frame) if part is not None]


def _subtitle_stream(container: Any, codec: str) -> Any:
    stream = container.add_mux_stream(codec)
    stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = "fra"
    return stream


def _write_subtitles(container: Any, stream: Any, *, sized: bool) -> None:
    for number in range(3):
        text = f"Line {number}".encode()
        packet = av.Packet(len(text).to_bytes(2, "big") + text if sized else text)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = number * 150
        packet.duration = 120
        container.mux(packet)


def _chapters() -> "list[Chapter]":
    titles = ["Opening", "Ending"]
    return [
        {
            "id": number + 1,
            "start": number * 250,
            "end": (number + 1) * 250,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }
        for number, title in enumerate(titles)
    ]


def segmenting_command(source: Path, output: Path, weights: Path) -> list[str]:
    """The real command on `source`, in segments of four frames, so that there is much to interrupt."""
    files = [str(source), "-o", str(output), "--weights", str(weights)]
    options = ["--segment", "4", "--preset", "ultrafast"]
    return [sys.executable, "-m", "ripfdn_cli", "upscale", *files, *QUICK, *options]
