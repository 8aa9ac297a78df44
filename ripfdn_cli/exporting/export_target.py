"""What every kind of export takes and gives. No kind imports another."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.arguments import whole_number
from ripfdn_cli.errors import UsageError
from ripfdn_cli.model.architecture import SMALLEST_SIDE
from ripfdn_cli.model.checkpoint import Checkpoint

INPUT_NAME, OUTPUT_NAME = "input", "output"
METADATA_NAME = "ripfdn"
"""Under which a file keeps what it is and where it comes from, where its format has names for that."""
DEFAULT_OPSET = 17
"""Of ONNX: the oldest that the tools in docs/integrations.md share, so that none is too old for the file."""
OPSETS = range(16, 24)
"""Of ONNX: those for which torch's exporter and ONNX's own converter give what the network gives."""

Files = dict[str, bytes]
"""Suffix → content of the files that one export consists of; first the one that programs open."""
Runner = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(N, 3, H, W) RGB in [0, 1] to (N, 3, scale·H, scale·W), not clamped."""
Metadata = dict[str, str]


@dataclass(frozen=True)
class Form:
    """How a network is exported. `tile`: the only (height, width) it will take, None for any.

    `half`: weights in fp16, and arithmetic where the format says so; input and output stay float32. `opset`:
    of ONNX. Raises UsageError.
    """

    tile: tuple[int, int] | None = None
    half: bool = False
    opset: int = DEFAULT_OPSET

    def __post_init__(self) -> None:
        if self.tile is not None:
            _check_tile(self.tile)
        if whole_number("opset", self.opset) not in OPSETS:
            raise UsageError(f"`opset` {self.opset} is not between {OPSETS[0]} and {OPSETS[-1]}")


def _check_tile(tile: tuple[int, int]) -> None:
    try:
        height, width = tile
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"`tile` {tile!r} is not a height and a width in px; write them as (256, 256)"
        ) from error
    if min(whole_number("tile", side, " of pixels") for side in (height, width)) < SMALLEST_SIDE:
        raise UsageError(f"`tile` {height}x{width}: a side is shorter than the minimum of {SMALLEST_SIDE} px")


@dataclass(frozen=True)
class Target:
    """One kind of export.

    `suffixes` of the files that `build` makes, in its order. `load` runs them in the program they are made
    for. Both raise UnavailableError with the pip line where a package is missing.
    """

    suffixes: tuple[str, ...]
    build: Callable[[Checkpoint, Form, Metadata], Files]
    load: Callable[[Files], Runner]
