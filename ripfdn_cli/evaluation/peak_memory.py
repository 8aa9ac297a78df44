"""How much memory a call takes at its peak, on the GPU or in this process."""

import ctypes
import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET_PEAK = Path("/proc/self/clear_refs")


def peak_memory(call: Callable[[], object], device: str) -> int | None:
    """Run `call` and give the bytes it took at its peak; None where that can't be measured.

    Over what was held before: on `device` cuda, of what torch allocated; on cpu, of the process's resident
    set (Linux only).
    """
    if device.startswith("cuda"):
        return _peak_on_cuda(call, device)
    if device == "cpu" and sys.platform == "linux":
        return _peak_resident(call)
    call()
    return None


def _peak_on_cuda(call: Callable[[], object], device: str) -> int:
    import torch

    gc.collect()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _peak_resident(call: Callable[[], object]) -> int | None:
    _give_back_free_memory()
    try:
        _RESET_PEAK.write_text("5")  # resets VmHWM: proc(5)
        before = _status_bytes("VmRSS")
    except OSError:
        call()
        return None
    call()
    return max(0, _status_bytes("VmHWM") - before)


def _give_back_free_memory() -> None:
    """Hand free memory back to the system, else a call that reuses it would seem to take none."""
    gc.collect()
    with suppress(OSError, AttributeError):  # a C library other than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _status_bytes(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024
