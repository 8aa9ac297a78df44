"""Print the README's table of speeds: each engine against a plain eager fp32 network in the same process.

    python benchmarks/engines.py                        # 256×256 and 1080p, two threads
    python benchmarks/engines.py --scale                # seconds per megapixel and memory, 1 MP and 24 MP
    python benchmarks/engines.py --accuracy FOLDER...   # what each precision costs, on data sets with HR/
    python benchmarks/engines.py --device cuda          # the same on a GPU

Runs of all methods take turns, and medians are compared, so that a busy machine slows all of them alike. The
baseline is the network as its authors run it: torch, fp32, NCHW, float tensors in and out.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ripfdn_cli import Upscaler
from ripfdn_cli.engines.engine import Engine, TileJob
from ripfdn_cli.engines.openvino_engine import OpenVinoEngine
from ripfdn_cli.engines.torch_engine import TorchEngine
from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.evaluation.complexity import count_complexity
from ripfdn_cli.evaluation.datasets import DataSet, find_data_set, load_pair
from ripfdn_cli.evaluation.peak_memory import peak_memory
from ripfdn_cli.evaluation.speed import (
    SKY_SIDE,
    machine_name,
    matrix_rate,
    sky_differences,
    sky_picture,
    textured_picture,
)
from ripfdn_cli.image_math.metrics import PAPERS, score
from ripfdn_cli.model.architecture import attention_geometry
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network
from ripfdn_cli.model.weights_store import load_weights

Run = Callable[[], object]
Picture = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""(h, w, 3) to (s·h, s·w, 3)."""
BASELINE = "torch eager fp32, NCHW"
UNREWRITTEN = "OpenVINO fp32, as converted"
UNREWRITTEN_BF16 = "OpenVINO bf16, as converted"
LARGEST_FOR_ALL = 10**6
"""Pixels; of larger pictures every method holds gigabytes, so the graph before its rewrites is left out."""
GPU_PICTURES = 16
"""Pictures that a GPU gets in a row, so that copies can hide behind computing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", default="x4")
    parser.add_argument("--size", action="append", help="WIDTHxHEIGHT; may be repeated")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="methods whose name has it; the first is the baseline"
    )
    parser.add_argument("--scale", action="store_true", help="the cost per megapixel of large pictures")
    parser.add_argument("--megapixels", type=float, action="append", help="with --scale; may be repeated")
    parser.add_argument("--accuracy", nargs="+", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    checkpoint = load_weights(arguments.weights)
    rate = matrix_rate(arguments.device, "fp32", arguments.threads) / 1e9
    print(
        f"{machine_name(arguments.device)}, {arguments.threads} threads, torch {torch.__version__}, ", end=""
    )
    print(f"fp32 matrix rate {rate:.0f} GFLOP/s")
    if arguments.scale:
        print_scale(arguments.weights, arguments.device, arguments.threads, arguments.megapixels or [1, 24])
    elif arguments.accuracy:
        print_accuracy(checkpoint, arguments.device, arguments.accuracy)
    else:
        for size in arguments.size or ("256x256", "1920x1080"):
            width, height = map(int, size.split("x"))
            runs = methods(checkpoint, arguments.device, arguments.threads, (height, width), arguments.only)
            print_speeds(
                checkpoint, arguments.device, arguments.threads, (height, width), runs, arguments.rounds
            )


def print_speeds(
    checkpoint: Checkpoint,
    device: str,
    threads: int,
    size: tuple[int, int],
    runs: dict[str, Run],
    rounds: int,
) -> None:
    """One table: medians of `rounds` of `runs` in turn, the first of which is the baseline."""
    height, width = size
    operations = 2 * count_complexity(checkpoint.config, height=height, width=width).macs
    seconds = take_turns(runs, rounds)
    baseline = next(iter(seconds.values()))
    rates = {precision: matrix_rate(device, precision, threads) for precision in ("fp32", "bf16")}
    print(f"\n| {width}×{height} | ms | × baseline | GFLOP/s | of the matrix rate | pictures/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, value in seconds.items():
        ratio = baseline / value
        share = operations / value / rates["bf16" if "bf16" in name else "fp32"]
        print(
            f"| {name} | {1e3 * value:.1f} | {ratio:.2f} | {operations / value / 1e9:.0f} "
            f"| {share:.0%} | {1 / value:.1f} |"
        )


def take_turns(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """Median seconds of each of `runs`, a first round not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for counted in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            pictures = run()
            elapsed = time.perf_counter() - start
            if counted:
                seconds[name].append(elapsed / (pictures if isinstance(pictures, int) else 1))
    return {name: median(values) for name, values in seconds.items()}


