"""Print what more workers give, and what a million pictures cost: `python benchmarks/scale.py` (needs ray).

    python benchmarks/scale.py                       # one and two one-thread workers on this machine
    python benchmarks/scale.py --side 1024 --count 12
    python benchmarks/scale.py --core-hour 0.0425    # US$ for an hour of a core like this one's

Workers are timed from the tenth of their pictures that ends first to the last: starting Ray and the engines
happens once, whatever the number of pictures. Rounds take turns, so that a busy machine slows both.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.jobs.batch import BatchRequest, plan_batch
from ripfdn_cli.jobs.devices import NetworkSettings
from ripfdn_cli.jobs.picture_job import PictureSettings
from ripfdn_cli.jobs.ray_run import Cluster

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
    for outcome in batch.run(cluster=Cluster(workers=workers)):
        if outcome.error is not None:
            raise outcome.error
        times.append(time.perf_counter())
        written += outcome.size
    first = len(times) // 10
    return (len(times) - 1 - first) / (times[-1] - times[first]), written / len(times) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="of the pictures, px")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core-hour", type=float, default=0.0425, help="US$")
    options = parser.parse_args()
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        pictures(folder, options.count, options.side)
        for number in range(options.rounds):
            for workers, found in rates.items():
                speed, megabytes = rate(folder, Path(name, f"{workers}-{number}"), workers)
                found.append(speed)
    one, two = median(rates[1]), median(rates[2])
    core_hours = MILLION / two * 2 / 3600
    print(f"{machine_name('cpu')}; {options.count} pictures of {options.side}×{options.side} px, ×4\n")
    print("| workers of one thread | pictures/s | × one worker |\n| --- | --- | --- |")
    print(f"| 1 | {one:.2f} | 1.00 |\n| 2 | {two:.2f} | {two / one:.2f} |\n")
    print(f"{megabytes:.2f} MB a result; a million: {core_hours:.0f} core hours, {megabytes:.2f} TB")
    print(f"US$ {core_hours * options.core_hour:.0f} at US$ {options.core_hour} for a core hour")


if __name__ == "__main__":
    main()
