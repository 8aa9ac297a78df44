"""How fast this machine runs the network: each engine and precision it has, in a process of its own."""

import logging
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import nan
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.evaluation.complexity import count_complexity
from ripfdn_cli.evaluation.peak_memory import peak_memory
from ripfdn_cli.image_math.metrics import PEAK, psnr, psnr_as_json
from ripfdn_cli.model.weights_store import load_weights
from ripfdn_cli.upscaler import Upscaler

log = logging.getLogger(__name__)

FIRST_SIDE = 256
"""Sides in px of the picture of the start time, of memory and of PSNR."""
SKY_SIDE = 96
MOST_RUNS = 5
_ENOUGH_SECONDS = 3.0
_GEMM_SIDES = {"cpu": 2048, "cuda": 8192, "mps": 4096}


@dataclass(frozen=True)
class Candidate:
    """A way to run the network; `threads` of the CPU, None for all cores."""

    weights: str | Path
    engine: str
    precision: str
    device: str
    threads: int | None = None

    def load(self) -> Upscaler:
        """The picture in one tile, whatever it takes. Raises what `Upscaler` raises."""
        return Upscaler(
            self.weights,
            engine=self.engine,
            precision=self.precision,
            device=self.device,
            threads=self.threads,
            tile=None,
        )


@dataclass(frozen=True)
class SizeSpeed:
    """Median seconds for a picture of `width` × `height` px, and their share of the matrix rate."""

    width: int
    height: int
    seconds: float
    matrix_share: float

    @property
    def megapixels_per_second(self) -> float:
        """Of the input."""
        return self.width * self.height / self.seconds / 1e6


@dataclass(frozen=True)
class Speed:
    """What one candidate does. `start`: seconds from a new process to the first result; `memory`: bytes at
    the peak of that, None where they can't be measured; `matrix_rate`: floating-point operations a second of
    a large matrix product at the same precision.

    Against fp32 in torch, `psnr`: dB on a textured picture, before rounding; `shift` and `rms`, in levels of
    255: on a sky of 8 bits, the largest difference of a channel's mean and the root mean square of all.
    """

    engine: str
    precision: str
    device: str
    start: float
    memory: int | None
    psnr: float
    shift: float
    rms: float
    matrix_rate: float
    sizes: tuple[SizeSpeed, ...]

    def record(self) -> dict[str, Any]:
        """As a JSON object; an infinite PSNR is the string "inf"."""
        sizes = [asdict(size) | {"megapixels_per_second": size.megapixels_per_second} for size in self.sizes]
        return asdict(self) | {"psnr": psnr_as_json(self.psnr), "sizes": sizes}


@dataclass(frozen=True)
class Results:
    """What a candidate makes of `textured_picture` (float32 in 0..1) and of `sky_picture` (uint8)."""

    texture: NDArray[np.float32]
    sky: NDArray[np.uint8]


def available_speeds(
    candidates: Sequence[Candidate],
    sizes: Sequence[tuple[int, int]],
    observe: Callable[[Candidate], None] | None = None,
) -> Iterator[Speed]:
    """The speed of each of `candidates` that this machine has, at `sizes` (width, height).

    The others are left out, with the reason in the log. `observe` is told when a candidate is done.
    """
    expected: Results | None = None
    for candidate in candidates:
        try:
            speed, results = _in_own_process(measure, candidate, sizes, time.time())
        except UnavailableError as error:
            log.debug("%s %s: %s", candidate.engine, candidate.precision, error)
        else:
            if expected is None:
                expected = _in_own_process(_fp32_results, candidate.weights)
            shift, rms = sky_differences(results.sky, expected.sky)
            yield replace(
                speed, psnr=psnr(results.texture * PEAK, expected.texture * PEAK), shift=shift, rms=rms
            )
        if observe is not None:
            observe(candidate)


