"""Which rectangles of a picture to read, run and paste, so that the result equals the untiled one. Integers
only.

Every tile starts at a multiple of the network's grid step, all tiles of a grid have one size (an engine
compiles once), and the last tile ends where the picture ends. That works because the size is congruent to the
picture's side modulo the step.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ripfdn_cli.arguments import whole_number
from ripfdn_cli.errors import OutOfMemoryError, UsageError
from ripfdn_cli.model.architecture import GRID_STEP, AttentionGeometry, attention_geometry

DEFAULT_HALO = 48
"""Pixels of context on each side: at most one 8-bit level from the untiled picture, on 0.0034 % of samples in
fp32 and 2.9 % in bf16 (README.md).
"""
EXACT_HALO = 96
"""Pixels of context with which only rounding of float32 remains."""
SMALLEST_TILE = 24
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
        """Pixels that are read."""
        return self.stop - self.start

    @property
    def read(self) -> slice:
        """What is read of the picture."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Tile:
    """What a tile reads and keeps, along both axes."""

    rows: Span
    columns: Span

    @property
    def keep(self) -> tuple[int, int, int, int]:
        """What is kept: (top, bottom, left, right) in input pixels of the tile."""
        top, left = self.rows.start, self.columns.start
        return (
            self.rows.keep_start - top,
            self.rows.keep_stop - top,
            self.columns.keep_start - left,
            self.columns.keep_stop - left,
        )


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

    def geometry(self, tile: Tile) -> AttentionGeometry:
        """Where `tile` lies in the picture, as the network's attention needs to know."""
        return attention_geometry(
            height=self.height,
            width=self.width,
            top=tile.rows.start,
            left=tile.columns.start,
            tile_height=tile.rows.size,
            tile_width=tile.columns.size,
        )

    @property
    def tile_height(self) -> int:
        """Of every tile, halo included."""
        return self.rows[0].size

    @property
    def tile_width(self) -> int:
        """Of every tile, halo included."""
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
    halo = checked_halo(halo)
    padded = tile + 2 * halo
    return TileGrid(height, width, _spans(height, padded, halo), _spans(width, padded, halo))


def planned_grid(height: int, width: int, *, halo: int, largest_tile: int) -> TileGrid:
    """The grid that computes fewest pixels with no tile of more than `largest_tile` pixels (area, halo
    included).

    The picture is not tiled where it fits. Raises OutOfMemoryError where not even the smallest tile fits.
    """
    halo = checked_halo(halo)
    if height * width <= largest_tile:
        return whole_grid(height, width)
    rows, columns = _axis_options(height, halo), _axis_options(width, halo)
    pairs = [
        (row, column)
        for column in columns
        if (row := _largest_within(rows, largest_tile // column.size)) is not None
    ]
    if not pairs:
        raise OutOfMemoryError(
            f"a {width}×{height} picture needs tiles of at least {rows[-1].size * columns[-1].size} px, and "
            f"the memory budget allows {largest_tile}; raise `memory`, or lower `halo`"
        )
    row, column = min(
        pairs, key=lambda pair: (pair[0].computed * pair[1].computed, pair[0].count * pair[1].count)
    )
    return TileGrid(height, width, _spans(height, row.size, halo), _spans(width, column.size, halo))


def check_tile(tile: int) -> None:
    """Raises UsageError for a `tile` that is too small."""
    if tile < SMALLEST_TILE:
        raise UsageError(f"`tile` {tile} is smaller than {SMALLEST_TILE} px, the smallest tile")


def checked_halo(halo: int) -> int:
    """`halo` as an int. Raises UsageError where it is negative, or no whole number."""
    if (pixels := whole_number("halo", halo, " of pixels")) < 0:
        raise UsageError(f"`halo` {halo} is negative; {DEFAULT_HALO} is the default, {EXACT_HALO} is exact")
    return pixels


@dataclass(frozen=True)
class _AxisOption:
    """`count` spans of `size` px cover one axis."""

    size: int
    count: int

    @property
    def computed(self) -> int:
        return self.size * self.count


def _axis_options(length: int, halo: int) -> list[_AxisOption]:
    """For each number of spans that makes sense the shortest that cover `length`, longest first."""
    shortest: dict[int, int] = {1: length}
    least = SMALLEST_TILE + 2 * halo
    for size in range(length - GRID_STEP, least - 1, -GRID_STEP):
        shortest[_span_count(length, size, halo)] = size
    return [_AxisOption(size, count) for count, size in sorted(shortest.items())]


def _largest_within(options: list[_AxisOption], size: int) -> _AxisOption | None:
    """The longest of `options`, which are sorted longest first, that is at most `size`."""
    index = bisect_left(options, -size, key=lambda option: -option.size)
    return options[index] if index < len(options) else None


def _span_count(length: int, size: int, halo: int) -> int:
    stride = (size - 2 * halo) // GRID_STEP  # in grid steps
    return 1 + -(-(length - size) // GRID_STEP // stride)


def _spans(length: int, padded: int, halo: int) -> tuple[Span, ...]:
    """Cover [0, length) with spans of one size, at most `padded`, that overlap by at least 2·`halo`."""
    if length <= padded:
        return (Span(0, length, 0, length),)
    size = padded - (padded - length) % GRID_STEP
    steps, count = (length - size) // GRID_STEP, _span_count(length, size, halo)
    starts = [GRID_STEP * (steps * i // (count - 1)) for i in range(count)]
    cuts = [0, *((start + previous + size) // 2 for previous, start in pairwise(starts)), length]
    return tuple(Span(s, s + size, cuts[i], cuts[i + 1]) for i, s in enumerate(starts))
