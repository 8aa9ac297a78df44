"""What every engine promises. Engines know nothing of files or whole pictures, and none imports another."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ripfdn_cli.errors import NonFiniteResultError
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.model.architecture import AttentionGeometry
from ripfdn_cli.model.tile_grid import TileGrid

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""(N, h, w, 3) RGB: uint8 in 0..255, uint16 in 0..65535, float32 with 0..1 as the nominal range."""

PRECISIONS = ("fp32", "bf16", "fp16")

LEVELS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""The integer that stands for 1.0, by pixel type; floats are not in it."""


@dataclass(frozen=True)
class TileJob:
    """A batch of tiles of one geometry, and which part of the result to hand back.

    `pixels` (N, h, w, 3), sides of at least SMALLEST_SIDE; `keep` = (top, bottom, left, right) in input
    pixels of the tile.
    """

    pixels: Pixels
    geometry: AttentionGeometry
    keep: tuple[int, int, int, int]


@dataclass(frozen=True)
class YuvJob:
    """A batch of frames, `samples` (N, K) in `source`'s format, whose results are wanted in `target`'s.

    `grid` is that of a frame's tiles.
    """

    samples: NDArray[Any]
    source: YuvFormat
    target: YuvFormat
    grid: TileGrid


@dataclass(frozen=True)
class YuvResult:
    """`samples` (N, L) in the format that was wanted. To check them by: `network_input` (N, H, W, 3), the RGB
    that the network was given, and `decoded_output`, the RGB that `samples` stand for, shrunk to its size and
    of its type.
    """

    samples: NDArray[Any]
    network_input: NDArray[Any]
    decoded_output: NDArray[Any]


@dataclass(frozen=True)
class TileMemory:
    """The most bytes that a tile takes: for each input pixel `per_pixel` where its samples have 8 bits and as
    much more as `wider` has for their bytes (2 or 4); and `fixed` whatever its size.
    """

    per_pixel: int
    wider: Mapping[int, int]
    fixed: int

    def of(self, pixels: int, dtype: DTypeLike = np.uint8) -> int:
        """Bytes that a tile of `pixels` input pixels takes, whose samples are of `dtype`."""
        return self.fixed + self._each(dtype) * pixels

    def largest_tile(self, budget: int, dtype: DTypeLike = np.uint8) -> int:
        """Input pixels of the largest tile for which `budget` bytes suffice."""
        return max(0, budget - self.fixed) // self._each(dtype)

    def _each(self, dtype: DTypeLike) -> int:
        pixels = np.dtype(dtype)
        # Engines get floats of any width as float32.
        return self.per_pixel + self.wider.get(4 if pixels.kind == "f" else pixels.itemsize, 0)


class Engine(Protocol):
    """Runs one network on one device at one precision.

    `tile_memory` was measured; tiles are planned with it. `default_memory` is the budget in bytes where the
    user names none.
    """

    name: str
    precision: str
    device: str
    scale: int
    tile_memory: TileMemory
    default_memory: int

    def run(self, jobs: Iterable[TileJob]) -> Iterator[NDArray[Any]]:
        """Results in the order of `jobs`: (N, scale·(bottom − top), scale·(right − left), 3) in the dtype of
        `pixels`.

        Integers are clamped and rounded half to even; floats are left as the network gives them. Raises
        NonFiniteResultError where a result has a NaN or an infinity, OutOfMemoryError where a tile doesn't
        fit. May read a job ahead of the result it yields, to overlap copies with computing.
        """
        ...


@runtime_checkable
class YuvEngine(Engine, Protocol):
    """An engine that converts colours on its device, so that frames cross to it and back as YUV."""

    def run_yuv(self, jobs: Iterable[YuvJob]) -> Iterator[YuvResult]:
        """Results in the order of `jobs`; the network gets and gives integers, as in `run`. Raises what `run`
        raises.
        """
        ...


def not_finite(engine: Engine) -> NonFiniteResultError:
    """The error of an `engine` whose result has a NaN or an infinity."""
    return NonFiniteResultError(
        f"values that are not finite ({engine.name}, {engine.device}, {engine.precision}); "
        "try `precision=fp32`, and check the weights with 'ripfdn weights info'"
    )
