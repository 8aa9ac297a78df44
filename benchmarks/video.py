"""How much of the network's own rate a video keeps: `python benchmarks/video.py`.

Frames of a 360p clip go through the network alone and through the whole of `ripfdn upscale` (decode, network,
self-check, encode, segments), in turn in one process, so that a busy machine slows both. The time of finding
out, joining and checking, which is there once for a video of any length, is told apart. So is processor time
per frame: other programs change it less, and where the network keeps all cores busy it sets the rate.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli import Upscaler
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video_jobs.video_run import upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, VideoSettings

SAMPLE = Path(__file__).parents[1] / "examples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--codec", default="x264")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        frames = moving_picture(width, height, options.frames)
        clip = write_clip(Path(folder) / "clip.mp4", frames)
        network = Upscaler("x4", device=options.device, engine=options.engine)
        network.upscale(frames[0])
        settings = NetworkSettings(weights="x4", devices=(options.device,), engine=options.engine)
        alone, whole, around = [], [], []  # (seconds, processor seconds) a frame; seconds
        for _ in range(options.rounds):
            alone.append(network_cost(network, frames))
            cost, fixed = video_cost(clip, Path(folder) / "out.mkv", settings, options.codec)
            whole.append(cost)
            around.append(fixed)
    engine = f"{network.engine_name} on {network.device}, {network.precision}"
    print(f"{options.size}, {options.frames} frames, {engine}")
    print("| | frames/s | processor s/frame |\n| --- | --- | --- |")
    for name, costs in (("network alone", alone), ("`ripfdn upscale`, first to last frame", whole)):
        seconds, processor = (statistics.median(part) for part in zip(*costs, strict=True))
        print(f"| {name} | {1 / seconds:.3f} | {processor:.3f} |")
    for place, what in enumerate(("rate", "processor time")):
        ratios = [single[place] / video[place] for single, video in zip(alone, whole, strict=True)]
        print(f"share of the network in the {what}, median of neighbours: {statistics.median(ratios):.3f}")
    print(f"before the first frame and after the last: {statistics.median(around):.1f} s")


def moving_picture(width: int, height: int, count: int) -> list[NDArray[np.uint8]]:
    """A photograph under a camera that moves."""
    with Image.open(next(iter(sorted(SAMPLE.glob("*.[jp][pn]g"))))) as image:
        large = image.convert("RGB").resize((width + 4 * count, height + 2 * count), Image.Resampling.LANCZOS)
    pixels = np.array(large)
    return [np.ascontiguousarray(pixels[2 * n : 2 * n + height, 4 * n : 4 * n + width]) for n in range(count)]


def write_clip(path: Path, frames: list[NDArray[np.uint8]]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "18"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def network_cost(network: Upscaler, frames: list[NDArray[np.uint8]]) -> tuple[float, float]:
    """Seconds and processor seconds a frame."""
    started, busy = time.perf_counter(), time.process_time()
    for frame in frames[1:]:
        network.upscale(frame)
    count = len(frames) - 1
    return (time.perf_counter() - started) / count, (time.process_time() - busy) / count


def video_cost(
    clip: Path, output: Path, network: NetworkSettings, codec: str
) -> tuple[tuple[float, float], float]:
    """Seconds and processor seconds a frame from the first written frame to the last, and the seconds around
    them.
    """
    times: list[tuple[float, float]] = []
    started = time.perf_counter()
    upscale_video(
        [clip],
        output,
        VideoSettings(encoding=EncodingOptions(codec)),
        network,
        overwrite=True,
        progress=lambda *_: times.append((time.perf_counter(), time.process_time())),
    )
    ended = time.perf_counter()
    first, last, count = times[1], times[-1], len(times) - 2  # the first call says where the run begins
    cost = (last[0] - first[0]) / count, (last[1] - first[1]) / count
    return cost, (first[0] - started) + (ended - last[0])


if __name__ == "__main__":
    main()
