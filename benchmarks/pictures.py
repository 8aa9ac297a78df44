"""Print what a folder of pictures costs beside its network: `python benchmarks/pictures.py [FOLDER]`.

    python benchmarks/pictures.py                # pictures cut from the sample
    python benchmarks/pictures.py photos/        # yours
    python benchmarks/pictures.py --memory       # peak memory over 500 pictures and over 50

The baseline is a plain loop of three lines: Pillow opens, the same network upscales, Pillow saves. Both take
turns in one process, so that a busy machine slows both; starting is measured in processes of their own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli import Upscaler
from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.image_jobs.batch import BatchRequest, plan_batch
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.find_inputs import find_inputs
from ripfdn_cli.pipeline.self_check import corrected

SAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.png"
COMMAND = [sys.executable, "-m", "ripfdn_cli", "upscale"]
PLAIN_SCRIPT = """
import sys, numpy, torch
from PIL import Image
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network
from ripfdn_cli.model.weights_store import weights_path
network = build_network(Checkpoint.load(weights_path("x4"))).eval()
pixels = torch.from_numpy(numpy.array(Image.open(sys.argv[1]).convert("RGB")))
with torch.inference_mode():
    result = network(pixels.permute(2, 0, 1)[None] / 255)[0]
pixels = result.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
Image.fromarray(pixels).save(sys.argv[2])
"""
"""What a user of the network writes: eager torch in fp32."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="of pictures that Pillow opens")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=256, help="of the pictures cut from the sample, in px")
    parser.add_argument("--memory", action="store_true", help="peak memory of long and short runs instead")
    arguments = parser.parse_args()
    print(f"{machine_name('cpu')}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if arguments.memory:
            print_memory(work)
            return
        folder = arguments.folder or sample_pictures(work / "in", count=12, side=arguments.side)
        print_rates(folder, work, arguments.rounds)
        print_start(find_inputs([folder]).sources[0].path, work, arguments.rounds)


def sample_pictures(folder: Path, *, count: int, side: int) -> Path:
    """PNG and JPEG files of `side` px, none alike."""
    folder.mkdir()
    with Image.open(SAMPLE) as sample:
        base = np.array(sample.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
    for number in range(count):
        picture = Image.fromarray(np.roll(base, 7 * number, axis=1))
        picture.save(folder / f"{number:04d}.{('png', 'jpg')[number % 2]}", quality=95)
    return folder


def print_rates(folder: Path, work: Path, rounds: int) -> None:
    """Wall and processor seconds of the folder: the loop, its network alone, and the command."""
    upscaler = Upscaler("x4")
    paths = [source.path for source in find_inputs([folder]).sources]
    pixels = [np.array(Image.open(path).convert("RGB")) for path in paths]
    for shape in {array.shape for array in pixels}:
        upscaler.upscale(next(array for array in pixels if array.shape == shape))  # compiled once for all
    results: list[NDArray[np.uint8]] = []

    def network() -> None:
        results[:] = [upscaler.upscale(array) for array in pixels]

    def loop() -> None:
        for number, path in enumerate(paths):
            result = upscaler.upscale(np.array(Image.open(path).convert("RGB")))
            Image.fromarray(result).save(work / f"loop{number}{path.suffix}")

    def command() -> None:
        request = BatchRequest((folder,), str(work / "out"), overwrite=True)
        with closing(plan_batch(request, PictureSettings(), NetworkSettings()).run()) as outcomes:
            failed = [outcome.error for outcome in outcomes if outcome.error]
        if failed:
            raise failed[0]

    def check() -> None:
        for source, result in zip(pixels, results, strict=True):
            corrected(source, result, upscaler, "a picture")

    costs = take_turns({"plain loop": loop, "`ripfdn upscale`": command, "network": network}, rounds)
    checks = [cost_of(check) for _ in range(rounds)]
    megapixels = sum(array.shape[0] * array.shape[1] for array in pixels) / 1e6
    print(
        f"{len(paths)} pictures of {megapixels:.2f} MP in all, {upscaler.engine_name} {upscaler.precision}\n"
    )
    print("| | × plain loop | share of the network in its time | processor s/MP |\n| --- | --- | --- | --- |")
    for name, (seconds, processor) in costs.items():
        print(
            f"| {name} | {costs['plain loop'][0] / seconds:.2f} | {costs['network'][0] / seconds:.2f} "
            f"| {processor / megapixels:.2f} |"
        )
    share = median(processor for _, processor in checks) / costs["network"][1]
    print(f"\nthe check of results: {100 * share:.2f} % of the network's processor time\n")


def take_turns(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor seconds of each, a first round not counted."""
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for counted in range(rounds + 1):
        for name, run in runs.items():
            cost = cost_of(run)
            if counted:
                costs[name].append(cost)
    return {
        name: (median(cost[0] for cost in values), median(cost[1] for cost in values))
        for name, values in costs.items()
    }


def cost_of(run: Callable[[], object]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def print_start(picture: Path, work: Path, rounds: int) -> None:
    """From the start of a process to the file, with a warm cache."""
    plain = [sys.executable, "-c", PLAIN_SCRIPT, str(picture), str(work / "plain.png")]
    ours = [*COMMAND, str(picture), "-o", str(work / "ours.png"), "--overwrite", "-q"]
    runs: dict[str, Callable[[], object]] = {
        "eager torch script": lambda: subprocess.run(plain, check=True),
        "`ripfdn upscale`": lambda: subprocess.run(ours, check=True),
    }
    seconds = {name: cost[0] for name, cost in take_turns(runs, max(rounds, 5)).items()}
    width, height = Image.open(picture).size
    print(f"| one picture of {width}×{height} px, start to file | s | × script |\n| --- | --- | --- |")
    for name, value in seconds.items():
        print(f"| {name} | {value:.2f} | {seconds['eager torch script'] / value:.2f} |")


def print_memory(work: Path) -> None:
    """Peak memory of two runs, each a process of its own."""
    print("| pictures of 256×256 px | peak memory | × 50 |\n| --- | --- | --- |")
    first = 0
    for count in (50, 500):
        folder = sample_pictures(work / f"in{count}", count=count, side=256)
        arguments = [str(folder), "-o", str(work / f"out{count}"), "--json", "-q"]
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        last = process.stdout.read().splitlines()[-1]
        _, status, usage = os.wait4(process.pid, 0)
        if status or json.loads(last)["done"] != count:
            raise SystemExit(f"the run of {count} pictures failed: {last}")
        first = first or usage.ru_maxrss
        print(f"| {count} | {usage.ru_maxrss / 2**20:.2f} GiB | {usage.ru_maxrss / first:.3f} |", flush=True)


if __name__ == "__main__":
    main()
