"""The device that a training run is on, and what PyTorch is told for it."""

import os
import platform

import torch

from ripfdn_cli.torch_devices import available_device, best_device
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.settings import TrainingSettings


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
