"""Small networks with golden results (from tests/golden/make.py), and jobs for engines."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.engines.engine import Pixels, TileJob
from ripfdn_cli.model.architecture import attention_geometry
from ripfdn_cli.model.checkpoint import Checkpoint

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_checkpoint(scale: int = 4) -> Checkpoint:
    return Checkpoint.load(GOLDEN / f"small_x{scale}.safetensors")


def golden_pairs(scale: int = 4) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """(h, w, 3) uint8 in, (s·h, s·w, 3) float out, as tests/golden/make.py computed them in float64."""
    with np.load(GOLDEN / f"small_x{scale}.npz") as pairs:
        count = len(pairs.files) // 2
        return [(pairs[f"input_{index}"], pairs[f"output_{index}"]) for index in range(count)]


def whole_job(pixels: Pixels, keep: tuple[int, int, int, int] | None = None) -> TileJob:
    """The job of running `pixels` (h, w, 3) or (N, h, w, 3) as whole pictures."""
    batch = pixels if pixels.ndim == 4 else pixels[None]
    height, width = batch.shape[1:3]
    return TileJob(batch, attention_geometry(height=height, width=width), keep or (0, height, 0, width))
