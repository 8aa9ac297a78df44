"""Print how much memory a tile takes in each engine and precision, for each input pixel.

    python benchmarks/memory.py [--device cuda] [--side 512 --side 1024] [--pixels float32]

The engines' `tile_memory` comes from here, rounded up. Each figure is from a process of its own: the peak
of two runs of a square tile, over what the engine holds after a small one: while the second runs, the first
one's result has yet to be pasted.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Any

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
PIXELS = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class Setup:
    """An engine, and a square tile of `side` px for it."""

    engine: str
    precision: str
    device: str
    weights: str
    pixels: str
    side: int

    def bytes_per_pixel(self) -> tuple[float, float]:
        """Measured, and what the engine plans with. Raises UnavailableError."""
        weights, dtype = load_weights(self.weights), np.dtype(self.pixels)
        engine = load_engine(weights, engine=self.engine, precision=self.precision, device=self.device)
        run_tile(engine, SMALL_SIDE, dtype)
        peak = peak_memory(lambda: run_tile(engine, self.side, dtype), self.device)
        if peak is None:
            raise UnavailableError(f"memory can't be measured on {self.device} here")
        area = self.side**2
        return peak / area, engine.tile_memory.of(area, dtype) / area


def run_tile(engine: Engine, side: int, dtype: np.dtype[Any]) -> None:
    unit = np.random.default_rng(0).random((1, side, side, 3), np.float32)
    pixels = unit if dtype.kind == "f" else (unit * np.iinfo(dtype).max).astype(dtype)
    job = TileJob(pixels, attention_geometry(height=side, width=side), (0, side, 0, side))
    for _ in engine.run([job, job]):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", default="x4")
    parser.add_argument("--side", type=int, action="append", help="of the tile in px; may be repeated")
    parser.add_argument(
        "--pixels", action="append", choices=PIXELS, help="their type; may be repeated; else all"
    )
    arguments = parser.parse_args()
    print(machine_name(arguments.device))
    print("| engine | precision | pixels | tile | bytes a pixel | planned |")
    print("| --- | --- | --- | --- | --- | --- |")
    for engine, precision, pixels, side in product(
        ENGINES, PRECISIONS, arguments.pixels or PIXELS, arguments.side or SIDES
    ):
        print_row(Setup(engine, precision, arguments.device, arguments.weights, pixels, side))


def print_row(setup: Setup) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        try:
            measured, planned = processes.submit(setup.bytes_per_pixel).result()
        except UnavailableError:
            return
    names = f"{setup.engine} | {setup.precision} | {setup.pixels} | {setup.side}×{setup.side}"
    print(f"| {names} | {measured:.0f} | {planned:.0f} |", flush=True)


if __name__ == "__main__":
    main()
