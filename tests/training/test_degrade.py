import io
import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.small_inputs import photograph

from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.training.degradation_recipes import RESIZE_KERNELS
from ripfdn_cli.training.degrade import (
    Degradation,
    Save,
    degrade,
    draw_degradation,
)
from ripfdn_cli.training.patches import generator

HR = photograph(64, 96, seed=2)


def made(**changes: Any) -> np.ndarray:
    return degrade(HR, 4, Degradation(**changes), generator(0, 1, 0)).astype(float)


def test_doing_nothing_is_bicubic() -> None:
    # MATLAB's rounds to 8 bit after each axis, this once.
    assert np.abs(made() - imresize(HR, 0.25)).max() <= 1


def test_blur_is_that_of_a_gaussian() -> None:
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(HR.astype(np.float64), (3.0, 1.5, 0), mode="nearest", truncate=8)
    inside = (slice(4, -4), slice(4, -4))
    difference = made(blur=(3.0, 1.5)) - imresize(blurred, 0.25)
    assert np.abs(difference[inside]).max() <= 1


@pytest.mark.parametrize("grey", [True, False])
def test_noise_has_its_sigma_and_colour(grey: bool) -> None:
    flat = np.full((256, 256, 3), 128, np.uint8)
    noise = degrade(flat, 2, Degradation(noise=8.0, grey_noise=grey), generator(0, 1, 0)).astype(float) - 128
    assert noise.std() == pytest.approx(8, rel=0.05)
    assert abs(noise.mean()) < 0.3
    assert (noise[..., 0] == noise[..., 1]).all() == grey


def test_jpeg_is_worse_the_lower_its_quality() -> None:
    errors = [np.abs(made(saves=(Save(quality),)) - made()).mean() for quality in (95, 70, 30)]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_a_detour_loses_detail_and_keeps_the_size() -> None:
    assert made(detour=0.7).shape == (16, 24, 3)
    assert np.abs(made(detour=0.7) - made()).mean() > 0.1


def test_draws_are_within_their_ranges_and_of_every_kind() -> None:
    drawn = [draw_degradation(generator(0, 1, step), 4) for step in range(500)]
    assert any(d == Degradation() for d in drawn)
    for name in ("blur", "detour", "noise", "saves"):
        differing = sum(getattr(d, name) != getattr(Degradation(), name) for d in drawn)
        assert 40 < differing < 450, name
    assert 5.5 < max(d.noise for d in drawn) <= 6
    assert 0.4 < np.mean([d.grey_noise for d in drawn if d.noise]) < 0.6
    assert {save.subsampling for d in drawn for save in d.saves} == {"4:2:0", "4:2:2", "4:4:4"}
    qualities = [save.quality for d in drawn for save in d.saves]
    assert 30 <= min(qualities) < 40
    assert 85 < max(qualities) <= 95


@pytest.mark.parametrize(("kind", "largest"), [("mild", 0.4), ("wild", 0.9)])
@pytest.mark.parametrize("scale", [2, 4])
def test_a_drawn_blur_is_as_wide_in_lr_pixels_whatever_the_scale(
    kind: str, largest: float, scale: int
) -> None:
    drawn = [draw_degradation(generator(0, 1, step), scale, kind) for step in range(800)]
    for axis in range(2):
        assert 0.9 * largest * scale < max(d.blur[axis] for d in drawn) <= largest * scale


def test_what_is_drawn_of_one_thing_says_nothing_of_another() -> None:
    """Each pair of amounts, over the patches that have both."""
    amounts = np.array([amounts_of(draw_degradation(generator(0, 1, n), 4, "wild")) for n in range(8000)])
    for one, other in combinations(amounts.T, 2):
        both = np.isfinite(one) & np.isfinite(other)
        assert both.sum() > 100
        assert abs(np.corrcoef(one[both], other[both])[0, 1]) < 0.25


def amounts_of(degradation: Degradation) -> list[float]:
    """NaN for what there is none of."""
    first, second = degradation.blur
    uneven = 0 < second != first
    qualities = [save.quality for save in degradation.saves]
    return [
        first or math.nan,
        second / first if uneven else math.nan,
        degradation.detour if degradation.detour != 1 else math.nan,
        degradation.noise or math.nan,
        degradation.photon_noise or math.nan,
        *(qualities + 2 * [math.nan])[:2],
    ]


def test_wild_pictures_have_gone_through_everything() -> None:
    drawn = [draw_degradation(generator(0, 1, step), 4, "wild") for step in range(800)]
    assert {d.shrinker for d in drawn} == set(RESIZE_KERNELS)
    assert {len(d.saves) for d in drawn} == {0, 1, 2}
    assert {(save.format, save.subsampling) for d in drawn for save in d.saves} >= {
        ("JPEG", "4:2:0"),
        ("JPEG", "4:4:4"),
        ("WEBP", "4:2:0"),
    }
    assert 11 < max(d.photon_noise for d in drawn) <= 12
    assert 5.5 < max(d.noise for d in drawn) <= 6
    assert 200 < sum(d.photon_noise > 0 for d in drawn) < 400
    assert 40 < sum(d == Degradation() for d in drawn) < 130
    assert any(d.blur[0] == d.blur[1] > 0 for d in drawn)
    assert any(d.blur[0] > d.blur[1] > 0 for d in drawn)


@pytest.mark.parametrize("shrinker", ["box", "bilinear", "lanczos"])
def test_other_kernels_are_those_of_pillow(shrinker: str) -> None:
    expected = Image.fromarray(HR).resize((24, 16), Image.Resampling[shrinker.upper()])
    assert np.abs(made(shrinker=shrinker) - np.asarray(expected, float)).max() <= 1  # it rounds each axis
    assert np.abs(made(shrinker=shrinker) - made()).max() > 1


def test_aliased_pictures_are_those_of_four_neighbours() -> None:
    stripes = np.zeros((16, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    aliased = degrade(stripes, 4, Degradation(shrinker="aliased"), generator(0, 1, 0))
    smooth = degrade(stripes, 4, Degradation(), generator(0, 1, 0))
    assert smooth[:, 2:-2].std() < 3
    reference = imresize(stripes, 0.25, antialiasing=False)
    assert np.abs(aliased.astype(int) - reference).max() <= 1


def test_photon_noise_grows_with_the_root_of_the_signal() -> None:
    for level in (16, 64, 196):
        flat = np.full((256, 256, 3), level, np.uint8)
        noisy = degrade(flat, 2, Degradation(photon_noise=10.0), generator(0, 1, 0)).astype(float)
        assert noisy.std() == pytest.approx(10 * (level / 255) ** 0.5, rel=0.06)


def test_a_picture_may_be_saved_twice_and_in_another_format() -> None:
    once = made(saves=(Save(40),))
    twice = made(saves=(Save(40), Save(60, "4:4:4", "WEBP")))
    assert np.abs(twice - once).mean() > 0.1
    stream = io.BytesIO()
    Image.fromarray(once.astype(np.uint8)).save(stream, "WEBP", quality=60)
    np.testing.assert_array_equal(twice, np.asarray(Image.open(stream).convert("RGB"), float))


def test_the_same_numbers_give_the_same_picture() -> None:
    first, again = (
        degrade(HR, 4, Degradation(noise=5.0, saves=(Save(50),)), generator(4, 1, 9)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
