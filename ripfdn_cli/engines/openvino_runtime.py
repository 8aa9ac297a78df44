"""The import of OpenVINO, in one place, because importing it as it comes calls home."""

import sys
from functools import lru_cache
from typing import Any

from ripfdn_cli.errors import UnavailableError

PIP_LINE = "pip install 'openvino>=2026.0'"
_TELEMETRY = "openvino_telemetry"


@lru_cache(maxsize=1)
def openvino() -> Any:
    """The `openvino` module. Raises UnavailableError with the pip line where it isn't installed.

    `import openvino` reports to its makers' server unless the user has opted out. Nobody who upscales a
    picture asked for that: its telemetry package is hidden while it is imported, for which OpenVINO has a
    stub of its own.
    """
    hidden = _TELEMETRY not in sys.modules
    if hidden:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # makes its import fail
    try:
        return _imported()
    finally:
        if hidden:
            del sys.modules[_TELEMETRY]


def _imported() -> Any:
    try:
        import openvino as module
    except ImportError as error:
        raise UnavailableError(
            f"OpenVINO can't be loaded ({error}); {PIP_LINE}, or use --engine torch"
        ) from error
    return module


def native_bf16() -> bool:
    """Whether this processor multiplies bf16 itself (AVX512-BF16 or AMX); elsewhere bf16 is slower than
    fp32.
    """
    capabilities: list[str] = openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities
