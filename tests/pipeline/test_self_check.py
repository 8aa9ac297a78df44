import numpy as np
import pytest
from numpy.typing import NDArray
from support.sample_pictures import smooth

from ripfdn_cli.errors import BrokenResultError
from ripfdn_cli.pictures.picture import as_samples
from ripfdn_cli.pictures.resampling import resize
from ripfdn_cli.pipeline.self_check import check_result

SCALES = [2, 3, 4]


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
    check_result(source, as_samples(enlarged(texture(), scale), samples), scale)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 5), (8, 8), (17, 64), (65, 3), (200, 9)])
def test_pictures_of_any_size_pass(size: tuple[int, int]) -> None:
    source = texture(*size)
    check_result(source, enlarged(source, 2), 2)


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


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_pictures_pass(name: str) -> None:
    check_result(EXTREMES[name], enlarged(EXTREMES[name], 4), 4)


def test_a_denoised_result_passes() -> None:
    """A network that takes grain for noise shows the picture all the same."""
    grain = np.random.default_rng(0).normal(0, 25, (96, 80, 3))
    source = np.clip(smooth(96, 80) + grain, 0, 255).astype(np.uint8)
    check_result(source, enlarged(smooth(96, 80), 4), 4)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shift", [(1, 0), (-1, 0), (0, 1), (0, -1), (2, 3), (0, -3)])
def test_a_shift_by_input_pixels_is_found(scale: int, shift: tuple[int, int]) -> None:
    """Cut from one large picture, so that no seam gives it away; too faint for means of blocks to differ."""
    whole = 96 + texture(128, 112) // 4
    larger = enlarged(whole, scale)
    top, left = scale * (16 + shift[0]), scale * (16 + shift[1])
    source, shifted = whole[16:112, 16:96], larger[top : top + scale * 96, left : left + scale * 80]
    with pytest.raises(BrokenResultError, match="shifted"):
        check_result(source, shifted, scale)
    check_result(source, larger[16 * scale : 112 * scale, 16 * scale : 96 * scale], scale)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("name", ["noise", "stripes", "squares", "dots"])
def test_one_colour_is_no_result(name: str, level: int) -> None:
    source = EXTREMES[name]
    with pytest.raises(BrokenResultError):
        check_result(source, np.full((256, 256, 3), level, np.uint8), 4)


@pytest.mark.parametrize("tile", [(0, 0), (64, 32), (160, 240)])
def test_a_black_or_foreign_tile_is_found(tile: tuple[int, int]) -> None:
    """What other programs paste where a tile failed: nothing, or the tile before."""
    source = texture(256, 320)
    result = enlarged(source, 2)
    place = slice(2 * tile[0], 2 * tile[0] + 128), slice(2 * tile[1], 2 * tile[1] + 128)
    for wrong in (np.zeros((128, 128, 3), np.uint8), np.roll(result, 130, (0, 1))[place]):
        broken = result.copy()
        broken[place] = wrong
        with pytest.raises(BrokenResultError, match=r"differs from its input by|shifted or broken"):
            check_result(source, broken, 2)


def test_the_message_says_where() -> None:
    source = texture()
    broken = enlarged(source, 4)
    broken[4 * 40 : 4 * 48, 4 * 64 : 4 * 72] = 0
    with pytest.raises(BrokenResultError, match=r"around row \d+, column 64 of the input"):
        check_result(source[32:], broken[128:], 4)


def test_swapped_colours_are_found() -> None:
    source = np.stack([texture()[..., 0] // 2, texture()[..., 1], texture()[..., 2] // 4], axis=2)
    with pytest.raises(BrokenResultError):
        check_result(source, np.ascontiguousarray(enlarged(source, 4)[..., ::-1]), 4)


def test_what_is_no_number_is_found() -> None:
    source = as_samples(texture(), "float32")
    result = as_samples(enlarged(texture(), 2), "float32")
    result[70, 70] = np.nan
    with pytest.raises(BrokenResultError):
        check_result(source[32:], result[64:], 2)


def test_high_dynamic_range_is_measured_by_its_own_range() -> None:
    source = as_samples(texture(), "float32") * 50
    result = as_samples(enlarged(texture(), 2), "float32") * 50
    check_result(source, result, 2)
    with pytest.raises(BrokenResultError):
        check_result(source, np.zeros_like(result), 2)
