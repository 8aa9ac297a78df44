"""What half precisions may cost, on what shows it best: smooth skies, whose colours must not shift."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.golden_pairs import whole_job

from ripfdn_cli import api
from ripfdn_cli.engines.engine import Engine, TileJob
from ripfdn_cli.engines.openvino_engine import OpenVinoEngine
from ripfdn_cli.engines.torch_engine import TorchEngine, pixels_to_pixels, with_precision
from ripfdn_cli.image_math.metrics import PAPERS
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network
from ripfdn_cli.model.weights_store import shipped_folder
from ripfdn_cli.openvino_runtime import native_bf16

WEIGHTS = [pytest.param(path, id=path.stem) for path in sorted(shipped_folder().glob("*.safetensors"))]
MOST_SHIFT, MOST_RMS, MOST_DB = 0.05, 0.25, 0.005
"""Of 255 levels, and of Y-PSNR."""
NEARLY = {"x4-fast": 1.13, "x4-sharp": 1.1}
"""How many times as far these are off at the most."""
LEVELS: dict[type[np.generic], int] = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


class EmulatedEngine:
    """The torch engine's arithmetic on a processor that may lack it, slowly."""

    def __init__(self, checkpoint: Checkpoint, precision: str) -> None:
        self._step = pixels_to_pixels(with_precision(build_network(checkpoint), precision))
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]

    def run(self, jobs: list[TileJob]) -> Iterator[NDArray[np.generic]]:
        for job in jobs:
            matrices = [torch.tensor(m, dtype=self._dtype) for m in (job.geometry.rows, job.geometry.columns)]
            with torch.inference_mode():
                yield self._step(torch.from_numpy(job.pixels), *matrices)[0].numpy()


def half_engine(name: str, checkpoint: Checkpoint) -> Engine | EmulatedEngine:
    if name == "openvino-bf16":
        if not native_bf16():
            pytest.skip("this processor has no bf16 arithmetic")
        return OpenVinoEngine(checkpoint, precision="bf16")
    kind, precision = name.split("-")
    if kind == "cuda":
        return TorchEngine(checkpoint, device=kind, precision=precision)
    return EmulatedEngine(checkpoint, precision)


ENGINES = [
    "openvino-bf16",
    "emulated-bf16",
    "emulated-fp16",
    *(pytest.param(f"cuda-{precision}", marks=pytest.mark.gpu) for precision in ("fp16", "bf16")),
]


def skies() -> NDArray[np.float64]:
    """(5, 48, 48, 3), whole levels of 255: a bright sky, dusk, forest, skin and night, all nearly even."""
    down, across = np.mgrid[0:1:48j, 0:1:48j, 0:1:1j][:2]
    colours = [(150, 190, 225), (214, 120, 90), (40, 92, 47), (205, 160, 138), (12, 14, 31)]
    slopes = [(40, 30, 20), (-50, -20, 40), (15, 25, 5), (20, 25, 30), (9, 12, 25)]
    pictures = np.array(colours)[:, None, None] + np.array(slopes)[:, None, None] * (down + across / 4)
    return np.asarray(np.rint(pictures), np.float64)


def result_of(
    engine: Engine | EmulatedEngine, pictures: NDArray[np.float64], dtype: type[np.generic]
) -> NDArray[np.float64]:
    """In levels of 255."""
    pixels = (pictures / 255 * LEVELS[dtype]).astype(np.float32)
    pixels = pixels if dtype == np.float32 else np.rint(pixels).astype(dtype)
    (result,) = engine.run([whole_job(pixels)])
    return np.asarray(result, np.float64) * 255 / LEVELS[dtype]


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", ENGINES)
def test_smooth_skies_keep_their_colours(name: str, weights: Path) -> None:
    """For every pixel type, as each has its own way into the network. With the whole of it in bf16 the means
    are up to 0.9 levels off, in fp16 up to 0.1.
    """
    checkpoint = Checkpoint.load(weights)
    exact, half = TorchEngine(checkpoint), half_engine(name, checkpoint)
    most = NEARLY.get(weights.stem, 1.0)
    for dtype in LEVELS:
        difference = result_of(half, skies(), dtype) - result_of(exact, skies(), dtype)
        assert np.abs(difference.mean(axis=(1, 2))).max() <= most * MOST_SHIFT
        assert np.sqrt(np.square(difference).mean(axis=(1, 2, 3))).max() <= most * MOST_RMS


@pytest.mark.reference
@pytest.mark.parametrize("name", ["Set5", pytest.param("Set14", marks=pytest.mark.slow)])
def test_bf16_costs_next_to_nothing_on_data_sets(name: str, shared: Path) -> None:
    if not native_bf16():
        pytest.skip("this processor has no bf16 arithmetic")
    folder = shared / "data" / "benchmarks" / name
    rows = api.evaluate(folder, engine="openvino", precision=("fp32", "bf16"))
    *_, exact, half = (row.mean_score(PAPERS) for row in rows)
    assert exact is not None
    assert half is not None
    assert half.psnr == pytest.approx(exact.psnr, abs=MOST_DB)
