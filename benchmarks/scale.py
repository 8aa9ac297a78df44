"""Print what more workers give, and what a million pictures and a film cost: `python benchmarks/scale.py`
(needs ray).

    python benchmarks/scale.py                       # one and two one-thread workers on this machine
    python benchmarks/scale.py --side 1024 --count 12
    python benchmarks/scale.py --core-hour 0.0425    # US$ for an hour of a core like this one's
    python benchmarks/scale.py --rounds 0            # only the film, reckoned from `--film-seconds`

Workers are timed from the tenth of their pictures that ends first to the last: starting Ray and the engines
happens once, whatever the number of pictures. Of a video, the time runs from the moment when each worker has
made a segment to the last one's end. Rounds take turns, so that a busy machine slows all.

The engine of a worker has one thread, but reading and writing have theirs: one worker on an idle machine uses
part of a second core. So one worker is also timed with everything, Ray too, confined to one core (Linux).
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import av
import numpy as np
from PIL import Image

from ripfdn_cli.distributed.ray_run import RayCluster
from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.image_jobs.batch import BatchRequest, plan_batch
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video.codecs import codec_named
from ripfdn_cli.video_jobs.video_run import upscale_video
from ripfdn_cli.video_jobs.video_settings import VideoSettings

SAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.png"
MILLION = 1_000_000
SEGMENT = 6
"""Frames of a segment of the video."""
FILM_FRAMES = 2 * 3600 * 24
FILM_SIZE, FILM_SEGMENT = (1920, 1080), 24
MACHINE_CORES = 16
SHARED_FOLDER = 500.0
"""MB/s between one machine and the folder that all share; an assumption."""
PASSES_AT_THE_END = 4
"""Times that the driver moves a result: segments are hashed and joined, the result is written and read."""


def pictures(folder: Path, count: int, side: int) -> None:
    """Cuts of the sample, enlarged where it is smaller, all different."""
    with Image.open(SAMPLE) as sample:
        large = sample.convert("RGB").resize((max(sample.width, 2 * side), max(sample.height, 2 * side)))
    chance = np.random.default_rng(0)
    for number in range(count):
        left, top = (int(chance.integers(0, extent - side)) for extent in large.size)
        large.crop((left, top, left + side, top + side)).save(folder / f"{number:05d}.png")


def rate(folder: Path, out: Path, workers: int) -> tuple[float, float]:
    """Pictures a second of `workers` one-thread workers, and MB a picture of what they write."""
    network = NetworkSettings(devices=("cpu",), threads=1)
    batch = plan_batch(BatchRequest((folder,), str(out)), PictureSettings(), network)
    times, written = [], 0
    for outcome in batch.run(cluster=RayCluster(workers=workers)):
        if outcome.error is not None:
            raise outcome.error
        times.append(time.perf_counter())
        written += outcome.size
    first = len(times) // 10
    return (len(times) - 1 - first) / (times[-1] - times[first]), written / len(times) / 1e6


def clip(path: Path, count: int, side: int) -> Path:
    """A camera that moves over the sample, `side` px wide, 16:9."""
    with Image.open(SAMPLE) as sample:
        large = np.array(sample.convert("RGB").resize((side + count, side)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = side, side * 9 // 32 * 2, "yuv420p"
        for number in range(count):
            pixels = np.ascontiguousarray(large[: stream.height, number : number + side])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def video_rate(source: Path, output: Path, workers: int) -> float:
    """Frames a second of `workers` one-thread workers."""
    times: list[tuple[int, float]] = []
    upscale_video(
        [source],
        output,
        VideoSettings(segment=SEGMENT),
        NetworkSettings(devices=("cpu",), threads=1),
        progress=lambda done, *_: times.append((done, time.perf_counter())),
        cluster=RayCluster(workers=workers),
    )
    (first, begin), (last, end) = times[workers], times[-1]  # times[0] is that of the start
    return (last - first) / (end - begin)


@contextmanager
def cores(count: int | None) -> Iterator[None]:
    """The process, and what it starts, on `count` cores; None: on all it has. Linux only."""
    if count is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measured(options: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, list[float]], float]:
    """Pictures and frames a second by row, one for each round, and MB of a picture."""
    runs: dict[str, tuple[int, int | None]] = {"1": (1, None), "2": (2, None)}
    if sys.platform == "linux":
        runs["1, all on one core"] = (1, 1)
    of_pictures: dict[str, list[float]] = {name: [] for name in runs}
    of_video: dict[str, list[float]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        pictures(folder, options.count, options.side)
        source = clip(Path(name, "in.mp4"), options.frames, options.side)
        megabytes = 0.0
        for number in range(options.rounds):
            for row, (workers, confined) in runs.items():
                with cores(confined):
                    if options.count:
                        speed, megabytes = rate(folder, Path(name, f"{row}-{number}"), workers)
                        of_pictures[row].append(speed)
                    of_video[row].append(video_rate(source, Path(name, f"{row}-{number}.mkv"), workers))
    return of_pictures, of_video, megabytes


def print_speeds(unit: str, rates: dict[str, list[float]]) -> float:
    """A table of medians; that of two workers."""
    speeds = {row: median(found) for row, found in rates.items()}
    print(f"| workers of one thread | {unit}/s | two are |\n| --- | --- | --- |")
    for row, speed in speeds.items():
        print(f"| {row} | {speed:.2f} | {speeds['2'] / speed:.2f} × |")
    print()
    return speeds["2"]


def print_film(seconds: float, threads: int, core_hour: float) -> None:
    """What a film takes, of which a frame takes `seconds` on as many cores as `threads`."""
    core_hours = FILM_FRAMES * seconds * threads / 3600
    machines = core_hours / MACHINE_CORES
    width, height = (4 * extent for extent in FILM_SIZE)
    gigabytes = FILM_FRAMES * width * height * codec_named("x264").bits_per_pixel / 8e9
    end = PASSES_AT_THE_END * gigabytes * 1000 / SHARED_FOLDER / 60
    segments = FILM_FRAMES // FILM_SEGMENT
    print(f"A film of two hours, {FILM_FRAMES:,} frames of 1920×1080 px, ×4, at {seconds} s a frame on")
    print(f"{threads} cores: {core_hours:,.0f} core hours, US$ {core_hours * core_hour:.0f}; an hour on")
    print(
        f"{machines:.0f} machines of {MACHINE_CORES} cores; {segments:,} segments of {FILM_SEGMENT} frames."
    )
    print(f"Result: {gigabytes:.0f} GB; in an hour the workers write {gigabytes * 1000 / 3600:.0f} MB/s.")
    print(f"Then one machine moves it {PASSES_AT_THE_END} times: {end:.0f} min at {SHARED_FOLDER:.0f} MB/s.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="of the pictures, and the video's width, px")
    parser.add_argument("--count", type=int, default=60, help="of pictures; 0 for the video alone")
    parser.add_argument("--frames", type=int, default=96, help="of the video")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core-hour", type=float, default=0.0425, help="US$")
    parser.add_argument("--film-seconds", type=float, default=3.966, help="for a frame of 1920×1080 px")
    parser.add_argument("--film-threads", type=int, default=2, help="on so many cores")
    options = parser.parse_args()
    if options.rounds:
        of_pictures, of_video, megabytes = measured(options)
        print(f"{machine_name('cpu')}; {options.count} pictures of {options.side}×{options.side} px, ×4, and")
        print(f"a video of {options.frames} frames, {options.side} px wide, in segments of {SEGMENT}\n")
        if options.count:
            core_hours = MILLION / print_speeds("pictures", of_pictures) * 2 / 3600
            print(f"{megabytes:.2f} MB a result; a million: {core_hours:.0f} core hours, {megabytes:.2f} TB")
            print(f"US$ {core_hours * options.core_hour:.0f} at US$ {options.core_hour} for a core hour\n")
        print_speeds("frames", of_video)
    print_film(options.film_seconds, options.film_threads, options.core_hour)


if __name__ == "__main__":
    main()
