"""Tiled equals whole, on trained weights; and the usual pad-and-crop does not, so the test can fail."""

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ripfdn_cli import Upscaler
from ripfdn_cli.model.tile_grid import DEFAULT_HALO, EXACT_HALO, fixed_grid

SLOW_NETWORK = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def upscaler(tile: int | None, halo: int = DEFAULT_HALO) -> Upscaler:
    return Upscaler("x4", device="cpu", precision="fp32", tile=tile, halo=halo)


def picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Edges, gradients, texture and noise: every part differs from every other."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    angle, period = random.uniform(0, np.pi, 3), random.uniform(3, 40, 3)
    waves = np.sin((x[..., None] * np.cos(angle) + y[..., None] * np.sin(angle)) * 2 * np.pi / period)
    blocks = np.kron(random.normal(size=(height // 16 + 1, width // 16 + 1, 3)), np.ones((16, 16, 1)))
    mixed: NDArray[np.float64] = (
        128 + 50 * waves + 40 * blocks[:height, :width] + random.normal(0, 6, (height, width, 3))
    )
    return np.clip(mixed, 0, 255).astype(np.uint8)


def differences(tile: int, halo: int, height: int, width: int, seed: int) -> NDArray[np.int16]:
    pixels = picture(height, width, seed)
    whole = upscaler(None).upscale(pixels)
    tiled = upscaler(tile, halo).upscale(pixels)
    return np.abs(whole.astype(np.int16) - tiled.astype(np.int16))


LONG = st.integers(15 + 24 + 2 * EXACT_HALO, 300)
SHORT = st.integers(15, 60)
TILES = st.integers(24, 40)
SEEDS = st.integers(0, 2**32 - 1)


@SLOW_NETWORK
@given(LONG, SHORT, TILES, st.booleans(), SEEDS)
def test_default_halo_is_within_a_level(long: int, short: int, tile: int, wide: bool, seed: int) -> None:
    height, width = (short, long) if wide else (long, short)
    assert len(fixed_grid(height, width, tile=tile, halo=DEFAULT_HALO)) > 1
    difference = differences(tile, DEFAULT_HALO, height, width, seed)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


def test_default_halo_is_within_a_level_in_both_directions() -> None:
    assert len(fixed_grid(140, 150, tile=40, halo=DEFAULT_HALO)) == 4
    assert differences(40, DEFAULT_HALO, 140, 150, seed=3).max() <= 1


@SLOW_NETWORK
@given(LONG, SHORT, TILES, SEEDS)
def test_exact_halo_leaves_rounding_only(long: int, short: int, tile: int, seed: int) -> None:
    pixels = picture(short, long, seed).astype(np.float32) / 255
    assert len(fixed_grid(short, long, tile=tile, halo=EXACT_HALO)) > 1
    whole = upscaler(None).upscale(pixels)
    tiled = upscaler(tile, EXACT_HALO).upscale(pixels)
    assert np.abs(whole - tiled).max() < 4e-6  # a thousandth of an 8-bit level


def pad_and_crop(pixels: NDArray[np.uint8], tile: int, halo: int) -> NDArray[np.uint8]:
    """What other upscalers do: each padded tile goes through the network as if it were a picture."""
    height, width = pixels.shape[:2]
    output = np.empty((4 * height, 4 * width, 3), np.uint8)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = min(halo, top), min(halo, left)
            part = pixels[top - above : top + tile + halo, left - before : left + tile + halo]
            kept = output[4 * top : 4 * (top + tile), 4 * left : 4 * (left + tile)]
            large = upscaler(None).upscale(part)
            kept[:] = large[4 * above :, 4 * before :][: kept.shape[0], : kept.shape[1]]
    return output


@pytest.mark.parametrize("halo", [DEFAULT_HALO, EXACT_HALO])
def test_pad_and_crop_fails_the_same_test(halo: int) -> None:
    pixels = picture(330, 40, seed=1)
    whole = upscaler(None).upscale(pixels).astype(np.int16)
    difference = np.abs(pad_and_crop(pixels, 32, halo) - whole)
    assert difference.max() > 1
    assert (difference > 0).mean() > 0.005
