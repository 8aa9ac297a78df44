"""RIPFDN super-resolution: `Upscaler("x4").upscale(array)`. Importing this imports no torch."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Upscaler", "__version__"]

if TYPE_CHECKING:
    from ripfdn_cli.upscaler import Upscaler


def __getattr__(name: str) -> Any:
    if name == "Upscaler":
        from ripfdn_cli.upscaler import Upscaler

        return Upscaler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