def methods(
    checkpoint: Checkpoint, device: str, threads: int, size: tuple[int, int], only: str
) -> dict[str, Run]:
    """What is compared, by names that contain `only`; each call computes one picture, or as many as it
    returns.
    """
    pixels = np.rint(textured_picture(*size) * 255).astype(np.uint8)[None]
    plain = {BASELINE: torch.contiguous_format, "torch eager fp32, channels_last": torch.channels_last}
    runs: dict[str, Run] = {
        name: plain_network(checkpoint, device, pixels, layout)
        for name, layout in plain.items()
        if only in name
    }
    for name, make in engines(checkpoint, device, threads).items():
        if only not in name or (name == UNREWRITTEN and size[0] * size[1] > LARGEST_FOR_ALL):
            continue
        try:
            runs[name] = engine_run(make(), pixels, 1 if device == "cpu" else GPU_PICTURES)
        except UnavailableError as error:
            print(f"({name}: {error})")
    return runs


def engines(checkpoint: Checkpoint, device: str, threads: int) -> dict[str, Callable[[], Engine]]:
    if device == "cpu":
        return {
            UNREWRITTEN: lambda: OpenVinoEngine(checkpoint, threads=threads, rewritten=False),
            "OpenVINO fp32": lambda: OpenVinoEngine(checkpoint, threads=threads),
            UNREWRITTEN_BF16: lambda: OpenVinoEngine(
                checkpoint, precision="bf16", threads=threads, rewritten=False
            ),
            "OpenVINO bf16": lambda: OpenVinoEngine(checkpoint, precision="bf16", threads=threads),
            "torch eager bf16": lambda: TorchEngine(checkpoint, precision="bf16", threads=threads),
        }
    precisions = ("fp32", "bf16", "fp16")
    eager: dict[str, Callable[[], Engine]] = {
        f"engine torch {precision}, eager": partial(
            TorchEngine, checkpoint, device=device, precision=precision, compile_after=1e9
        )
        for precision in precisions
    }
    compiled: dict[str, Callable[[], Engine]] = {
        f"engine torch {precision}, compiled": partial(
            TorchEngine, checkpoint, device=device, precision=precision, compile_after=0
        )
        for precision in precisions
    }
    return eager | compiled


def plain_network(checkpoint: Checkpoint, device: str, pixels: NDArray[np.uint8], memory_format: Any) -> Run:
    network = build_network(checkpoint).to(device)
    network.to(memory_format=memory_format)  # type: ignore[call-overload]
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255).to(device)
    x = x.contiguous(memory_format=memory_format)

    def run() -> None:
        with torch.inference_mode():
            network(x)
        if x.is_cuda:
            torch.cuda.synchronize(x.device)

    return run


def engine_run(engine: Engine, pixels: NDArray[np.uint8], pictures: int) -> Run:
    job = whole_picture(pixels)
    return lambda: sum(1 for _ in engine.run([job] * pictures))


def whole_picture(pixels: NDArray[np.uint8]) -> TileJob:
    height, width = pixels.shape[1:3]
    return TileJob(pixels, attention_geometry(height=height, width=width), (0, height, 0, width))


