"""A fixed set of crops: of the pictures, in all orientations, with LR that are made of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from support.training_runs import tiny_settings

from ripfdn_cli.training.degraded_crops import CropCutter
from ripfdn_cli.training.pictures import Preparation

SIDE, COUNT = 16, 24


def test_crops_are_windows_of_the_picture_in_all_eight_orientations(tmp_path: Path) -> None:
    """Each is looked for in NumPy's rotations and flips of the picture, in which every pixel is unique."""
    picture = np.stack(np.unravel_index(np.random.default_rng(5).permutation(96 * 100), (96, 100, 1)), -1)
    picture = picture.reshape(96, 100, 3).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    settings = replace(tiny_settings(tmp_path), crops=COUNT, crop=SIDE, degrade=True)
    preparation = Preparation(settings.scale, settings.scale * SIDE)
    found = [preparation.copies(tmp_path / "a.png", 96, 100)]
    cutter = CropCutter(found, preparation, settings)
    assert cutter.cut(0) == found[0]
    lr, hr = cutter.cut_from([True])
    assert lr.shape == (COUNT, SIDE, SIDE, 3)
    views = [np.rot90(view, turns) for view in (picture, picture[:, ::-1]) for turns in range(4)]
    orientations = [orientation_of(crop, views) for crop in hr]
    assert len(set(orientations)) == len(views)
    again = CropCutter(found, preparation, settings)
    again.cut(0)
    np.testing.assert_array_equal(again.cut_from([True])[0], lr)
    assert len(cutter.cut_from([False])[0]) == 0


def orientation_of(crop: NDArray[Any], views: list[NDArray[Any]]) -> int:
    """The one of `views` that `crop` is a window of."""
    for number, view in enumerate(views):
        for top, left in np.argwhere((view == crop[0, 0]).all(axis=-1)):
            window = view[top : top + crop.shape[0], left : left + crop.shape[1]]
            if np.array_equal(window, crop):
                return number
    raise AssertionError("a crop that is no window of the picture")
