from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ripfdn_cli.errors import UsageError
from ripfdn_cli.image_math.dihedral import transformed
from ripfdn_cli.training.patches import ORIENTATIONS, PackedPictures, Request, Sampler
from ripfdn_cli.training.pictures import TrainingPicture

SIZES = ((40, 60), (64, 48), (200, 160))
PICTURES = [TrainingPicture(Path(f"{index}.png"), *size) for index, size in enumerate(SIZES)]
SCALE = 2


def sampler(by: str = "pixels", seed: int = 0) -> Sampler:
    return Sampler(PICTURES, scale=SCALE, seed=seed, by=by)


def packed() -> tuple[PackedPictures, list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Pictures of random pixels, HR unrelated to LR, so that every pixel says where it comes from."""
    random = np.random.default_rng(0)
    lr = [random.integers(0, 256, (h // SCALE, w // SCALE, 3), np.uint8) for h, w in SIZES]
    hr = [random.integers(0, 256, (h, w, 3), np.uint8) for h, w in SIZES]
    starts = np.cumsum([0, *(a.shape[0] * a.shape[1] for a in lr[:-1])])
    flat_lr, flat_hr = (
        torch.from_numpy(np.concatenate([a.reshape(-1, 3) for a in arrays])) for arrays in (lr, hr)
    )
    source = PackedPictures(
        flat_lr, flat_hr, starts, PICTURES, sampler(), scale=SCALE, device=torch.device("cpu")
    )
    return source, lr, hr


def test_crops_are_those_of_slicing_and_turning() -> None:
    source, lr, hr = packed()
    rows = [(i % 3, i % 5, 3 * i % 7, i % ORIENTATIONS) for i in range(24)]
    low, high = source.crop(torch.tensor(rows), 16)
    for index, (picture, top, left, orientation) in enumerate(rows):
        expected = transformed(lr[picture][top : top + 16, left : left + 16], orientation)
        np.testing.assert_array_equal(low[index].permute(1, 2, 0).numpy(), expected)
        t, l, side = top * SCALE, left * SCALE, 16 * SCALE  # noqa: E741
        expected = transformed(hr[picture][t : t + side, l : l + side], orientation)
        np.testing.assert_array_equal(high[index].permute(1, 2, 0).numpy(), expected)
    assert low.is_contiguous(memory_format=torch.channels_last)


def test_the_orientations_are_the_eight_of_a_square() -> None:
    square = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    ours = {transformed(square, o).tobytes() for o in range(ORIENTATIONS)}
    theirs = {np.rot90(s, k).tobytes() for s in (square, square[::-1]) for k in range(4)}
    assert ours == theirs
    assert len(ours) == 8


@pytest.mark.parametrize("patch", [16, 20, 24])
def test_draws_lie_inside_pictures_and_reach_their_edges(patch: int) -> None:
    drawn = np.concatenate([sampler().draw(step, patch, 64) for step in range(60)])
    sides = np.array([(h // SCALE, w // SCALE) for h, w in SIZES])[drawn[:, 0]]
    assert (drawn[:, 1:3] >= 0).all()
    assert (drawn[:, 1:3] + patch <= sides).all()
    small = drawn[drawn[:, 0] == 1]
    assert small.size == 0 or small[:, 1].max() == 32 - patch
    assert set(drawn[:, 3]) == set(range(ORIENTATIONS))


def test_chances_are_by_pixels_or_by_pictures() -> None:
    pixels = np.array([h * w for h, w in SIZES])
    for by, expected in (("pixels", pixels / pixels.sum()), ("pictures", np.full(3, 1 / 3))):
        drawn = sampler(by).draw(0, 16, 20000)
        counts = Counter(drawn[:, 0].tolist())
        assert [counts[i] / 20000 for i in range(3)] == pytest.approx(expected, abs=0.02)


def test_copies_share_their_pictures_chance() -> None:
    pictures = [*PICTURES, TrainingPicture(Path("2.png"), 100, 80, 0.5)]
    drawn = Sampler(pictures, scale=SCALE, seed=0, by="pictures").draw(0, 16, 20000)
    counts = Counter(drawn[:, 0].tolist())
    assert [counts[i] / 20000 for i in range(4)] == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6], abs=0.02)


def test_draws_depend_on_seed_and_step_alone() -> None:
    first = sampler().draw(7, 16, 32)
    again = sampler()
    again.draw(3, 24, 8)
    np.testing.assert_array_equal(again.draw(7, 16, 32), first)
    assert not np.array_equal(sampler().draw(8, 16, 32), first)
    assert not np.array_equal(sampler(seed=1).draw(7, 16, 32), first)


def test_pictures_under_the_patch_are_not_drawn() -> None:
    assert set(sampler().draw(0, 24, 500)[:, 0]) == {1, 2}
    assert set(sampler().draw(0, 50, 500)[:, 0]) == {2}
    with pytest.raises(UsageError, match="no picture is large enough for LR patches of 101×101"):
        sampler().draw(0, 101, 1)


def test_ranks_share_out_one_batch() -> None:
    source, _, _ = packed()
    whole = source.patches(Request(5, 16, 40, 0, 40))
    parts = [source.patches(Request(5, 16, 40, first, count)) for first, count in ((0, 7), (7, 33))]
    for kind in range(2):
        assert torch.equal(torch.cat([part[kind] for part in parts]), whole[kind])
