from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.sample_pictures import smooth

from ripfdn_cli.model.tile_grid import Span, TileGrid, whole_grid
from ripfdn_cli.pictures.picture import as_samples
from ripfdn_cli.pictures.resampling import resize
from ripfdn_cli.pipeline.suspicions import Suspicion, suspicions

SCALES = [2, 3, 4]


def suspected(source: NDArray[Any], result: NDArray[Any], scale: int) -> list[Suspicion]:
    return suspicions(source, result, scale, whole_grid(*source.shape[:2]))


def texture(height: int = 96, width: int = 80) -> NDArray[np.uint8]:
    """Waves with grain, as photographs have it."""
    grain = np.random.default_rng(0).normal(0, 12, (height, width, 3))
    return np.clip(smooth(height, width) + grain, 0, 255).astype(np.uint8)


def enlarged(source: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """A good result: by Lanczos, which this project's networks are better than."""
    return resize(source, scale * source.shape[1], scale * source.shape[0])


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("scale", SCALES)
def test_good_results_pass(scale: int, samples: str) -> None:
    source = as_samples(texture(), samples)
    assert not suspected(source, as_samples(enlarged(texture(), scale), samples), scale)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 5), (8, 8), (17, 64), (65, 3), (200, 9)])
def test_pictures_of_any_size_pass(size: tuple[int, int]) -> None:
    source = texture(*size)
    assert not suspected(source, enlarged(source, 2), 2)


EXTREMES = {
    "noise": np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8),
    "stripes": np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None].repeat(3, axis=2),
    "squares": (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2),
    "dots": np.where(np.random.default_rng(0).random((64, 64, 1)) < 0.02, 255, 0)
    .astype(np.uint8)
    .repeat(3, axis=2),
    "black": np.zeros((64, 64, 3), np.uint8),
    "white": np.full((64, 64, 3), 255, np.uint8),
}


@pytest.mark.parametrize("name", sorted(EXTREMES.keys() - {"stripes"}))
def test_extreme_pictures_pass(name: str) -> None:
    """Stripes of single pixels, which are shown as grey or shifted by half a pixel, are looked at again."""
    assert not suspected(EXTREMES[name], enlarged(EXTREMES[name], 4), 4)


def test_a_denoised_result_passes() -> None:
    """A network that takes grain for noise shows the picture all the same."""
    grain = np.random.default_rng(0).normal(0, 25, (96, 80, 3))
    source = np.clip(smooth(96, 80) + grain, 0, 255).astype(np.uint8)
    assert not suspected(source, enlarged(smooth(96, 80), 4), 4)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shift", [(1, 0), (-1, 0), (0, 1), (0, -1), (2, 3), (0, -3)])
def test_a_shift_by_input_pixels_is_found(scale: int, shift: tuple[int, int]) -> None:
    """Cut from one large picture, so that no seam gives it away; too faint for means of blocks to differ."""
    whole = 96 + texture(128, 112) // 4
    larger = enlarged(whole, scale)
    top, left = scale * (16 + shift[0]), scale * (16 + shift[1])
    source, shifted = whole[16:112, 16:96], larger[top : top + scale * 96, left : left + scale * 80]
    assert suspected(source, shifted, scale)
    assert not suspected(source, larger[16 * scale : 112 * scale, 16 * scale : 96 * scale], scale)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("name", ["noise", "stripes", "squares", "dots"])
def test_one_colour_is_no_result(name: str, level: int) -> None:
    source = EXTREMES[name]
    assert suspected(source, np.full((256, 256, 3), level, np.uint8), 4)


@pytest.mark.parametrize("tile", [(0, 0), (64, 32), (160, 240)])
def test_a_black_or_foreign_tile_is_found(tile: tuple[int, int]) -> None:
    """What other programs paste where a tile failed: nothing, or the tile before."""
    source = texture(256, 320)
    result = enlarged(source, 2)
    place = slice(2 * tile[0], 2 * tile[0] + 128), slice(2 * tile[1], 2 * tile[1] + 128)
    for wrong in (np.zeros((128, 128, 3), np.uint8), np.roll(result, 130, (0, 1))[place]):
        broken = result.copy()
        broken[place] = wrong
        assert suspected(source, broken, 2)


def test_a_suspicion_says_where() -> None:
    source = texture()
    broken = enlarged(source, 4)
    broken[4 * 64 : 4 * 72, 4 * 64 : 4 * 72] = 0
    (found, *_) = suspected(source, broken, 4)
    assert found.rows.start <= 64 < found.rows.stop
    assert found.columns.start <= 64 < found.columns.stop


@pytest.mark.parametrize(("levels", "found"), [(15, 0), (17, 1), (-15, 0), (-17, 1)])
def test_the_mean_colour_of_a_flat_block_may_be_16_levels_off(levels: int, found: int) -> None:
    """Amid noise, beside which so little is no other picture."""
    source = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    source[16:40, 16:40] = 120
    result = source.repeat(2, axis=0).repeat(2, axis=1)
    assert not suspected(source, result, 2)
    result[48:64, 48:64] = 120 + levels
    assert [place.reason for place in suspected(source, result, 2)] == found * ["another mean colour"]


@pytest.mark.parametrize("shift", [1, 2, -1])
def test_a_shift_by_part_of_a_pixel_is_found(shift: int) -> None:
    """By 1/4 or 1/2 input pixel."""
    whole = texture(128, 112)
    larger = enlarged(whole, 4)[64 + shift : 448 + shift, 64:384]
    assert {found.reason for found in suspected(whole[16:112, 16:96], larger, 4)} == {"a shifted picture"}


def test_one_tile_of_many_is_found_by_its_own_figures() -> None:
    """A faint tile among strong ones: its misfit is nothing beside the steps of the whole picture."""
    source = texture(240, 240)
    source[72:96, 24:48] = 100 + source[72:96, 24:48] // 16
    result = enlarged(source, 2)
    grid = TileGrid(240, 240, spans(240, 24), spans(240, 24))
    assert not suspicions(source, result, 2, grid)
    result[144:192, 48:96] = np.roll(result[144:192, 48:96], 6, axis=0)
    found = suspicions(source, result, 2, grid)
    assert {(place.tile.rows.start, place.tile.columns.start) for place in found} == {(72, 24)}


def spans(side: int, tile: int) -> tuple[Span, ...]:
    return tuple(Span(start, start + tile, start, start + tile) for start in range(0, side, tile))


def test_swapped_colours_are_found() -> None:
    source = np.stack([texture()[..., 0] // 2, texture()[..., 1], texture()[..., 2] // 4], axis=2)
    assert suspected(source, np.ascontiguousarray(enlarged(source, 4)[..., ::-1]), 4)


def test_what_is_no_number_is_found() -> None:
    source = as_samples(texture(), "float32")
    result = as_samples(enlarged(texture(), 2), "float32")
    result[70, 70] = np.nan
    assert suspected(source[32:], result[64:], 2)


def test_high_dynamic_range_is_measured_by_its_own_range() -> None:
    source = as_samples(texture(), "float32") * 50
    result = as_samples(enlarged(texture(), 2), "float32") * 50
    assert not suspected(source, result, 2)
    assert suspected(source, np.zeros_like(result), 2)
