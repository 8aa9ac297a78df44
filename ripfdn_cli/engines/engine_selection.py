"""Which engine, device and precision a machine gets, from what was asked for and what is there."""

import ctypes
import logging
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from ripfdn_cli.arguments import text, whole_number
from ripfdn_cli.engines.engine import PRECISIONS, Engine
from ripfdn_cli.errors import UnavailableError, UsageError
from ripfdn_cli.model.checkpoint import Checkpoint

log = logging.getLogger(__name__)

ENGINES = ("openvino", "torch")
AUTO = "auto"


def load_engine(
    checkpoint: Checkpoint,
    *,
    engine: str = AUTO,
    device: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
) -> Engine:
    """The engine that was asked for, or with `auto` the fastest this machine has at the same picture.

    `auto` takes torch on a GPU, else OpenVINO where it is installed, else torch; and the fastest precision
    that stays within 0.03 dB of fp32 (see docs/engines.md). Raises UsageError for unknown names,
    UnavailableError for what is not on this machine.
    """
    _check_names(engine, precision, threads)
    text("device", device)
    where = device if device != AUTO else auto_device(engine)
    name = engine if engine != AUTO else _auto_engine(where)
    make = _openvino if name == "openvino" else _torch
    chosen = make(checkpoint, where, precision, None if threads is None else int(threads))
    log.debug("engine %s on %s in %s", chosen.name, chosen.device, chosen.precision)
    return chosen


def _check_names(engine: str, precision: str, threads: int | None) -> None:
    if engine not in (AUTO, *ENGINES):
        raise UsageError(f"`engine` {engine} is not one of auto, {', '.join(ENGINES)}")
    if precision not in (AUTO, *PRECISIONS):
        raise UsageError(f"`precision` {precision} is not one of auto, {', '.join(PRECISIONS)}")
    if threads is not None and whole_number("threads", threads) < 1:
        raise UsageError(f"`threads` {threads} is less than 1")


def auto_device(engine: str = AUTO) -> str:
    """The device that `auto` stands for, with `engine`."""
    if engine == "openvino" or not may_have_accelerator():
        return "cpu"
    from ripfdn_cli.torch_devices import best_device

    return best_device()


def _auto_engine(device: str) -> str:
    return "openvino" if device == "cpu" and find_spec("openvino") is not None else "torch"


def may_have_accelerator() -> bool:
    """Whether it is worth the seconds of importing torch to ask it for a GPU: a driver is installed."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if Path("/dev/kfd").exists():  # AMD's; torch calls it cuda
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _openvino(checkpoint: Checkpoint, device: str, precision: str, threads: int | None) -> Engine:
    from ripfdn_cli.engines.openvino_engine import OpenVinoEngine
    from ripfdn_cli.openvino_runtime import native_bf16

    if device != "cpu":
        raise UnavailableError(f"`engine` openvino runs on the CPU, not on {device}; use `engine=torch`")
    chosen = ("bf16" if native_bf16() else "fp32") if precision == AUTO else precision
    return OpenVinoEngine(checkpoint, precision=chosen, threads=threads)


def _torch(checkpoint: Checkpoint, device: str, precision: str, threads: int | None) -> Engine:
    from ripfdn_cli.engines.torch_engine import TorchEngine

    chosen = _torch_precision(device) if precision == AUTO else precision
    return TorchEngine(checkpoint, device=device, precision=chosen, threads=threads)


def _torch_precision(device: str) -> str:
    from ripfdn_cli.torch_devices import native_bf16

    if device == "cpu":
        return "bf16" if native_bf16() else "fp32"
    return "fp16"
