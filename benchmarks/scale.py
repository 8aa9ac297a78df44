"""Print what more workers give, and what a million pictures cost: `python benchmarks/scale.py` (needs ray).

    python benchmarks/scale.py                       # one and two one-thread workers on this machine
    python benchmarks/scale.py --side 1024 --count 12
    python benchmarks/scale.py --core-hour 0.0425    # US$ for an hour of a core like this one's

Workers are timed from the tenth of their pictures that ends first to the last: starting Ray and the engines
happens once, whatever the number of pictures. Rounds take turns, so that a busy machine slows all.

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

import numpy as np
from PIL import Image

from ripfdn_cli.distributed.ray_run import RayCluster
from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.image_jobs.batch import BatchRequest, plan_batch
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings

SAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.png"
MILLION = 1_000_000


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="of the pictures, px")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core-hour", type=float, default=0.0425, help="US$")
    options = parser.parse_args()
    runs: dict[str, tuple[int, int | None]] = {"1": (1, None), "2": (2, None)}
    if sys.platform == "linux":
        runs["1, all on one core"] = (1, 1)
    rates: dict[str, list[float]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        pictures(folder, options.count, options.side)
        for number in range(options.rounds):
            for row, (workers, confined) in runs.items():
                with cores(confined):
                    speed, megabytes = rate(folder, Path(name, f"{row}-{number}"), workers)
                rates[row].append(speed)
    speeds = {row: median(found) for row, found in rates.items()}
    core_hours = MILLION / speeds["2"] * 2 / 3600
    print(f"{machine_name('cpu')}; {options.count} pictures of {options.side}×{options.side} px, ×4\n")
    print("| workers of one thread | pictures/s | two are |\n| --- | --- | --- |")
    for row, speed in speeds.items():
        print(f"| {row} | {speed:.2f} | {speeds['2'] / speed:.2f} × |")
    print()
    print(f"{megabytes:.2f} MB a result; a million: {core_hours:.0f} core hours, {megabytes:.2f} TB")
    print(f"US$ {core_hours * options.core_hour:.0f} at US$ {options.core_hour} for a core hour")


if __name__ == "__main__":
    main()
