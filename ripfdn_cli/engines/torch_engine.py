"""The network in PyTorch, on a CPU, on CUDA or on MPS. Pixels travel as integers and become floats on the
device.
"""

import logging
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ripfdn_cli.engines.bf16_weights import rounded_to_bf16
from ripfdn_cli.engines.engine import (
    LEVELS,
    TileJob,
    TileMemory,
    YuvJob,
    YuvResult,
    not_finite,
)
from ripfdn_cli.engines.machine_memory import default_memory
from ripfdn_cli.engines.yuv_tensors import from_rgb, shrunk, to_rgb
from ripfdn_cli.errors import OutOfMemoryError
from ripfdn_cli.model.architecture import AttentionGeometry
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import RIPFDN, build_network
from ripfdn_cli.model.tile_grid import TileGrid
from ripfdn_cli.torch_devices import available_device, can_compile, check_precision, cpu_threads

log = logging.getLogger(__name__)

COMPILE_AFTER = 20.0
"""Seconds of eager work on tiles of one shape after which that shape is compiled: about what compiling takes,
so that no run takes twice as long as it would have with the better choice.
"""
TUNE_AFTER = 1.0
"""Seconds of work on one shape after which cuDNN tries its algorithms for it, which takes about as long."""
_MOST_MATRICES = 128
"""Interpolation matrices kept on the device: two for each tile of a large picture, two in all for a video."""
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_HALF_PRECISION = TileMemory(per_pixel=1800, wider={2: 60, 4: 120}, fixed=3 * 2**27)
_TILE_MEMORY = {
    "fp32": TileMemory(per_pixel=3150, wider={2: 60, 4: 120}, fixed=2**27),
    "bf16": _HALF_PRECISION,
    "fp16": _HALF_PRECISION,
}
"""fp32's and bf16's from `benchmarks/memory.py` on a CPU, rounded up; fp16's are taken to be bf16's."""

Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Pixels (N, h, w, 3), rows and columns, to pixels (N, s·h, s·w, 3) and the sum of all results."""


@dataclass
class _InFlight:
    """A job on its way: its results on the host as soon as `copied` has happened, and the sum of all that the
    network gave. `shape` is its tiles'. `kept_alive` keeps alive what the device still reads.
    """

    results: tuple[Tensor, ...]
    total: Tensor
    shape: torch.Size
    started: float
    copied: "torch.cuda.Event | None" = None
    kept_alive: tuple[Tensor, ...] = ()


class TorchEngine:
    """An Engine (see engine.py). `device` as torch names it: cpu, cuda, cuda:1, mps.

    On CUDA, copies overlap with computing, and a tile shape that keeps coming is compiled after
    `compile_after` seconds of work. Raises UnavailableError for what this machine hasn't.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        threads: int | None = None,
        compile_after: float = COMPILE_AFTER,
    ) -> None:
        self._where = available_device(device)
        check_precision(precision, self._where)
        self.device, self.precision = str(self._where), precision
        self.scale = checkpoint.config.scale
        self.tile_memory = _TILE_MEMORY[precision]
        self.default_memory = _device_memory(self._where)
        self._threads = threads
        self._dtype = _DTYPES[precision]
        self._eager = pixels_to_pixels(with_precision(build_network(checkpoint).to(self._where), precision))
        self._compiled: Step | None = None
        self._may_compile = can_compile(self._where)
        self._compile_after = compile_after
        self._seconds: defaultdict[torch.Size, float] = defaultdict(float)
        self._uploaded: OrderedDict[int, tuple[NDArray[np.float32], Tensor]] = OrderedDict()
        self._launch = self._launch_on_cuda if self._where.type == "cuda" else self._launch_simply
        # A second tile is sent to a GPU before the first is waited for.
        self._most_in_flight = 2 if self._where.type == "cuda" else 1

    def run(self, jobs: Iterable[TileJob]) -> Iterator[NDArray[Any]]:
        """As engine.py says."""
        for (result,) in self._results(jobs):
            yield result

    def run_yuv(self, jobs: Iterable[YuvJob]) -> Iterator[YuvResult]:
        """As engine.py says; on a CPU too, where nothing is won by it."""
        for results in self._results(jobs):
            yield YuvResult(*results)

    def _results(self, jobs: Iterable[TileJob | YuvJob]) -> Iterator[tuple[NDArray[Any], ...]]:
        in_flight: deque[_InFlight] = deque()
        for job in jobs:
            with _out_of_memory_as_ours(), torch.inference_mode(), cpu_threads(self._threads):
                in_flight.append(self._launch(job))
            if len(in_flight) == self._most_in_flight:
                yield self._acknowledge(in_flight.popleft())
        while in_flight:
            yield self._acknowledge(in_flight.popleft())

    def _launch_simply(self, job: TileJob | YuvJob) -> _InFlight:
        started = time.perf_counter()
        arrived = torch.from_numpy(_payload(job)).to(self._where)
        results, total = self._compute(job, arrived)
        return _InFlight(tuple(result.cpu() for result in results), total.cpu(), _tile_shape(job), started)

    def _launch_on_cuda(self, job: TileJob | YuvJob) -> _InFlight:
        started = time.perf_counter()
        computing = torch.cuda.current_stream(self._where)
        arriving, leaving = self._copy_streams
        host = torch.from_numpy(_payload(job)).pin_memory()
        with torch.cuda.stream(arriving):
            arrived = host.to(self._where, non_blocking=True)
        for geometry in _geometries(job):
            self._matrices(geometry)
        computing.wait_stream(arriving)
        results, total = self._compute(job, arrived)
        # Copies, because a captured graph writes its next results into the same memory.
        kept = [result.clone(memory_format=torch.contiguous_format) for result in (*results, total)]
        leaving.wait_stream(computing)
        with torch.cuda.stream(leaving):
            *on_host, total_on_host = map(_to_pinned, kept)
            copied = leaving.record_event()
        kept_alive = (host, arrived, *kept)
        return _InFlight(tuple(on_host), total_on_host, _tile_shape(job), started, copied, kept_alive)

    def _compute(self, job: TileJob | YuvJob, arrived: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """The results of `job`, whose pixels or samples `arrived`, and the sum of what the network gave."""
        if isinstance(job, YuvJob):
            return self._compute_yuv(job, arrived)
        image, total = self._network(arrived, job.geometry)
        return (self._kept(image, job.keep),), total

    def _compute_yuv(self, job: YuvJob, samples: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        network_input = _of_each(samples, lambda frame: to_rgb(frame, job.source))  # (N, H, W, 3)
        larger, total = self._pasted(network_input, job.grid)
        results = _of_each(larger, lambda frame: from_rgb(frame, job.target))  # (N, L)
        decoded_output = _of_each(
            results, lambda frame: shrunk(to_rgb(frame, job.target), self.scale, network_input.dtype)
        )
        return (results, network_input, decoded_output), total

    def _pasted(self, pixels: Tensor, grid: TileGrid) -> tuple[Tensor, Tensor]:
        """(N, H, W, 3) → (N, s·H, s·W, 3), and the sum of what the network gave."""
        count, height, width, _ = pixels.shape
        larger = pixels.new_empty((count, self.scale * height, self.scale * width, 3))
        total = torch.zeros((), device=self._where)
        for tile in grid:
            part = pixels[:, tile.rows.read, tile.columns.read].contiguous()
            image, part_total = self._network(part, grid.geometry(tile))
            kept = self._kept(image, tile.keep)
            top, left = self.scale * tile.rows.keep_start, self.scale * tile.columns.keep_start
            larger[:, top : top + kept.shape[1], left : left + kept.shape[2]] = kept
            total = total + part_total
        return larger, total

    def _network(self, pixels: Tensor, geometry: AttentionGeometry) -> tuple[Tensor, Tensor]:
        if self._where.type != "cuda":
            return self._eager(pixels, *self._matrices(geometry))
        with self._cudnn(pixels.shape):
            return self._step(pixels.shape)(pixels, *self._matrices(geometry))

    @property
    def _copy_streams(self) -> "tuple[torch.cuda.Stream, torch.cuda.Stream]":
        if not hasattr(self, "_streams"):
            self._streams = (_stream(self._where), _stream(self._where))
        return self._streams

    def _acknowledge(self, job_in_flight: _InFlight) -> tuple[NDArray[Any], ...]:
        with _out_of_memory_as_ours():
            if job_in_flight.copied is not None:
                job_in_flight.copied.synchronize()
        self._seconds[job_in_flight.shape] += time.perf_counter() - job_in_flight.started
        if not torch.isfinite(job_in_flight.total):
            raise not_finite(self)
        return tuple(result.numpy() for result in job_in_flight.results)

    def _step(self, shape: torch.Size) -> Step:
        """The compiled network where it is worth it for tiles of `shape`, else the eager one."""
        if not self._may_compile or self._seconds[shape] < self._compile_after:
            return self._eager
        if self._compiled is None:
            log.info("compiling the network for this tile size; it takes about half a minute")
            self._compiled = torch.compile(self._eager, mode="reduce-overhead", dynamic=False)
        return self._compiled_or_eager

    def _compiled_or_eager(self, pixels: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        from torch._dynamo.exc import TorchDynamoException

        assert self._compiled is not None
        try:
            return self._compiled(pixels, rows, columns)
        except TorchDynamoException as error:
            log.warning("torch.compile failed (%s); continuing without it", str(error).partition("\n")[0])
            self._may_compile = False
            return self._eager(pixels, rows, columns)

    def _kept(self, image: Tensor, keep: tuple[int, int, int, int]) -> Tensor:
        top, bottom, left, right = (self.scale * side for side in keep)
        return image[:, top:bottom, left:right]

    def _cudnn(self, shape: torch.Size) -> AbstractContextManager[None]:
        """cuDNN in true fp32 (by default it is TF32), and tuned for shapes that keep coming."""
        return torch.backends.cudnn.flags(
            enabled=True, benchmark=self._seconds[shape] > TUNE_AFTER, allow_tf32=False
        )

    def _matrices(self, geometry: AttentionGeometry) -> tuple[Tensor, Tensor]:
        return self._matrix(geometry.rows), self._matrix(geometry.columns)

    def _matrix(self, values: NDArray[np.float32]) -> Tensor:
        """`values` on the device; uploaded once, for an upload waits for all that is being computed."""
        known = self._uploaded.get(id(values))
        if known is None:
            # The array is kept with its tensor, so that no other can take its id.
            known = (values, torch.tensor(values, dtype=self._dtype, device=self._where))
            self._uploaded[id(values)] = known
            if len(self._uploaded) > _MOST_MATRICES:
                self._uploaded.popitem(last=False)
        self._uploaded.move_to_end(id(values))
        return known[1]


def with_precision(network: RIPFDN, precision: str) -> RIPFDN:
    """`network` in `precision`, in place, its memory channels last.

    In a half precision the first and the last convolution and the sum between them stay in fp32: they carry
    the picture itself, which would lose up to a level of 255 in bf16 and a fifth of one in fp16.
    """
    for part in (network.blocks, network.fuse, network.deep):
        if precision == "bf16":
            _round_weights(part)
        part.to(_DTYPES[precision])
    last: RIPFDN = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return last


def _round_weights(part: nn.Module) -> None:
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            rounded = rounded_to_bf16(module.weight.detach().cpu().numpy())
            module.weight.data = torch.from_numpy(rounded).to(module.weight.device)


def pixels_to_pixels(network: RIPFDN) -> Step:
    """`network` from `with_precision` between pixels as engine.py defines them, on its own device."""
    dtype, scale = network.deep.weight.dtype, network.config.scale

    def step(pixels: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        levels = _LEVELS_BY_DTYPE.get(pixels.dtype)
        unit = pixels.float() if levels is None else pixels.float() / levels
        # (N, 3, h, w), whose memory is channels last as the pixels were
        shallow = network.shallow(unit.permute(0, 3, 1, 2))
        deep = network.deep_features(shallow.to(dtype), rows, columns)
        sub_pixels = network.upsample(deep.float() + shallow)
        total = sub_pixels.sum()  # a NaN or an infinity anywhere makes it one too
        if levels is not None:
            sub_pixels = (sub_pixels.clamp(0, 1) * levels).round().to(pixels.dtype)
        return _shuffled(sub_pixels, scale), total

    return step


_LEVELS_BY_DTYPE = {torch.from_numpy(np.empty(0, dtype)).dtype: levels for dtype, levels in LEVELS.items()}


def _shuffled(sub_pixels: Tensor, scale: int) -> Tensor:
    """(N, 3·s², h, w) → (N, s·h, s·w, 3): pixel_shuffle, for integers too, and channels last."""
    count, _, height, width = sub_pixels.shape
    parts = sub_pixels.view(count, 3, scale, scale, height, width).permute(0, 4, 2, 5, 3, 1)
    return parts.reshape(count, scale * height, scale * width, 3)


def _device_memory(device: torch.device) -> int:
    """Bytes that tiles may take by default: half of what a CUDA device has free, as for the CPU elsewhere."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else default_memory()


def _stream(device: torch.device) -> "torch.cuda.Stream":
    return torch.cuda.Stream(device)


def _payload(job: TileJob | YuvJob) -> NDArray[Any]:
    """What crosses to the device."""
    return np.ascontiguousarray(job.samples if isinstance(job, YuvJob) else job.pixels)


def _geometries(job: TileJob | YuvJob) -> list[AttentionGeometry]:
    return [job.grid.geometry(tile) for tile in job.grid] if isinstance(job, YuvJob) else [job.geometry]


def _tile_shape(job: TileJob | YuvJob) -> torch.Size:
    if isinstance(job, TileJob):
        return torch.Size(job.pixels.shape)
    return torch.Size((len(job.samples), job.grid.tile_height, job.grid.tile_width, 3))


def _of_each(frames: Tensor, convert: Callable[[Tensor], Tensor]) -> Tensor:
    """`convert` for one frame after the other, as it takes several times their size in float32."""
    results = frames.new_empty(0)
    for number, frame in enumerate(frames):
        result = convert(frame)
        if number == 0:
            results = result.new_empty((len(frames), *result.shape))
        results[number] = result
    return results


def _to_pinned(tensor: Tensor) -> Tensor:
    """A copy of a CUDA `tensor` in host memory that the device writes by itself; wait before reading it."""
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


@contextmanager
def _out_of_memory_as_ours() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(f"out of memory on the device: {str(error).partition(chr(10))[0]}") from error
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY):
            raise OutOfMemoryError("out of memory; close other programs, or lower `memory`") from error
        raise


_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
