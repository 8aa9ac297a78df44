"""The device that a training run is on, and what PyTorch is told for it."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ripfdn_cli.torch_devices import available_device, best_device
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.settings import TrainingSettings


@contextmanager
def torch_as_before() -> Iterator[None]:
    """Whatever a run tells PyTorch in the block, its random numbers included, is undone after it. CUDA's are
    those of the current device, where the process uses one already.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    tunes = torch.backends.cudnn.benchmark
    threads = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warns_only)
            torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
            torch.backends.cudnn.benchmark = tunes
            torch.set_num_threads(threads)


def prepare_device(settings: TrainingSettings, ranks: Ranks) -> torch.device:
    """The device of this rank, with PyTorch set up for it. Raises UnavailableError."""
    wanted = best_device() if settings.device == "auto" else settings.device
    device = available_device(ranks.device(wanted))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    # cuBLAS gives the same result each time with a work space of its own only, set before it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not settings.deterministic
    torch.use_deterministic_algorithms(settings.deterministic, warn_only=True)
    # Nothing here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return device


def device_name(device: torch.device) -> str:
    """What `device` is called in reports: the GPU's name, or the processor's kind and its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"
