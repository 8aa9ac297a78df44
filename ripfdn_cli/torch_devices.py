"""What PyTorch finds in this machine: which devices, and what arithmetic they do well."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch

from ripfdn_cli.cpu_bf16 import no_bf16, usable_bf16
from ripfdn_cli.errors import UnavailableError

_NATIVE_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Names of torch.cpu.get_capabilities: x86 with AVX512-BF16 or AMX, and ARM."""


def available_device(device: str) -> torch.device:
    """`device` where this machine has it. Raises UnavailableError."""
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise UnavailableError(
            f"`device` {device} is not a device; give auto, cpu, cuda, cuda:0 or mps"
        ) from error
    if wanted.type == "cuda" and not (
        torch.cuda.is_available() and (wanted.index or 0) < torch.cuda.device_count()
    ):
        raise UnavailableError(
            f"`device` {device}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices; "
            "use `device=auto`, or install a CUDA build of torch"
        )
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError(f"`device` {device}: Metal is not available here; use `device=auto`")
    if wanted.type not in ("cpu", "cuda", "mps"):
        raise UnavailableError(f"`device` {device} is not supported; give auto, cpu, cuda, cuda:0 or mps")
    return wanted


def best_device() -> str:
    """The fastest device that torch sees on this machine."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def check_precision(precision: str, device: torch.device) -> None:
    """Raises UnavailableError where `device` can't compute at `precision`, or only slower than in fp32."""
    if device.type == "cpu" and precision == "fp16":
        raise UnavailableError("`precision` fp16 is not supported on CPUs; use fp32, or `device=cuda`")
    if device.type == "cpu" and precision == "bf16" and not native_bf16():
        raise no_bf16()


def native_bf16() -> bool:
    """Whether torch finds bf16 arithmetic in this processor and the environment doesn't hide it; false for a
    torch that can't tell.
    """
    return usable_bf16(any(_cpu_capabilities().get(name) for name in _NATIVE_BF16))


def has_amx() -> bool:
    """Whether this processor multiplies bf16 in AMX's tiles; false for a torch that can't tell."""
    return bool(_cpu_capabilities().get("amx_bf16"))


def _cpu_capabilities() -> dict[str, Any]:
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return capabilities


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """PyTorch with `count` threads of the CPU (None: as many as it has) for the block, then as it was: their
    number is that of the process, and none of a caller's other work shall notice.
    """
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile makes kernels for `device` on this machine: it takes CUDA and Triton."""
    return device.type == "cuda" and find_spec("triton") is not None
