"""Which rectangles of a picture to read, run and paste, so that the result equals the untiled one. Integers
only.

Every tile starts at a multiple of the network's grid step, all tiles of a grid have one size (an engine
compiles once), and the last tile ends where the picture ends. That works because the size is congruent to the
picture's side modulo the step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ripfdn_cli.architecture import GRID_STEP, SMALLEST_SIDE
from ripfdn_cli.errors import OutOfMemoryError, UsageError

DEFAULT_HALO = 48
"""Pixels of context on each side: at most one 8-bit level on 0.2 % of samples from the untiled picture."""
EXACT_HALO = 96
"""Pixels of context with which only rounding of float32 remains."""
SMALLEST_TILE = 16
"""The least inner side of a tile that may be asked for."""


@dataclass(frozen=True)
class Span:
    """One tile's extent along one axis: it reads [start, stop) and its result is kept for [keep_start,
    keep_stop).
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Tile:
    rows: Span
    columns: Span


@dataclass(frozen=True)
class TileGrid:
    """All tiles of a picture of `height` × `width` px, row by row."""

    height: int
    width: int
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def __iter__(self) -> Iterator[Tile]:
        return (Tile(row, column) for row in self.rows for column in self.columns)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def tile_height(self) -> int:
        return self.rows[0].size

    @property
    def tile_width(self) -> int:
        return self.columns[0].size

    @property
    def computed_pixels(self) -> int:
        """Input pixels the network sees, halos counted as often as they are read."""
        return len(self) * self.tile_height * self.tile_width


def whole_grid(height: int, width: int) -> TileGrid:
    """One tile: no tiling."""
    return TileGrid(height, width, (Span(0, height, 0, height),), (Span(0, width, 0, width),))


def fixed_grid(height: int, width: int, *, tile: int, halo: int) -> TileGrid:
    """Tiles whose inner side is about `tile` px (never more), with `halo` px of context on each side.

    Raises UsageError where `tile` is under SMALLEST_TILE or `halo` negative.
    """
    check_tile(tile)
    check_halo(halo)
    padded = tile + 2 * halo
    return TileGrid(height, width, _spans(height, padded, halo), _spans(width, padded, halo))


def planned_grid(height: int, width: int, *, halo: int, largest_tile: int) -> TileGrid:
    """The grid that computes fewest pixels with no tile of more than `largest_tile` pixels (area, halo
    included).

    The picture is not tiled where it fits. Raises OutOfMemoryError where not even the smallest tile fits.
    """
    check_halo(halo)
    if height * width <= largest_tile:
        return whole_grid(height, width)
    candidates = list(_grids_within(height, width, halo, largest_tile))
    if not candidates:
        raise OutOfMemoryError(
            f"a {width}×{height} picture needs tiles of {_smallest_area(height, width, halo)} px or more, "
            f"the memory budget allows {largest_tile}; raise --memory, or lower --halo"
        )
    return min(candidates, key=lambda grid: (grid.computed_pixels, len(grid)))


def check_tile(tile: int) -> None:
    if tile < SMALLEST_TILE:
        raise UsageError(f"--tile {tile} is under the smallest tile of {SMALLEST_TILE} px")


def check_halo(halo: int) -> None:
    if halo < 0:
        raise UsageError(f"--halo {halo} is negative; {DEFAULT_HALO} is the default, {EXACT_HALO} is exact")


def _grids_within(height: int, width: int, halo: int, largest_tile: int) -> Iterator[TileGrid]:
    """Grids with 1, 2, 3… columns, each with the tallest tiles that the budget leaves."""
    tile_width = width
    while True:
        columns = _spans(width, tile_width, halo)
        tallest = largest_tile // columns[0].size
        if tallest >= min(height, _smallest_padded(halo)):
            yield TileGrid(height, width, (rows := _balanced(height, tallest, halo)), columns)
            if len(rows) == 1:
                return  # narrower tiles only add halos
        narrower = _padded_for(width, len(columns) + 1, halo)
        if narrower >= columns[0].size:
            return
        tile_width = narrower


def _balanced(length: int, padded: int, halo: int) -> tuple[Span, ...]:
    """As few spans as `padded` allows, then as short as that many spans allow."""
    count = len(_spans(length, padded, halo))
    return _spans(length, min(padded, _padded_for(length, count, halo)), halo)


def _smallest_padded(halo: int) -> int:
    return SMALLEST_TILE + 2 * halo


def _smallest_area(height: int, width: int, halo: int) -> int:
    return min(height, _smallest_padded(halo)) * min(width, _smallest_padded(halo))


def _padded_for(length: int, count: int, halo: int) -> int:
    """The smallest padded size with which `count` spans cover `length`."""
    padded = max(_smallest_padded(halo), -(-(length + 2 * halo * (count - 1)) // count))
    while padded < length and len(_spans(length, padded, halo)) > count:
        padded += 1
    return min(padded, length)


def _spans(length: int, padded: int, halo: int) -> tuple[Span, ...]:
    """Cover [0, length) with spans of one size, at most `padded`, that overlap by at least 2·`halo`."""
    if length <= padded:
        return (Span(0, length, 0, length),)
    size = padded - (padded - length) % GRID_STEP
    stride = (size - 2 * halo) // GRID_STEP  # in grid steps
    assert stride >= 1, "SMALLEST_TILE leaves a stride of at least one grid step"
    assert size >= SMALLEST_SIDE or size == length
    steps = (length - size) // GRID_STEP
    count = 1 + -(-steps // stride)
    starts = [GRID_STEP * (steps * i // (count - 1)) for i in range(count)]
    cuts = [
        0,
        *((start + previous + size) // 2 for previous, start in pairwise(starts)),
        length,
    ]
    return tuple(Span(s, s + size, cuts[i], cuts[i + 1]) for i, s in enumerate(starts))
