"""The imports of OpenVINO, in one place: as it comes, importing it calls home and takes twice as long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ripfdn_cli.cpu_bf16 import usable_bf16
from ripfdn_cli.errors import UnavailableError

PIP_LINE = "pip install 'openvino>=2026.0'"
_TELEMETRY = "openvino_telemetry"
_CONVERSION = "openvino.tools.ovc"


@lru_cache(maxsize=1)
def openvino() -> Any:
    """The `openvino` module, without its `convert_model`. Raises UnavailableError with the pip line where it
    isn't installed.

    The tools that convert are half of what it imports, and wanted only once for each weights; it does without
    where they are missing, so they are hidden meanwhile.
    """
    with _hidden(_TELEMETRY, _CONVERSION):
        return _imported()


def convert_model(*args: Any, **options: Any) -> Any:
    """OpenVINO's own `convert_model`. Raises UnavailableError like `openvino`.

    Importing it reports to its makers' server unless the user has opted out. Nobody who upscales a picture
    asked for that: its telemetry package is hidden meanwhile, for which it has a stub of its own.
    """
    openvino()
    with _hidden(_TELEMETRY):
        from openvino.tools import ovc
    return ovc.convert_model(*args, **options)


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """As if the modules `names` were not installed, those already imported aside."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # makes its import fail
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _imported() -> Any:
    try:
        import openvino as module
    except ImportError as error:
        raise UnavailableError(
            f"OpenVINO can't be loaded ({error}); {PIP_LINE}, or use `engine=torch`"
        ) from error
    return module


def native_bf16() -> bool:
    """Whether this processor multiplies bf16 itself (AVX512-BF16 or AMX) and the environment doesn't hide it;
    elsewhere bf16 is slower than fp32.
    """
    capabilities: list[str] = openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return usable_bf16("BF16" in capabilities)
