from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ripfdn_cli.errors import InputError
from ripfdn_cli.training.pair_checks import check_pair_sizes, cut_pair, misalignment

A, B = Path("a.png"), Path("b.png")


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blocks of many sizes, (height, width, 3) uint8."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for block in (3, 9, 27):
        coarse = random.integers(0, 85, (height // block + 1, width // block + 1, 3))
        total += coarse.repeat(block, 0).repeat(block, 1)[:height, :width]
    return total.astype(np.uint8)


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """By Pillow, to a quarter."""
    size = (pixels.shape[1] // 4, pixels.shape[0] // 4)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


@pytest.mark.parametrize("size", [(24, 30), (25, 30), (25, 31)])
def test_sizes_of_a_pair_may_be_rounded(size: tuple[int, int]) -> None:
    check_pair_sizes(A, (98, 121), B, size, 4)


@pytest.mark.parametrize("size", [(23, 30), (26, 30), (24, 32), (98, 121)])
def test_sizes_that_are_not_of_a_pair(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=rf"{size[1]}×{size[0]} px and a\.png 121×98"):
        check_pair_sizes(A, (98, 121), B, size, 4)


def test_what_both_have_is_kept() -> None:
    lr, hr = cut_pair(np.zeros((25, 31, 3), np.uint8), np.zeros((98, 121, 3), np.uint8), 4)
    assert (lr.shape, hr.shape) == ((24, 30, 3), (96, 120, 3))


@pytest.mark.parametrize(
    ("down", "right", "told"),
    [
        (0, 0, None),
        (1, 2, None),
        (12, 0, "lies 3 LR px above of"),
        (0, -8, "lies 2 LR px right of"),
        (-4, 4, "lies 1 LR px below and 1 LR px left of"),
    ],
)
def test_a_crop_from_another_place_is_told(down: int, right: int, told: str | None) -> None:
    """HR begins `down` and `right` px before its LR does."""
    whole = scene(232, 272)
    hr = whole[16:216, 16:256]
    lr = shrunk(whole[16 + down : 216 + down, 16 + right : 256 + right])
    assert misalignment(lr, hr, 4) == told


def test_noise_and_another_brightness_are_no_misalignment() -> None:
    hr = scene(200, 240)
    noise = np.random.default_rng(1).normal(0, 12, (50, 60, 3))
    assert misalignment((shrunk(hr) * 0.6 + 40 + noise).clip(0, 255).astype(np.uint8), hr, 4) is None


def test_another_picture_is_told_and_an_even_one_is_not() -> None:
    hr = scene(200, 240)
    assert misalignment(shrunk(scene(200, 240, seed=3)), hr, 4) == "does not show the same as"
    sky = np.full((200, 240, 3), 180, np.uint8)
    assert misalignment(sky[::4, ::4] - 1, sky, 4) is None