def print_scale(weights: str, device: str, threads: int, megapixels: list[float]) -> None:
    """Seconds per megapixel with the default budget, and the memory over input and output.

    Processor seconds (of all threads together) tell the work also where other programs run.
    """
    print("\n| input | tiles | computed | s/MP | processor s/MP | × first | peak over pictures | budget |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    first = None
    for amount in megapixels:
        upscaler = Upscaler(weights, device=device, threads=threads)
        height = round((amount * 1e6 * 2 / 3) ** 0.5)
        width = round(amount * 1e6 / height)
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        wall, processor, peak = upscaled(upscaler, pixels, round(4 / amount))
        grid, size = upscaler.grid(height, width), width * height / 1e6
        first = first or processor / size
        print(
            f"| {width}×{height} | {len(grid)} of {grid.tile_width}×{grid.tile_height} "
            f"| {grid.computed_pixels / (width * height):.3f} | {wall / size:.3f} | {processor / size:.3f} "
            f"| {processor / size / first:.3f} | {peak / 2**30:.2f} GiB "
            f"| {upscaler._engine.default_memory / 2**30:.2f} GiB |",
            flush=True,
        )


def upscaled(upscaler: Upscaler, pixels: NDArray[np.uint8], repeats: int) -> tuple[float, float, int]:
    """Median wall and processor seconds for `pixels`, and the peak bytes over them and their result."""
    upscaler.upscale(pixels[:64, :64])
    wall: list[float] = []
    processor: list[float] = []

    def run() -> None:
        start, start_of_processor = time.perf_counter(), time.process_time()
        upscaler.upscale(pixels)
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_of_processor)

    peak = (peak_memory(run, upscaler.device) or 0) - upscaler.scale**2 * pixels.nbytes
    for _ in range(repeats):
        run()
    return median(wall), median(processor), peak


def print_accuracy(checkpoint: Checkpoint, device: str, folders: list[Path]) -> None:
    """Y-PSNR of each engine and precision on data sets; on a sky of 8 bits the largest shift of a channel's
    mean, and the root mean square of all differences from torch's fp32, in levels of 255.
    """
    scale = checkpoint.config.scale
    data_sets = [find_data_set(folder, scale) for folder in folders]
    print(f"\n| arithmetic | shift | RMS | {' | '.join(data_set.name for data_set in data_sets)} |")
    print("| --- | --- | --- |" + " --- |" * len(data_sets))
    sky, expected = sky_picture(SKY_SIDE, SKY_SIDE), None
    for name, make in arithmetics(checkpoint, device).items():
        try:
            run = make()
        except UnavailableError as error:
            print(f"({name}: {error})")
            continue
        result = run(sky)
        expected = result if expected is None else expected
        shift, rms = sky_differences(result, expected)
        cells = [f"{mean_psnr(run, data_set, scale):.4f}" for data_set in data_sets]
        print(f"| {name} | {shift:.3f} | {rms:.3f} | {' | '.join(cells)} |", flush=True)


def mean_psnr(run: Picture, data_set: DataSet, scale: int) -> float:
    pairs = [load_pair(pair, scale) for pair in data_set.pairs]
    values = [
        score(run(pair.lr), pair.hr, scale=scale, protocol=PAPERS).psnr
        for pair in pairs
        if pair.hr is not None
    ]
    return sum(values) / len(values)


def arithmetics(checkpoint: Checkpoint, device: str) -> dict[str, Callable[[], Picture]]:
    """What `print_accuracy` compares, the exact one first."""
    runs: dict[str, Callable[[], Picture]] = {
        f"torch {precision}": partial(torch_picture, checkpoint, device, precision)
        for precision in ("fp32", "bf16", "fp16")
    }
    if device == "cpu":
        for precision in ("fp32", "bf16"):
            runs[f"OpenVINO {precision}"] = partial(openvino_picture, checkpoint, precision)
    return runs


def openvino_picture(checkpoint: Checkpoint, precision: str) -> Picture:
    engine = OpenVinoEngine(checkpoint, precision=precision)
    return lambda pixels: next(engine.run([whole_picture(pixels[None])]))[0]


def torch_picture(checkpoint: Checkpoint, device: str, precision: str) -> Picture:
    """The torch engine's own step, emulated where the device lacks `precision` (the engine refuses that, as
    it is slow): the same arithmetic at another speed.
    """
    from ripfdn_cli.engines.torch_engine import pixels_to_pixels, with_precision

    network = with_precision(build_network(checkpoint).to(device), precision)
    step, dtype = pixels_to_pixels(network), network.deep.weight.dtype

    def run(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        geometry = attention_geometry(height=pixels.shape[0], width=pixels.shape[1])
        rows, columns = (
            torch.tensor(m, dtype=dtype, device=device) for m in (geometry.rows, geometry.columns)
        )
        with torch.inference_mode():
            return step(torch.from_numpy(pixels)[None].to(device), rows, columns)[0][0].cpu().numpy()

    return run


if __name__ == "__main__":
    main()
