import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from support.small_inputs import photograph

from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.training.degradation_recipes import (
    RECIPES,
    Blur,
    Noise,
    Recipe,
    Resize,
    Ringing,
    Save,
    Sharpen,
    Step,
    named_recipe,
)
from ripfdn_cli.training.degrade import degrade, draw_degradation
from ripfdn_cli.training.patches import generator
from ripfdn_cli.training.recipe_degradation import degrade_by_recipe, degraded

HR = photograph(64, 96, seed=2)
INSIDE = (slice(4, -4), slice(4, -4))


def made(*steps: Step, hr: np.ndarray = HR, scale: int = 4, seed: int = 0, **others: Any) -> np.ndarray:
    return degrade_by_recipe(hr, scale, Recipe(steps, **others), generator(seed, 1, 0)).astype(float)


def test_what_no_step_has_shrunk_is_shrunk_by_bicubic() -> None:
    step = Noise(sigma=(9, 9))
    assert np.abs(made(step, untouched=1.0) - imresize(HR, 0.25)).max() <= 1
    assert np.abs(made(Noise(0.0, sigma=(9, 9))) - imresize(HR, 0.25)).max() <= 1
    assert np.abs(made(step) - imresize(HR, 0.25)).max() > 1


def test_a_blur_is_as_wide_in_lr_pixels_whatever_the_size_it_comes_at() -> None:
    expected = imresize(ndimage.gaussian_filter(HR.astype(float), (3.2, 3.2, 0), truncate=8), 0.25)
    assert np.abs(made(Blur(sigma=(0.8, 0.8))) - expected)[INSIDE].max() <= 1
    small = imresize(HR, 0.25).astype(float)
    expected = ndimage.gaussian_filter(small, (0.8, 0.8, 0), truncate=8)
    assert np.abs(made(Resize(size=(1, 1)), Blur(sigma=(0.8, 0.8))) - expected)[INSIDE].max() <= 1


def test_an_uneven_blur_differs_by_axis() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[::2, ::2] = 255
    for seed in range(20):
        even, uneven = (
            made(Blur(sigma=(0.2, 1.0), uneven=chance), hr=stripes, scale=1, seed=seed) for chance in (0, 1)
        )
        assert (even == even.transpose(1, 0, 2)).all()
        assert (uneven != uneven.transpose(1, 0, 2)).any()


def test_sharpening_is_an_unsharp_mask() -> None:
    small = HR.astype(float)
    soft = ndimage.gaussian_filter(small, (1.5, 1.5, 0), truncate=8)
    result = made(Sharpen(amount=(0.7, 0.7), sigma=(1.5, 1.5)), scale=1)
    expected = (small + 0.7 * (small - soft)).clip(0, 255)
    assert np.abs(result - expected)[16:-16, 16:-16].max() <= 1


def test_sharpening_is_as_wide_in_lr_pixels_whatever_the_size_it_comes_at() -> None:
    large = HR / 2 + 64.0  # so that nothing is cut off at black or white
    soft = ndimage.gaussian_filter(large, (3.2, 3.2, 0), truncate=8)
    result = made(Sharpen(amount=(0.7, 0.7), sigma=(0.8, 0.8)), hr=large.astype(np.uint8))
    expected = imresize(large + 0.7 * (large - soft), 0.25)
    assert np.abs(result - expected)[INSIDE].max() <= 2


def test_ringing_takes_the_frequencies_above_its_cutoff_and_overshoots() -> None:
    edge = np.full((64, 64, 3), 60, np.uint8)
    edge[:, 32:] = 180
    result = made(Ringing(cutoff=(0.5, 0.5)), hr=edge, scale=1)
    assert result.max() > 185
    assert result.min() < 55
    impulse = np.zeros((64, 64, 3), np.uint8)
    impulse[32, 32] = 255
    shown = made(Ringing(cutoff=(0.5, 0.5)), hr=128 + impulse // 4, scale=1)
    spectrum = np.abs(np.fft.fft2(shown[..., 0] - 128))
    assert spectrum[0, 24:32].max() < 0.25 * spectrum[0, 1:10].min()  # 16 is half of the highest frequency


def test_order_counts() -> None:
    """Noise before a shrink is averaged away, noise after it is not."""
    grey = np.full((256, 256, 3), 128, np.uint8)
    noise, shrink = Noise(sigma=(20, 20)), Resize(size=(1, 1), kernels=("box",))
    before, after = made(noise, shrink, hr=grey), made(shrink, noise, hr=grey)
    assert before.std() == pytest.approx(5, rel=0.1)
    assert after.std() == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("grey", [0.0, 1.0])
def test_noise_is_that_of_a_sensor(grey: float) -> None:
    flat = np.full((256, 256, 3), 64, np.uint8)
    noisy = made(Noise(sigma=(6, 6), photons=(16, 16), grey=grey), hr=flat, scale=1)
    assert noisy.std() == pytest.approx(np.hypot(6, 16 * (64 / 255) ** 0.5), rel=0.04)
    assert (noisy[..., 0] == noisy[..., 1]).all() == bool(grey)


def test_a_picture_is_resized_by_pillows_kernels() -> None:
    result = made(Resize(size=(1.5, 1.5), kernels=("lanczos",)), Resize(size=(1, 1), kernels=("box",)))
    way = Image.fromarray(HR).resize((36, 24), Image.Resampling.LANCZOS)
    expected = np.asarray(way.resize((24, 16), Image.Resampling.BOX), float)
    assert np.abs(result - expected).max() <= 2  # it rounds each axis of each


def test_files_are_chosen_as_often_as_they_are_named() -> None:
    small = imresize(HR, 0.25)
    possible = {kind: saved(small, kind) for kind in ("WEBP", "4:2:0", "4:2:2", "4:4:4")}
    kinds = []
    for seed in range(60):
        result = made(Save(quality=(50, 50), formats=("JPEG", "JPEG", "WEBP")), hr=small, scale=1, seed=seed)
        kinds += [kind for kind, pixels in possible.items() if (result == pixels).all()]
    assert len(kinds) == 60
    assert 10 <= kinds.count("WEBP") <= 30
    assert set(kinds) == possible.keys()


def saved(pixels: np.ndarray, kind: str) -> np.ndarray:
    stream = io.BytesIO()
    if kind == "WEBP":
        Image.fromarray(pixels).save(stream, "WEBP", quality=50)
    else:
        Image.fromarray(pixels).save(stream, "JPEG", quality=50, subsampling=kind)
    return np.asarray(Image.open(stream).convert("RGB"))


@pytest.mark.parametrize("name", RECIPES)
def test_every_preset_degrades_repeatably_and_not_beyond_recognition(name: str) -> None:
    hr = photograph(128, 128, seed=3)
    clean = imresize(hr, 0.25).astype(float)
    errors = []
    for step in range(24):
        lr, again = (degraded(hr, 4, name, generator(0, 1, step)) for _ in range(2))
        assert lr.shape == (32, 32, 3)
        assert lr.dtype == np.uint8
        np.testing.assert_array_equal(lr, again)
        errors.append(np.sqrt(np.mean((lr - clean) ** 2)))
    assert 3 < np.median(errors) < 40
    assert len({round(float(error), 3) for error in errors}) > 15
    assert len(named_recipe(name).steps) >= 6


def test_mild_and_wild_are_drawn_as_before() -> None:
    for kind in ("mild", "wild"):
        for step in range(5):
            random = generator(0, 1, step)
            expected = degrade(HR, 4, draw_degradation(random, 4, kind), random)
            np.testing.assert_array_equal(degraded(HR, 4, kind, generator(0, 1, step)), expected)
