import numpy as np
import pytest
from skimage.registration import phase_cross_correlation

from ripfdn_cli.image_math.phase_correlation import shift_between


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise that falls off with frequency, as pictures do."""
    noise = np.fft.fft2(np.random.default_rng(seed).standard_normal((height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    return np.asarray(np.fft.ifft2(noise / (frequency + 0.02)).real)


def moved(picture: np.ndarray, down: float, right: float) -> np.ndarray:
    """By the shift theorem, all around."""
    rows, columns = (np.fft.fftfreq(side) for side in picture.shape)
    phase = np.exp(-2j * np.pi * (rows[:, None] * down + columns[None, :] * right))
    return np.asarray(np.fft.ifft2(np.fft.fft2(picture) * phase).real)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -2), (-0.4, 0.7), (2.5, 0), (-5.3, -6.1)])
def test_a_known_shift_is_found(down: float, right: float) -> None:
    picture = texture(61, 80)
    shift = shift_between(moved(picture, down, right), picture)
    assert shift.certain
    assert (shift.down, shift.right) == pytest.approx((down, right), abs=0.15)


def test_it_agrees_with_scikit_image() -> None:
    picture = texture(90, 70)[10:80, 8:64]
    other = texture(90, 70)[7:77, 10:66] + 0.05 * texture(70, 56, seed=5)
    shift = shift_between(other, picture)
    (down, right), *_ = phase_cross_correlation(other, picture, upsample_factor=10)
    assert (shift.down, shift.right) == pytest.approx((down, right), abs=0.15)
    assert (round(shift.down), round(shift.right)) == (3, -2)


def test_of_large_pictures_the_middle_is_enough() -> None:
    """Of 3,000 columns the middle 1,000 show the same, moved; the others nothing alike."""
    picture = texture(40, 3000)
    other = texture(40, 3000, seed=7)
    other[:, 1000:2000] = moved(picture, 0, 4)[:, 1000:2000]
    for turned in (False, True):
        shift = shift_between(other.T, picture.T) if turned else shift_between(other, picture)
        assert shift.certain
        assert (shift.down, shift.right) == pytest.approx((4, 0) if turned else (0, 4), abs=0.15)


@pytest.mark.parametrize("seed", range(1, 6))
def test_of_different_pictures_nothing_is_certain(seed: int) -> None:
    assert not shift_between(texture(64, 64), texture(64, 64, seed)).certain


def test_of_an_even_picture_nothing_is_certain() -> None:
    assert not shift_between(np.full((20, 30), 7.0), texture(20, 30)).certain
    assert not shift_between(np.full((20, 30), 7.0), np.zeros((20, 30))).certain
