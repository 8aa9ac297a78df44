"""Which containers become which: `python benchmarks/video_containers.py` prints the table of docs/video.md.

A clip of two seconds, 24000/1001 frames a second with reordered frames, sound, and subtitles, chapters and
tags where a container has them, is written into each container and upscaled into each by the real command.
What comes out is compared with what went in as PyAV reads both: frames, their times, packets of sound.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np

from ripfdn_cli.evaluation.markdown import markdown_table

_Time = TypeVar("_Time", int, Fraction)
RATE, SECONDS, WIDTH, HEIGHT = Fraction(24000, 1001), 2, 64, 48
SOUND_RATE = 48000
_COMPARED = (
    "largest difference of a frame's time, in ticks of the coarser clock; sound is copied, else by the option"
)
OUTPUTS = (".mp4", ".mkv", ".webm", ".mov")


@dataclass(frozen=True)
class Input:
    """A container with what is customary in it."""

    title: str
    suffix: str
    codec: str
    sound: str
    subtitles: str | None = None


INPUTS = (
    Input("MP4", ".mp4", "libx264", "aac", "mov_text"),
    Input("MOV", ".mov", "libx264", "pcm_s16le"),
    Input("MKV", ".mkv", "libx264", "aac", "subrip"),
    Input("WebM", ".webm", "libvpx-vp9", "libopus"),
    Input("AVI", ".avi", "mpeg4", "libmp3lame"),
    Input("TS", ".ts", "libx264", "aac"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="x2")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in INPUTS:
            source = write_clip(folder / f"in{kind.suffix}", kind)
            cells = [cell(source, folder / f"{kind.title}{suffix}", options.weights) for suffix in OUTPUTS]
            rows.append([f"{kind.title} ({plain(kind.codec)}, {plain(kind.sound)})", *cells])
    print(f"{_COMPARED}\n")
    print("\n".join(markdown_table(["", *(suffix.removeprefix(".").upper() for suffix in OUTPUTS)], rows)))


def plain(codec: str) -> str:
    names = {"libx264": "H.264", "libvpx-vp9": "VP9", "mpeg4": "MPEG-4", "libmp3lame": "MP3"}
    return names.get(codec, codec.removeprefix("lib").replace("pcm_s16le", "PCM").replace("aac", "AAC"))


def cell(source: Path, output: Path, weights: str) -> str:
    """What became of `source`: first with no option but -o, then with the one that the message names."""
    tried: list[str] = []
    for extra in ((), ("--audio", "aac" if output.suffix != ".webm" else "opus")):
        tried = [str(part) for part in extra]
        done = upscaled(source, output, weights, tried)
        if done.returncode == 0:
            option = f", `{' '.join(tried)}`" if tried else ""
            return judged(source, output) + option
    return f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}"


def upscaled(source: Path, output: Path, weights: str, extra: Sequence[str]) -> Any:
    command = [sys.executable, "-m", "ripfdn_cli", "upscale", str(source), "-o", str(output), "--overwrite"]
    return subprocess.run(
        [*command, "--weights", weights, *extra], capture_output=True, text=True, check=False
    )


def judged(source: Path, output: Path) -> str:
    """The largest difference of the frames' times in ticks of the coarser clock; what else differs."""
    (before, tick), (after, own) = frame_times(source), frame_times(output)
    if len(before) != len(after):
        return f"{len(after)} of {len(before)} frames"
    coarser = max(tick, own)
    moved = after[0] - before[0] if source.suffix == ".ts" else Fraction(0)
    off = max(abs(b - a - moved) for a, b in zip(before, after, strict=True)) / coarser
    sounds = [sound(path) for path in (source, output)]
    lost = sounds[0][0] == sounds[1][0] and sounds[0] != sounds[1]
    return f"{float(off):.2f}{', other sound' if lost else ''}"


def known(time: _Time | None) -> _Time:
    """A time that every file of this table has; PyAV has None where a file says nothing."""
    if time is None:
        raise ValueError("the file lacks a time or a time base")
    return time


def frame_times(path: Path) -> tuple[list[Fraction], Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tick = known(stream.time_base)
        if container.format.name == "avi":  # which has no timestamps; packets are in the order of frames
            return [known(packet.dts) * tick for packet in container.demux(stream) if packet.size], tick
        return [known(frame.pts) * tick for frame in container.decode(stream)], tick


def sound(path: Path) -> tuple[str, str]:
    """The codec of the sound, and a digest of all of it; ADTS' headers before AAC are not of it."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        for packet in container.demux(stream):
            data = bytes(packet)
            digest.update(data[7:] if container.format.name == "mpegts" and data[:1] == b"\xff" else data)
        return stream.codec_context.name, digest.hexdigest()


def write_clip(path: Path, kind: Input) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream(kind.codec, rate=RATE, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        assert isinstance(video, av.VideoStream)
        audio = container.add_stream(kind.sound, rate=SOUND_RATE, layout="stereo")
        lines = None if kind.subtitles is None else container.add_mux_stream(kind.subtitles)
        if path.suffix in (".mp4", ".mov", ".mkv", ".webm"):
            container.metadata["title"] = "Two seconds"
            container.set_chapters([chapter(0, 1000, "First"), chapter(1000, 2000, "Second")])
        for number in range(int(SECONDS * RATE)):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number, 1 / RATE
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode())
        write_sound(container, audio)
        if lines is not None:
            write_lines(container, lines, sized=kind.subtitles == "mov_text")
    return path


def chapter(start: int, end: int, title: str) -> Any:
    times = {"start": start, "end": end, "time_base": Fraction(1, 1000)}
    return {"id": 1 + start, **times, "metadata": {"title": title}}


def picture(number: int) -> Any:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = np.sin((columns + 2 * number) / 9)[..., None] * np.cos(rows[..., None] / np.array([7, 9, 11]))
    return (128 + 100 * waves).astype(np.uint8)


def write_sound(container: Any, stream: Any) -> None:
    resampler = av.AudioResampler(stream.codec_context.format.name, "stereo", SOUND_RATE)
    for number in range(SECONDS * SOUND_RATE // 1024):
        wave = np.sin(np.arange(1024) * 0.05 + number) * 0.3
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None].repeat(2, 0), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, number * 1024, Fraction(1, SOUND_RATE)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
    container.mux(stream.encode())


def write_lines(container: Any, stream: Any, *, sized: bool) -> None:
    for number in range(2):
        text = f"Line {number}".encode()
        packet = av.Packet(len(text).to_bytes(2, "big") + text if sized else text)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = number * 900
        packet.duration = 700
        container.mux(packet)


if __name__ == "__main__":
    main()
