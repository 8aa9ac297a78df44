"""Where a result doesn't look like its input: shrunk and compared, tile by tile.

A suspicion is a reason to look again, not a verdict: a network may rightly change what dither and single
pixels show by more than any of the limits here. Of 2,491 squares of 24 px from photographs none was
suspicious in fp32; of 20,000 pictures of dither, checkers, stripes and noise 3 % were.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.model.tile_grid import Span, Tile, TileGrid
from ripfdn_cli.pictures.picture import Frame, highest

BLOCK = 8
"""Side of the blocks that are compared, in input pixels."""
CELL = 64
"""Side of the part of a tile that is looked at again, in input pixels."""
_MOST_CELLS = 4
"""Cells of a tile that are looked at again, the most suspicious first."""
_WHOLE_UP_TO = 64
_BAND_EVERY = 32
"""Of tiles higher than that, one row of blocks in this many pixels is compared."""
_MEAN_LIMIT = 16 / 255
_MEAN_LIMIT_OF_CONTRAST = 0.15
"""By how much a block's mean colour may differ: so much, and this part of the steps between its pixels."""
_FLOOR = (1 / 255) ** 2
"""Squared difference for each sample that is never suspicious: rounding, and half precisions."""
_MISFIT_LIMIT = 0.8
"""Squared difference from the input, as a part of that between neighbours; photographs have 0.04."""
_SHIFT_LIMIT = 0.15
"""Input pixels by which a tile may seem shifted; photographs have 0.02."""
_VISIBLE = 32 / 255
"""Contrast of a tile whose result can't be one colour."""
_GAIN = 1.5
"""A picture that fits so many times better when it is shifted, or when its channels are swapped, is."""


@dataclass(frozen=True)
class Suspicion:
    """`rows` and `columns` of the input whose result doesn't look like them, in one tile; and why."""

    tile: Tile
    rows: slice
    columns: slice
    reason: str


def suspicions(source: Frame, result: Frame, scale: int, grid: TileGrid) -> list[Suspicion]:
    """Parts of `result` (scale·H, scale·W, C) that may not show what `source` (H, W, C) of the same sample
    type shows; the worst of each tile of `grid` first.
    """
    unit = _unit(source)
    height, width = source.shape[:2]
    found = []
    for tile in grid:
        rows, columns = _within(tile.rows, height), _within(tile.columns, width)
        if rows.start < rows.stop and columns.start < columns.stop:
            found += _tile_suspicions(source, result, scale, unit, tile, rows, columns)
    return found


def _within(span: Span, side: int) -> slice:
    """What is kept of `span`, in a picture that may be smaller than the network takes."""
    return slice(span.keep_start, min(span.keep_stop, side))


def _tile_suspicions(
    source: Frame,
    result: Frame,
    scale: int,
    unit: np.float32,
    tile: Tile,
    rows: slice,
    columns: slice,
) -> list[Suspicion]:
    own = source[rows, columns]
    larger = result[scale * rows.start : scale * rows.stop, scale * columns.start : scale * columns.stop]
    totals, blocks = _Totals(), []
    for top, bottom in _bands(own.shape[0]):
        band = _scaled(own[top:bottom], unit)
        small = shrunk(larger[scale * top : scale * bottom], scale) * unit
        totals.add(band, small, own, unit, top, bottom)
        blocks += _block_excesses(band, small, top)
    reason = totals.reason()
    if larger.dtype.kind == "f" and not np.isfinite(larger).all():
        reason = "values that are not finite"
    cells = _worst_cells(blocks, all_of_them=reason is not None)
    return [
        Suspicion(
            tile,
            slice(rows.start + top, min(rows.start + top + CELL, rows.stop)),
            slice(columns.start + left, min(columns.start + left + CELL, columns.stop)),
            reason or "another mean colour",
        )
        for top, left in cells
    ]


@dataclass(frozen=True)
class _Block:
    top: int
    left: int
    excess: float
    misfit: float


def _worst_cells(blocks: list[_Block], *, all_of_them: bool) -> list[tuple[int, int]]:
    """Top and left of the cells to look at: where means exceed their limit, then where the misfit is."""
    cells: dict[tuple[int, int], tuple[float, float]] = {}
    for block in blocks:
        if all_of_them or not block.excess <= 0:  # a NaN is not at most 0
            place = block.top // CELL * CELL, block.left // CELL * CELL
            worst = cells.get(place, (-np.inf, -np.inf))
            cells[place] = max(worst, (block.excess, block.misfit))
    return sorted(cells, key=lambda place: cells[place], reverse=True)[:_MOST_CELLS]


