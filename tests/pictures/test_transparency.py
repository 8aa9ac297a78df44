import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripfdn_cli.pictures.transparency import bleed, limit


def disc() -> tuple[np.ndarray, np.ndarray]:
    """A green disc on nothing, over rubbish in bright red."""
    rows, columns = np.mgrid[0:33, 0:41]
    alpha = np.where((rows - 16) ** 2 + (columns - 20) ** 2 < 100, 255, 0).astype(np.uint8)
    colours = np.where(alpha[..., None] > 0, (10, 200, 30), (255, 0, 0)).astype(np.uint8)
    return colours, alpha


def test_hidden_colours_come_from_the_visible_around_them() -> None:
    colours, alpha = disc()
    np.testing.assert_allclose(bleed(colours, alpha), np.broadcast_to((10, 200, 30), colours.shape), atol=1)


def test_visible_colours_stay_exactly() -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (33, 41, 3), dtype=np.uint8)
    alpha = rng.choice(np.array([0, 0, 0, 1, 128, 255], np.uint8), (33, 41))
    result = bleed(colours, alpha)
    np.testing.assert_array_equal(result[alpha > 0], colours[alpha > 0])
    assert (result[alpha == 0] != colours[alpha == 0]).any()


@pytest.mark.parametrize("value", [0, 255])
def test_nothing_to_bleed_changes_nothing(value: int) -> None:
    colours, alpha = disc()
    assert bleed(colours, np.full_like(alpha, value)) is colours


def test_colours_stay_near_their_source() -> None:
    """Left of the gap red, right of it blue: hidden pixels take after the nearer."""
    colours = np.zeros((8, 64, 3), np.uint8)
    alpha = np.zeros((8, 64), np.uint8)
    colours[:, :8], colours[:, -8:] = (255, 0, 0), (0, 0, 255)
    alpha[:, :8] = alpha[:, -8:] = 255
    result = bleed(colours, alpha)
    assert result[4, 10].tolist() == [255, 0, 0]
    assert result[4, -10].tolist() == [0, 0, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_sample_type(dtype: type[np.number]) -> None:
    colours = np.zeros((9, 9, 1), dtype)
    alpha = np.zeros((9, 9), dtype)
    colours[4, 4], alpha[4, 4] = 1, 1
    result = bleed(colours, alpha)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.ones_like(result))


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([2, 3, 4]), st.integers(0, 99))
def test_alpha_stays_within_its_surroundings(height: int, width: int, scale: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = rng.choice(np.array([0, 100, 255], np.uint8), (height, width), p=[0.4, 0.2, 0.4])
    wild = rng.integers(0, 256, (scale * height, scale * width), dtype=np.uint8)
    result = limit(wild, source, scale)
    for row in range(height):
        for column in range(width):
            around = source[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            block = result[scale * row : scale * (row + 1), scale * column : scale * (column + 1)]
            before = wild[scale * row : scale * (row + 1), scale * column : scale * (column + 1)]
            np.testing.assert_array_equal(block, np.clip(before, around.min(), around.max()))