def measure(
    candidate: Candidate, sizes: Sequence[tuple[int, int]], process_started: float
) -> tuple[Speed, Results]:
    """Run `candidate` in this process, which was started at `process_started` (time.time()).

    Its speed, compared with nothing yet, and its results to compare.
    """
    first: list[Any] = []

    def first_result() -> None:
        upscaler = candidate.load()
        first.extend((upscaler, upscaler.upscale(textured_picture(FIRST_SIDE, FIRST_SIDE))))

    memory = peak_memory(first_result, candidate.device)
    start = time.time() - process_started
    upscaler, texture = first
    rate = matrix_rate(upscaler.device, upscaler.precision, candidate.threads)
    speed = Speed(
        engine=upscaler.engine_name,
        precision=upscaler.precision,
        device=upscaler.device,
        start=start,
        memory=memory,
        psnr=nan,
        shift=nan,
        rms=nan,
        matrix_rate=rate,
        sizes=tuple(_size_speed(upscaler, candidate.weights, *size, rate) for size in sizes),
    )
    return speed, Results(texture, upscaler.upscale(sky_picture(SKY_SIDE, SKY_SIDE)))


def _size_speed(upscaler: Upscaler, weights: str | Path, width: int, height: int, rate: float) -> SizeSpeed:
    pixels = np.rint(textured_picture(height, width) * 255).astype(np.uint8)
    seconds = median(_timed_runs(lambda: upscaler.upscale(pixels)))
    operations = 2 * count_complexity(load_weights(weights).config, height=height, width=width).macs
    return SizeSpeed(width, height, seconds, operations / seconds / rate)


def _timed_runs(run: Callable[[], object]) -> list[float]:
    """Seconds of some runs after a first one that isn't counted."""
    run()
    seconds: list[float] = []
    while len(seconds) < MOST_RUNS and sum(seconds) < _ENOUGH_SECONDS:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def matrix_rate(device: str, precision: str, threads: int | None = None) -> float:
    """Floating-point operations a second that a product of large square matrices reaches here, in torch."""
    import torch

    from ripfdn_cli.torch_devices import cpu_threads

    kind = torch.device(device).type
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    side = _GEMM_SIDES[kind]
    a, b = torch.rand(2, side, side, device=device).to(dtype)

    def multiply() -> None:
        (a @ b)[0, 0].item()  # waits for a GPU

    with cpu_threads(threads):
        return 2 * side**3 / min(_timed_runs(multiply))


def textured_picture(height: int, width: int) -> NDArray[np.float32]:
    """(height, width, 3) in 0..1 with detail at every size, as photographs have it; always the same."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])[..., None]
    spectrum = np.fft.rfft2(rng.normal(size=(height, width, 3)), axes=(0, 1))
    spectrum /= np.maximum(frequency, 1 / max(height, width))
    picture = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    picture = 0.5 + 0.2 * (picture - picture.mean()) / picture.std()
    clipped: NDArray[np.float32] = np.clip(picture, 0, 1).astype(np.float32)
    return clipped


def sky_picture(height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3): a bright sky, nearly even, where a shift of colour shows first."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    levels = np.stack([150 + 40 * down + 10 * across, 190 + 30 * down, 225 + 20 * down], axis=-1)
    sky: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
    return sky


def sky_differences(result: NDArray[np.uint8], expected: NDArray[np.uint8]) -> tuple[float, float]:
    """`Speed.shift` and `Speed.rms` of `result` against `expected`, both (height, width, 3)."""
    difference = result.astype(np.float64) - expected
    shift = np.abs(difference.mean(axis=(0, 1))).max()
    return float(shift), float(np.sqrt(np.square(difference).mean()))


def machine_name(device: str) -> str:
    """The processor's or the GPU's own name."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _fp32_results(weights: str | Path) -> Results:
    reference = Candidate(weights, "torch", "fp32", "cpu").load()
    texture = reference.upscale(textured_picture(FIRST_SIDE, FIRST_SIDE))
    return Results(texture, reference.upscale(sky_picture(SKY_SIDE, SKY_SIDE)))


def _in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` gives in a new process, which then ends. Raises what it raises."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(function, *arguments).result()
