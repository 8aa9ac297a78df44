"""Values outside of 0..1, judged by formulas and by what the network makes of a picture in range."""

import numpy as np
import pytest
from numpy.typing import NDArray
from support.small_inputs import photograph

from ripfdn_cli.image_math.value_range import ValueRange
from ripfdn_cli.upscaler import Upscaler

PHOTOGRAPH = photograph(40, 56).astype(np.float32) / np.float32(255)
RAMP = np.linspace(0, 1, 40 * 56 * 3, dtype=np.float32).reshape(40, 56, 3)


def range_of(values: NDArray[np.float32]) -> ValueRange:
    found = ValueRange.beyond_unit(values)
    assert found is not None
    return found


def test_values_in_range_are_left_alone() -> None:
    assert ValueRange.beyond_unit(RAMP) is None
    assert ValueRange.beyond_unit(RAMP[:20]) is None
    assert ValueRange.beyond_unit(RAMP / 20) is not None


@pytest.mark.parametrize(("factor", "offset"), [(7.84, 0), (5100, 100), (2, -1), (1, 1e4), (1e30, 0)])
def test_a_change_of_unit_changes_nothing(factor: float, offset: float) -> None:
    twice = 2 * PHOTOGRAPH
    first = range_of(twice).to_unit(twice)
    other = (PHOTOGRAPH.astype(np.float64) * factor + offset).astype(np.float32)
    tolerance = 1e-5 + 4e-7 * abs(offset / factor)
    np.testing.assert_allclose(range_of(other).to_unit(other), first, atol=tolerance)


@pytest.mark.parametrize(("low", "high"), [(100, 5200), (-1000, 3000), (-0.001, 1), (0, 7.84)])
def test_values_spread_evenly_are_laid_almost_linearly_and_taken_back(low: float, high: float) -> None:
    values = low + (high - low) * RAMP
    found = range_of(values)
    unit = found.to_unit(values)
    np.testing.assert_allclose(unit, RAMP, atol=0.02)
    np.testing.assert_allclose(found.from_unit(unit), values, atol=1e-5 * (high - low))


def test_beyond_the_range_there_is_nothing() -> None:
    found = range_of(100 + 5100 * RAMP)
    beyond = found.from_unit(np.array([-0.2, 1.3], np.float32))
    np.testing.assert_allclose(beyond, [100, 5200], rtol=1e-6)


@pytest.mark.parametrize("value", [-3.0, 7.0, 3e38])
def test_a_picture_of_one_value_stays_one(value: float) -> None:
    values = np.full((8, 8, 3), value, np.float32)
    found = range_of(values)
    np.testing.assert_array_equal(found.from_unit(found.to_unit(values)), values)


def test_a_few_values_among_equal_ones() -> None:
    values = np.zeros((40, 40, 1), np.float32)
    values[3, 4:8, 0] = (1, 10, 100, 1000)
    found = range_of(values)
    unit = found.to_unit(values)
    np.testing.assert_allclose(found.from_unit(unit), values, rtol=1e-4, atol=1e-3)
    assert np.diff(unit[3, 3:8, 0]).min() > 0.02


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("x4", engine="torch", device="cpu", precision="fp32", threads=1)


@pytest.mark.parametrize(("factor", "offset"), [(7.84, 0), (5100, 100), (4000, -1000), (0.01, 0)])
def test_a_picture_comes_out_alike_whatever_its_unit(
    upscaler: Upscaler, factor: float, offset: float
) -> None:
    expected = upscaler.upscale(PHOTOGRAPH) * factor + offset
    values = PHOTOGRAPH * np.float32(factor) + np.float32(offset)
    result = upscaler.upscale(values)
    assert result.dtype == np.float32
    assert values.min() <= result.min()
    assert result.max() <= values.max()
    assert np.sqrt(np.mean((result - expected) ** 2)) < 0.01 * factor


def test_the_sun_does_not_spoil_what_is_around_it(upscaler: Upscaler) -> None:
    """20,000 times as bright as white: away from it the picture is as it is without."""
    sunny = PHOTOGRAPH.copy()
    sunny[4:10, 4:10] = 20_000
    expected, result = upscaler.upscale(PHOTOGRAPH), upscaler.upscale(sunny)
    assert result.min() >= 0
    assert result.max() <= 20_000
    away = np.ones(result.shape[:2], bool)
    away[:80, :80] = False
    assert np.sqrt(np.mean((result - expected)[away] ** 2)) < 0.02
    assert result[24:32, 24:32].min() > 10_000


def test_other_floats_keep_their_type(upscaler: Upscaler) -> None:
    for samples in (np.float16, np.float64):
        result = upscaler.upscale((100 * PHOTOGRAPH).astype(samples))
        assert result.dtype == samples
        assert result.min() >= 0
        assert result.max() <= 100


def test_no_value_overshoots_what_is_around_it(upscaler: Upscaler) -> None:
    """Lamps of different brightness, one far from the other: each stays about as bright as it is."""
    night = np.full((40, 56, 3), 0.01, np.float32)
    for place, lamp in ((8, 30.0), (24, 1000.0), (40, 20_000.0)):
        night[16:20, place : place + 4] = lamp
    result = upscaler.upscale(night)
    for place, lamp in ((8, 30.0), (24, 1000.0), (40, 20_000.0)):
        around = result[40:104, 4 * place - 16 : 4 * place + 32]
        assert 0.9 * lamp < around.max() <= 1.1 * lamp
        assert around.min() >= 0
