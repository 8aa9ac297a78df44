"""RIPFDN super-resolution from Python. What is listed in `__all__` is public, and nothing else is.

    from ripfdn_cli import Upscaler

    large = Upscaler("x4").upscale(image)  # a NumPy array, an image of PIL or a torch tensor

Importing this imports neither torch nor NumPy: names are looked up when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Upscaler": "upscaler",
    "upscale_bytes": "api",
    "upscale_file": "api",
    "upscale_folder": "api",
    "upscale_video": "api",
    "evaluate": "api",
    "export": "api",
    "train": "training",
    "resolve_settings": "training.presets",
    "list_weights": "model.weights_store",
    "load_weights": "model.weights_store",
    "Checkpoint": "model.checkpoint",
    "Exported": "exporting.export",
    "NetworkOptions": "api",
    "Outcome": "image_jobs.image_run",
    "PictureOptions": "api",
    "EncodingOptions": "video_jobs.video_settings",
    "FrameOptions": "video_jobs.video_settings",
    "ReadingOptions": "video_jobs.video_settings",
    "Row": "evaluation.benchmark",
    "SizeOptions": "api",
    "SizeRequest": "pipeline.output_size",
    "TrainingSettings": "training.settings",
    "VideoFacts": "video_jobs.video_run",
    "VideoSettings": "video_jobs.video_settings",
    "RipfdnError": "errors",
    "InternalError": "errors",
    "UsageError": "errors",
    "UnavailableError": "errors",
    "SomeItemsFailedError": "errors",
    "InputError": "errors",
    "CheckpointError": "errors",
    "OutputError": "errors",
    "DiskFullError": "errors",
    "OutOfMemoryError": "errors",
    "NonFiniteResultError": "errors",
}
"""Public name → the module that has it."""

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "DiskFullError",
    "EncodingOptions",
    "Exported",
    "FrameOptions",
    "InputError",
    "InternalError",
    "NetworkOptions",
    "NonFiniteResultError",
    "OutOfMemoryError",
    "Outcome",
    "OutputError",
    "PictureOptions",
    "ReadingOptions",
    "RipfdnError",
    "Row",
    "SizeOptions",
    "SizeRequest",
    "SomeItemsFailedError",
    "TrainingSettings",
    "UnavailableError",
    "Upscaler",
    "UsageError",
    "VideoFacts",
    "VideoSettings",
    "__version__",
    "evaluate",
    "export",
    "list_weights",
    "load_weights",
    "resolve_settings",
    "train",
    "upscale_bytes",
    "upscale_file",
    "upscale_folder",
    "upscale_video",
]

if TYPE_CHECKING:
    from ripfdn_cli.api import (
        NetworkOptions,
        PictureOptions,
        SizeOptions,
        evaluate,
        export,
        upscale_bytes,
        upscale_file,
        upscale_folder,
        upscale_video,
    )
    from ripfdn_cli.errors import (
        CheckpointError,
        DiskFullError,
        InputError,
        InternalError,
        NonFiniteResultError,
        OutOfMemoryError,
        OutputError,
        RipfdnError,
        SomeItemsFailedError,
        UnavailableError,
        UsageError,
    )
    from ripfdn_cli.evaluation.benchmark import Row
    from ripfdn_cli.exporting.export import Exported
    from ripfdn_cli.image_jobs.image_run import Outcome
    from ripfdn_cli.model.checkpoint import Checkpoint
    from ripfdn_cli.model.weights_store import list_weights, load_weights
    from ripfdn_cli.pipeline.output_size import SizeRequest
    from ripfdn_cli.training import train
    from ripfdn_cli.training.presets import resolve_settings
    from ripfdn_cli.training.settings import TrainingSettings
    from ripfdn_cli.upscaler import Upscaler
    from ripfdn_cli.video_jobs.video_run import VideoFacts
    from ripfdn_cli.video_jobs.video_settings import (
        EncodingOptions,
        FrameOptions,
        ReadingOptions,
        VideoSettings,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
