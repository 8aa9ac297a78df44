import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.picture import (
    as_rgb,
    as_samples,
    check_size,
    is_opaque,
    without_alpha,
)


def column(values: list[float], dtype: str) -> np.ndarray:
    return np.array(values, dtype).reshape(-1, 1, 1)


@pytest.mark.parametrize(
    ("source", "values", "target", "expected"),
    [
        ("uint8", [0, 1, 128, 255], "uint16", [0, 257, 32896, 65535]),
        ("uint16", [0, 128, 129, 32896, 65406, 65407, 65535], "uint8", [0, 0, 1, 128, 254, 255, 255]),
        ("uint8", [0, 51, 255], "float32", [0, 0.2, 1]),
        ("uint16", [0, 13107, 65535], "float32", [0, 0.2, 1]),
        ("float32", [-1, 0, 0.2, 0.5, 1, 7], "uint8", [0, 0, 51, 128, 255, 255]),
        ("float32", [-1, 0, 0.2, 1, 7], "uint16", [0, 0, 13107, 65535, 65535]),
    ],
)
def test_samples_keep_their_meaning(
    source: str, values: list[float], target: str, expected: list[float]
) -> None:
    result = as_samples(column(values, source), target)
    assert result.dtype == np.dtype(target)
    np.testing.assert_allclose(result.ravel(), expected, rtol=1e-6)


@given(st.integers(0, 65535))
def test_eight_bits_are_the_nearest_to_sixteen(value: int) -> None:
    result = int(as_samples(column([value], "uint16"), "uint8")[0, 0, 0])
    assert abs(result * 257 - value) <= 128


@given(st.integers(0, 255))
def test_sixteen_bits_and_back_is_the_same(value: int) -> None:
    start = column([value], "uint8")
    assert as_samples(as_samples(start, "uint16"), "uint8")[0, 0, 0] == value
    assert as_samples(as_samples(start, "float32"), "uint8")[0, 0, 0] == value


def test_a_half_transparent_pixel_is_half_background() -> None:
    frame = np.array([[[200, 100, 0, 128], [200, 100, 0, 255], [9, 9, 9, 0]]], np.uint8)
    mixed = without_alpha(frame, (0, 0, 255))
    assert mixed.tolist() == [[[100, 50, 127], [200, 100, 0], [0, 0, 255]]]


def test_grey_stays_grey_on_a_grey_background_and_becomes_rgb_on_a_coloured_one() -> None:
    frame = np.array([[[200, 0]]], np.uint8)
    assert without_alpha(frame, (90, 90, 90)).tolist() == [[[90]]]
    assert without_alpha(frame, (90, 80, 70)).tolist() == [[[90, 80, 70]]]


def test_opaque_is_only_what_is_full_everywhere() -> None:
    frame = np.full((4, 4, 4), 255, np.uint8)
    assert is_opaque(frame)
    frame[3, 3, 3] = 254
    assert not is_opaque(frame)
    assert is_opaque(np.zeros((4, 4, 3), np.uint8))
    assert not is_opaque(np.full((4, 4, 2), 255, np.uint16))


def test_alpha_stays_last_when_grey_becomes_rgb() -> None:
    assert as_rgb(np.array([[[7, 9]]], np.uint8)).tolist() == [[[7, 7, 7, 9]]]


@pytest.mark.parametrize(
    ("width", "height", "frames"), [(0, 5, 1), (5, 0, 1), (5, 5, 0), (11, 10, 1), (5, 5, 5)]
)
def test_sizes_out_of_bounds(width: int, height: int, frames: int) -> None:
    with pytest.raises(InputError):
        check_size(width, height, frames, 100)
    check_size(10, 10, 1, 100)