@dataclass
class _Totals:
    """Sums over the bands of a tile."""

    samples: int = 0
    misfit: float = 0.0
    steps: float = 0.0
    moved: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    slopes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))
    slants: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 3)))
    energy: float = 0.0
    contrast: float = 0.0
    shown: float = 0.0

    def add(
        self,
        band: NDArray[np.float32],
        small: NDArray[np.float32],
        own: Frame,
        unit: np.float32,
        top: int,
        bottom: int,
    ) -> None:
        difference = small - band
        moved = [_scaled(other, unit) for other in _neighbours(own, top, bottom)]
        above, below, left, right = moved
        self.samples += band.size
        self.misfit += _squares(difference)
        self.steps += float(_squared_steps(band).sum())
        self.contrast = max(self.contrast, float(np.ptp(band)))
        self.shown = max(self.shown, float(np.ptp(small)))
        self.moved += [_squares(small - other) for other in moved]
        half = np.float32(0.5)
        down, across = (below - above) * half, (right - left) * half
        self.slopes += [[_dot(down, down), _dot(down, across)], [_dot(across, down), _dot(across, across)]]
        self.slants += [_dot(difference, down), _dot(difference, across)]
        if band.shape[2] == 3:
            self.products += np.tensordot(small, band, ((0, 1), (0, 1)))
            self.energy += _squares(small) + _squares(band)

    def reason(self) -> str | None:
        """Why the tile is suspicious."""
        if self.shown == 0 and self.contrast > _VISIBLE:
            return "one colour"
        floor = _FLOOR * self.samples
        excess = self.misfit - floor
        if not excess <= _MISFIT_LIMIT * self.steps:
            return "another picture"
        if excess > _GAIN * self.moved.min() or self._is_shifted(floor):
            return "a shifted picture"
        if excess > _GAIN * self._misfit_swapped():
            return "swapped channels"
        return None

    def _is_shifted(self, floor: float) -> bool:
        """Whether a shift by parts of a pixel explains more than the floor (least squares over slopes)."""
        slopes = self.slopes + np.eye(2) * 1e-12
        shift = np.linalg.solve(slopes, self.slants)
        return float(np.abs(shift).max()) > _SHIFT_LIMIT and float(shift @ self.slants) > floor / 16

    def _misfit_swapped(self) -> float:
        """The least misfit with channels in another order."""
        if not self.energy:
            return np.inf
        orders = list(permutations(range(3)))[1:]
        matches = [float(self.products[range(3), order].sum()) for order in orders]
        return self.energy - 2 * max(matches)


def _unit(source: Frame) -> np.float32:
    """What takes samples to 0..1; floats beyond 1 (high dynamic range) too."""
    top = highest(source.dtype)
    return np.float32(1 / (top if source.dtype.kind == "u" else max(top, float(np.abs(source).max()))))


def _scaled(frame: Frame, unit: np.float32) -> NDArray[np.float32]:
    return (frame * unit).astype(np.float32, copy=False)


def _bands(height: int) -> Iterator[tuple[int, int]]:
    """First and last row (exclusive) of each part that is compared."""
    if height <= _WHOLE_UP_TO:
        return iter([(0, height)])
    return ((top, min(top + BLOCK, height)) for top in range(0, height, _BAND_EVERY))


def shrunk(rows: Frame, scale: int) -> NDArray[np.float32]:
    """Means over scale × scale pixels."""
    width, channels = rows.shape[1] // scale, rows.shape[2]
    wide = np.dtype({1: np.uint16, 2: np.uint32, 4: np.float32}.get(rows.dtype.itemsize, np.float64))
    down = _sum([rows[i::scale] for i in range(scale)], wide)
    across = down.reshape(len(down), width, scale, channels)
    total = _sum([across[:, :, i] for i in range(scale)], wide)
    return (total / np.float32(scale**2)).astype(np.float32, copy=False)


def _sum(parts: list[Frame], kind: np.dtype[np.generic]) -> Frame:
    """Three times as fast as `sum` over an axis."""
    total = parts[0].astype(kind)
    for part in parts[1:]:
        total += part
    return total


def _block_excesses(band: NDArray[np.float32], small: NDArray[np.float32], top: int) -> list[_Block]:
    """Each block, and by how much its mean colour is over the limit."""
    difference = small - band
    counts = _block_sums(np.ones((*band.shape[:2], 1), np.float32))
    steps = np.sqrt(_block_sums(_squared_steps(band)) / counts)
    excess = np.abs(_block_sums(difference) / counts) - _MEAN_LIMIT - _MEAN_LIMIT_OF_CONTRAST * steps
    worst, misfit = excess.max(axis=2), _block_sums(difference * difference).max(axis=2)
    return [
        _Block(top + BLOCK * row, BLOCK * column, float(worst[row, column]), float(misfit[row, column]))
        for row, column in np.ndindex(worst.shape)
    ]


def _block_sums(band: NDArray[np.float32]) -> NDArray[np.float32]:
    down = np.add.reduceat(band, range(0, band.shape[0], BLOCK), axis=0)
    sums: NDArray[np.float32] = np.add.reduceat(down, range(0, band.shape[1], BLOCK), axis=1)
    return sums


def _squared_steps(band: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared difference of each pixel from its left neighbour and the one above, the mean of both."""
    steps = np.zeros_like(band)
    steps[:, 1:] += np.square(np.diff(band, axis=1)) / 2
    steps[1:] += np.square(np.diff(band, axis=0)) / 2
    return steps


def _neighbours(own: Frame, top: int, bottom: int) -> Iterator[Frame]:
    """The rows from `top` to `bottom`, of the pixels above, below, left and right; edges repeat."""
    rows, band = np.arange(top, bottom), own[top:bottom]
    yield own[np.maximum(rows - 1, 0)]
    yield own[np.minimum(rows + 1, own.shape[0] - 1)]
    yield np.concatenate([band[:, :1], band[:, :-1]], axis=1)
    yield np.concatenate([band[:, 1:], band[:, -1:]], axis=1)


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.vdot(a, b))


def _squares(difference: NDArray[np.float32]) -> float:
    return _dot(difference, difference)
