from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter
from support.training_runs import make_pictures, tiny_settings, torch_as_before

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.training import show_pairs
from ripfdn_cli.training.pair_sheet import pair_sheet
from ripfdn_cli.training.patches import Request
from ripfdn_cli.training.reports import Silence
from ripfdn_cli.training.sources import open_source

__all__ = ["torch_as_before"]


def cut(sheet: np.ndarray, index: int, columns: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """LR and target of the pair `index`, found by where they must lie."""
    top = 8 + (side + 8) * (index // columns)
    left = 8 + (2 * side + 8) * (index % columns)
    both = sheet[top : top + side, left : left + 2 * side]
    return both[2::4, 2:side:4], both[:, side:]


@pytest.mark.parametrize("degrade", [False, True])
def test_the_page_holds_the_patches_of_the_first_steps(tmp_path: Path, degrade: bool) -> None:
    settings = tiny_settings(make_pictures(tmp_path / "data"), degrade=degrade, workers=0)
    show_pairs(settings, 6, tmp_path / "pairs.png")
    sheet = np.asarray(Image.open(tmp_path / "pairs.png"))
    source = open_source(settings, [], torch.device("cpu"), Silence()).source
    for index in range(6):
        step, place = divmod(index, 4)  # of batches of four
        lr, hr = (x[place].permute(1, 2, 0).numpy() for x in source.patches(Request(step, 16, 4, 0, 4)))
        low, target = cut(sheet, index, 2, 64)
        np.testing.assert_array_equal(low, lr)
        np.testing.assert_array_equal(target, hr)
        if not degrade:
            assert np.abs(imresize(target, 0.25).astype(int) - low)[2:-2, 2:-2].max() <= 1


def test_targets_are_shown_sharpened(tmp_path: Path) -> None:
    """As SciPy's Gaussian has it, away from the edges."""
    data = make_pictures(tmp_path / "data")
    show_pairs(tiny_settings(data, workers=0), 4, tmp_path / "plain.png")
    show_pairs(tiny_settings(data, workers=0, sharpen=0.8), 4, tmp_path / "sharp.png")
    show_pairs(tiny_settings(data, workers=0, sharpen=0.8, overshoot=0), 4, tmp_path / "cut.png")
    plain, sharp, without_halos = (
        np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("plain", "sharp", "cut")
    )
    for index in range(4):
        low, target = cut(plain, index, 1, 64)
        shown_low, shown = cut(sharp, index, 1, 64)
        np.testing.assert_array_equal(shown_low, low)
        pixels = target.astype(float)
        blurred = gaussian_filter(pixels, 1.5, axes=(0, 1))
        expected = (pixels + 0.8 * (pixels - blurred)).clip(0, 255)
        assert np.abs(expected - shown)[8:-8, 8:-8].max() < 1.5
        assert np.abs(expected - target)[8:-8, 8:-8].max() > 10
        _, calm = cut(without_halos, index, 1, 64)
        lightest, darkest = (
            function(target, size=(5, 5, 1)) for function in (maximum_filter, minimum_filter)
        )
        assert ((calm <= lightest) & (calm >= darkest)).all()
        assert (calm != target).any()


@pytest.mark.parametrize("folder", ["data", "lr", "val", "data/deep", "data/../data"])
def test_a_page_among_the_pictures_is_refused(tmp_path: Path, folder: str) -> None:
    make_pictures(tmp_path / "data")
    (tmp_path / "data" / "deep").mkdir()
    settings = tiny_settings(
        tmp_path / "data", lr_folder=[str(tmp_path / "lr")], val=[str(tmp_path / "val") + "/"]
    )
    before = (tmp_path / "data" / "p0.png").read_bytes()
    with pytest.raises(UsageError, match=f"lies in {tmp_path / folder.split('/')[0]}/?, where the run reads"):
        show_pairs(settings, 4, tmp_path / folder / "p0.png", overwrite=True)
    assert (tmp_path / "data" / "p0.png").read_bytes() == before


def test_what_is_no_pair_is_grey() -> None:
    pairs = [(np.zeros((2, 2, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8))] * 5
    sheet = pair_sheet(pairs, 2)
    assert sheet.shape == (8 + 3 * 12, 8 + 2 * 16, 3)
    assert (sheet == 0).sum() == (sheet == 255).sum() == 5 * 16 * 3
    assert (sheet[-12:, 24:] == 128).all()


def test_a_page_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "pairs.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="overwrite"):
        show_pairs(tiny_settings(tmp_path / "nowhere"), 4, path)
    assert path.read_bytes() == b"mine"
