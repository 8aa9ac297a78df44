"""What RIPFDN is, in numbers: its dimensions, its needs, and the geometry of its attention. NumPy only.

Everything here is needed by engines that run without torch, so it stands apart from `network.py`.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import UsageError

SCALES = (2, 3, 4)
SMALLEST_SIDE = 15
"""Pixels below which ESA's pooling has nothing left to pool; smaller pictures are padded and cropped."""
GRID_STEP = 6
"""The step of ESA's pooled map in pixels (stride 2, then stride 3). A tile that starts elsewhere pools other
windows.
"""

_ROUNDING = 1e-6
"""Of channels: what a ratio may be off by, written with few digits or divided."""


@dataclass(frozen=True)
class NetworkConfig:
    """The dimensions of one RIPFDN; stored in every checkpoint and rebuilt from it.

    `channels` must be a multiple of 4 and `partial_ratio * channels` a whole number of at least 1. Raises
    UsageError.
    """

    scale: int = 4
    channels: int = 52
    blocks: int = 4
    partial_ratio: float = 0.25

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise UsageError(f"scale {self.scale} is not one of {', '.join(map(str, SCALES))}")
        if self.channels < 4 or self.channels % 4:
            raise UsageError(f"channels {self.channels} is not a positive multiple of 4")
        if self.blocks < 1:
            raise UsageError(f"blocks {self.blocks} is less than 1")
        partial = self.partial_ratio * self.channels  # 15 / 44 * 44 is not quite 15
        if not 0.5 < partial < self.channels + 0.5 or abs(partial - round(partial)) > _ROUNDING:
            raise UsageError(
                f"partial_ratio {self.partial_ratio} of {self.channels} channels is not a whole number"
            )

    @property
    def partial_channels(self) -> int:
        """Channels that the 3×3 of a PCRB sees."""
        return round(self.partial_ratio * self.channels)

    @property
    def distilled_channels(self) -> int:
        """d, the channels of a distillation."""
        return self.channels // 2

    @property
    def attention_channels(self) -> int:
        """e, the channels inside ESA."""
        return self.channels // 4

    def as_dict(self) -> dict[str, Any]:
        """As `from_dict` takes it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises UsageError for unknown or missing keys and for values out of range."""
        known = set(cls.__dataclass_fields__)
        if set(values) != known:
            odd = ", ".join(sorted(set(values) ^ known))
            raise UsageError(f"network config has missing or unknown keys: {odd}")
        try:
            return cls(
                scale=_whole(values, "scale"),
                channels=_whole(values, "channels"),
                blocks=_whole(values, "blocks"),
                partial_ratio=float(values["partial_ratio"]),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"network config has a value that is not a number: {error}") from error


def _whole(values: dict[str, Any], name: str) -> int:
    number = int(values[name])
    if number != float(values[name]):
        raise UsageError(f"{name} {values[name]} is not a whole number")
    return number


def pooled_size(length: int) -> int:
    """Side of ESA's pooled map for an input side of `length` px: a 3-wide stride-2 convolution without
    padding, then max pooling 7 wide at stride 3.
    """
    return (((length - 3) // 2 + 1) - 7) // 3 + 1


@dataclass(frozen=True)
class AttentionGeometry:
    """Where a tile's pixels sample ESA's pooled map, as two interpolation matrices.

    `rows` (h, pooled_size(h)) and `columns` (w, pooled_size(w)), float32; `up = rows · q · columnsᵀ`.
    """

    rows: NDArray[np.float32]
    columns: NDArray[np.float32]


def attention_geometry(
    *,
    height: int,
    width: int,
    top: int = 0,
    left: int = 0,
    tile_height: int | None = None,
    tile_width: int | None = None,
) -> AttentionGeometry:
    """The geometry of a tile at (`top`, `left`), multiples of GRID_STEP, of a whole image of `height` ×
    `width` px.

    Without a tile, that of the whole image.
    """
    return AttentionGeometry(
        rows=interpolation_matrix(height, top, height - top if tile_height is None else tile_height),
        columns=interpolation_matrix(width, left, width - left if tile_width is None else tile_width),
    )


@lru_cache(maxsize=256)
def interpolation_matrix(whole: int, origin: int, length: int) -> NDArray[np.float32]:
    """Bilinear weights (`length`, pooled_size(`length`)) float32 that take ESA's pooled map back to pixels.

    Pixel i of a tile that starts at `origin` of a side of `whole` px samples the whole image's pooled map, n
    = pooled_size(whole) long, at clamp((origin + i + 0.5) · n / whole − 0.5, 0, n − 1): the rule of
    `torch.nn.functional.interpolate` with align_corners=False. The tile's own map starts origin / GRID_STEP
    samples into it. Pixels whose samples lie outside the tile's map (in its halo) take the nearest there is.
    """
    if origin % GRID_STEP:
        raise ValueError(f"a tile must start at a multiple of {GRID_STEP}, not at {origin}")
    count, own = pooled_size(whole), pooled_size(length)
    if own < 1:
        raise ValueError(f"a side of {length} px is under the smallest of {SMALLEST_SIDE}")
    position = (np.arange(origin, origin + length) + 0.5) * (count / whole) - 0.5
    position = np.clip(position, 0, count - 1) - origin // GRID_STEP
    below = np.floor(position).astype(np.int64)
    fraction = position - below
    matrix = np.zeros((length, own), np.float64)
    pixels = np.arange(length)
    np.add.at(matrix, (pixels, np.clip(below, 0, own - 1)), 1 - fraction)
    np.add.at(matrix, (pixels, np.clip(below + 1, 0, own - 1)), fraction)
    result = matrix.astype(np.float32)
    result.flags.writeable = False  # shared by the cache
    return result
