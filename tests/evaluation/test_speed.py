import numpy as np
import pytest

from ripfdn_cli.evaluation.speed import sky_differences, sky_picture, textured_picture


def test_textured_picture_uses_the_range_and_repeats() -> None:
    picture = textured_picture(40, 60)
    assert picture.shape == (40, 60, 3)
    assert picture.dtype == np.float32
    assert picture.min() < 0.1
    assert picture.max() > 0.9
    assert picture.max() <= 1
    np.testing.assert_array_equal(picture, textured_picture(40, 60))


def test_differences_on_a_sky_tell_a_shift_from_noise() -> None:
    sky = sky_picture(30, 40)
    assert sky.dtype == np.uint8
    assert (sky.shape, sky.max()) == ((30, 40, 3), 245)
    assert np.abs(np.diff(sky.astype(int), axis=0)).max() <= 2
    shifted, noisy = sky.copy(), sky.copy()
    shifted[..., 1] -= 2
    noisy[::2] += 1
    noisy[1::2] -= 1
    assert sky_differences(shifted, sky) == pytest.approx((2, 2 / 3**0.5))
    assert sky_differences(noisy, sky) == pytest.approx((0, 1))
