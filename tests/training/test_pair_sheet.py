from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.training_runs import make_pictures, tiny_settings, torch_as_before

from ripfdn_cli.errors import OutputError
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
