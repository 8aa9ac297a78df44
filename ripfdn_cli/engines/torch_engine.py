"""The network in PyTorch, on a CPU, on CUDA or on MPS. Pixels travel as integers and become floats on the
device.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ripfdn_cli.architecture import AttentionGeometry
from ripfdn_cli.checkpoint import Checkpoint
from ripfdn_cli.engines.contract import TileJob, not_finite
from ripfdn_cli.errors import OutOfMemoryError, UnavailableError
from ripfdn_cli.network import build_network

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LEVELS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
_BYTES_PER_PIXEL = {"fp32": 3600, "bf16": 1800, "fp16": 1800}
"""Peak bytes per input pixel, from `benchmarks/memory.py`, rounded up."""


class TorchEngine:
    """An Engine (see contract.py). `device` as torch names it: cpu, cuda, cuda:1, mps.

    Raises UnavailableError where the device is not there.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        threads: int | None = None,
    ) -> None:
        self.device = str(available_device(device))
        self.precision = precision
        self.scale = checkpoint.config.scale
        self.bytes_per_pixel = _BYTES_PER_PIXEL[precision]
        if threads is not None:
            torch.set_num_threads(threads)
        self._dtype = _DTYPES[precision]
        network = build_network(checkpoint).to(self.device, self._dtype)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, jobs: Iterable[TileJob]) -> Iterator[NDArray[Any]]:
        for job in jobs:
            with _out_of_memory_as_ours(), torch.inference_mode():
                result = self._run(job)
            yield result

    def _run(self, job: TileJob) -> NDArray[Any]:
        rows, columns = self._matrices(job.geometry)
        output = self._network(self._to_input(job.pixels), rows, columns)
        top, bottom, left, right = (self.scale * side for side in job.keep)
        kept = output[..., top:bottom, left:right].float()
        # One number tells: a NaN or an infinity anywhere makes the sum one too.
        if not torch.isfinite(kept.sum()):
            raise not_finite(self)
        return _to_pixels(kept, job.pixels.dtype)

    def _matrices(self, geometry: AttentionGeometry) -> tuple[Tensor, Tensor]:
        rows = torch.tensor(geometry.rows, dtype=self._dtype, device=self.device)
        columns = torch.tensor(geometry.columns, dtype=self._dtype, device=self.device)
        return rows, columns

    def _to_input(self, pixels: NDArray[Any]) -> Tensor:
        """(N, h, w, 3) of any pixel type → (N, 3, h, w) in [0, 1], channels last, on the device."""
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        scaled = tensor.float() / _LEVELS.get(pixels.dtype, 1)
        return scaled.to(self._dtype).permute(0, 3, 1, 2)  # NHWC memory is channels_last


def available_device(device: str) -> torch.device:
    """`device` where this machine has it. Raises UnavailableError."""
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise UnavailableError(
            f"--device {device} is no device; give auto, cpu, cuda, cuda:0 or mps"
        ) from error
    if wanted.type == "cuda" and not (
        torch.cuda.is_available() and (wanted.index or 0) < torch.cuda.device_count()
    ):
        raise UnavailableError(
            f"--device {device}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices; "
            "use --device auto, or install a CUDA build of torch"
        )
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError(f"--device {device}: Metal is not available here; use --device auto")
    if wanted.type not in ("cpu", "cuda", "mps"):
        raise UnavailableError(f"--device {device} is not supported; give auto, cpu, cuda, cuda:0 or mps")
    return wanted


def best_device() -> str:
    """The fastest device that torch sees on this machine."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _to_pixels(output: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(N, 3, H, W) float → (N, H, W, 3) of `dtype` on the CPU; integers clamped, and rounded on the
    device.
    """
    image = output.permute(0, 2, 3, 1).contiguous()
    if dtype not in _LEVELS:
        return image.cpu().numpy()
    levels = image.clamp_(0, 1).mul_(_LEVELS[dtype]).round_()
    if dtype == np.uint8:
        return levels.to(torch.uint8).cpu().numpy()
    return levels.to(torch.int32).cpu().numpy().astype(np.uint16)  # torch has little for uint16


@contextmanager
def _out_of_memory_as_ours() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(f"out of memory on the device: {str(error).partition(chr(10))[0]}") from error
    except MemoryError as error:
        raise OutOfMemoryError("out of memory; close other programs, or lower --memory") from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "not enough memory" in str(error):
            raise OutOfMemoryError("out of memory; close other programs, or lower --memory") from error
        raise
