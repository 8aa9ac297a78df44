"""Print how much memory a tile takes in each engine and precision, for each input pixel.

    python benchmarks/memory.py [--device cuda] [--side 512 --side 1024]

The engines' `tile_memory` comes from here, rounded up. Each figure is from a process of its own: the peak
of two runs of a square tile, over what the engine holds after a small one: while the second runs, the first
one's result has yet to be pasted.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from ripfdn_cli.engines.engine import PRECISIONS, Engine, TileJob
from ripfdn_cli.engines.engine_selection import ENGINES, load_engine
from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.evaluation.peak_memory import peak_memory
from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.model.architecture import attention_geometry
from ripfdn_cli.model.weights_store import load_weights

SMALL_SIDE = 64
SIDES = (256, 512, 515, 1024, 1400, 1401)


def bytes_per_pixel(engine: str, precision: str, device: str, weights: str, side: int) -> tuple[float, float]:
    """Measured, and what the engine plans with. Raises UnavailableError."""
    loaded = load_engine(load_weights(weights), engine=engine, precision=precision, device=device)
    run_tile(loaded, SMALL_SIDE)
    peak = peak_memory(lambda: run_tile(loaded, side), device)
    if peak is None:
        raise UnavailableError(f"memory can't be measured on {device} here")
    return peak / side**2, loaded.tile_memory.of(side**2) / side**2


def run_tile(engine: Engine, side: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    job = TileJob(pixels, attention_geometry(height=side, width=side), (0, side, 0, side))
    for _ in engine.run([job, job]):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", default="x4")
    parser.add_argument("--side", type=int, action="append", help="of the tile in px; may be repeated")
    arguments = parser.parse_args()
    print(machine_name(arguments.device))
    print("| engine | precision | tile | bytes a pixel | planned |")
    print("| --- | --- | --- | --- | --- |")
    for engine in ENGINES:
        for precision in PRECISIONS:
            for side in arguments.side or SIDES:
                print_row(engine, precision, arguments.device, arguments.weights, side)


def print_row(engine: str, precision: str, device: str, weights: str, side: int) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        try:
            measured, planned = processes.submit(
                bytes_per_pixel, engine, precision, device, weights, side
            ).result()
        except UnavailableError:
            return
    print(f"| {engine} | {precision} | {side}×{side} | {measured:.0f} | {planned:.0f} |", flush=True)


if __name__ == "__main__":
    main()
