import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripfdn_cli.errors import OutOfMemoryError, UsageError
from ripfdn_cli.model.architecture import GRID_STEP, SMALLEST_SIDE
from ripfdn_cli.model.tile_grid import (
    DEFAULT_HALO,
    EXACT_HALO,
    SMALLEST_TILE,
    Span,
    TileGrid,
    fixed_grid,
    planned_grid,
    whole_grid,
)

SIDES = st.integers(SMALLEST_SIDE, 3000)
HALOS = st.sampled_from([0, 5, 16, DEFAULT_HALO, EXACT_HALO])


def check_axis(spans: tuple[Span, ...], length: int, halo: int) -> None:
    assert spans[0].start == 0
    assert spans[-1].stop == length
    assert [span.keep_start for span in spans] == [0, *(span.keep_stop for span in spans[:-1])]
    assert spans[-1].keep_stop == length
    assert len({span.size for span in spans}) == 1, "tiles of one size, so that an engine compiles once"
    for span in spans:
        assert span.start % GRID_STEP == 0
        assert span.size >= SMALLEST_SIDE
        assert span.keep_start < span.keep_stop
        assert span.start == 0 or span.keep_start - span.start >= halo
        assert span.stop == length or span.stop - span.keep_stop >= halo


def smallest_side(length: int, halo: int) -> int:
    """The least padded side that starts and ends where the picture's grid allows."""
    allowed = (side for side in range(SMALLEST_TILE + 2 * halo, length) if (length - side) % GRID_STEP == 0)
    return next(allowed, length)


def check_grid(grid: TileGrid, halo: int) -> None:
    check_axis(grid.rows, grid.height, halo)
    check_axis(grid.columns, grid.width, halo)
    assert len(list(grid)) == len(grid)


@given(SIDES, SIDES, st.integers(SMALLEST_TILE, 700), HALOS)
def test_fixed_tiles_cover_the_picture_with_full_halos(height: int, width: int, tile: int, halo: int) -> None:
    grid = fixed_grid(height, width, tile=tile, halo=halo)
    check_grid(grid, halo)
    assert grid.tile_height <= max(tile + 2 * halo, 0)
    assert grid.tile_width <= tile + 2 * halo


@given(SIDES, SIDES, HALOS, st.integers(0, 2_000_000))
def test_planned_tiles_cover_the_picture_within_the_budget(
    height: int, width: int, halo: int, area: int
) -> None:
    if area < smallest_side(height, halo) * smallest_side(width, halo):
        with pytest.raises(OutOfMemoryError, match=f"{width}×{height}"):
            planned_grid(height, width, halo=halo, largest_tile=area)
        return
    grid = planned_grid(height, width, halo=halo, largest_tile=area)
    check_grid(grid, halo)
    assert grid.tile_height * grid.tile_width <= area
    assert (len(grid) == 1) == (height * width <= area)


@given(SIDES, SIDES, st.integers(100_000, 1_000_000))
def test_planning_beats_every_square_tile_of_the_budget(height: int, width: int, area: int) -> None:
    planned = planned_grid(height, width, halo=48, largest_tile=area)
    square = fixed_grid(height, width, tile=int(area**0.5) - 96, halo=48)
    assert planned.computed_pixels <= square.computed_pixels


def test_a_picture_that_fits_is_not_tiled() -> None:
    assert planned_grid(1000, 1000, halo=48, largest_tile=1_000_000) == whole_grid(1000, 1000)


def test_a_wide_strip_is_cut_across_only() -> None:
    grid = planned_grid(200, 40_000, halo=48, largest_tile=1_000_000)
    assert len(grid.rows) == 1


@pytest.mark.parametrize("tile", [0, -1, SMALLEST_TILE - 1])
def test_tiles_too_small_are_refused(tile: int) -> None:
    with pytest.raises(UsageError, match=f"`tile` {tile}"):
        fixed_grid(100, 100, tile=tile, halo=48)


def test_negative_halo_is_refused() -> None:
    with pytest.raises(UsageError, match="`halo` -1"):
        planned_grid(100, 100, halo=-1, largest_tile=10)


def test_a_tile_knows_what_it_keeps_and_where_it_lies() -> None:
    grid, picture = fixed_grid(400, 300, tile=64, halo=48), np.arange(400 * 300).reshape(400, 300)
    whole, pasted = whole_grid(400, 300), np.zeros_like(picture)
    (whole_tile,) = whole
    for tile in grid:
        top, bottom, left, right = tile.keep
        part = picture[tile.rows.read, tile.columns.read][top:bottom, left:right]
        pasted[tile.rows.keep_start :, tile.columns.keep_start :][: bottom - top, : right - left] += part
        # The same weights of the pooled map as in the whole picture, counted from where the tile begins.
        first, kept = tile.rows.start // GRID_STEP, slice(tile.rows.keep_start, tile.rows.keep_stop)
        weights = grid.geometry(tile).rows
        expected = whole.geometry(whole_tile).rows[kept, first : first + weights.shape[1]]
        np.testing.assert_allclose(weights[top:bottom], expected, atol=1e-6)
    assert (pasted == picture).all()
