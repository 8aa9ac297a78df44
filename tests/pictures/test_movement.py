"""Places judged by the pixels there: a mark in an array that NumPy turns and repeats."""

import numpy as np
import pytest

from ripfdn_cli.image_math.dihedral import DIHEDRAL_TRANSFORMS, transformed
from ripfdn_cli.pictures.movement import Movement


@pytest.mark.parametrize("transform", DIHEDRAL_TRANSFORMS)
def test_a_box_goes_where_its_pixels_go(transform: int) -> None:
    pixels = np.zeros((20, 30), np.uint8)
    pixels[3:8, 10:22] = 1
    moved = transformed(pixels, transform).repeat(3, axis=0).repeat(2, axis=1)
    rows, columns = np.nonzero(moved)
    corner, sides = (columns.min(), rows.min()), (np.ptp(columns) + 1, np.ptp(rows) + 1)
    found = tuple(map(float, (*corner, *sides)))
    movement = Movement(transform, (30, 20), (2.0, 3.0))
    assert movement.pixels((10, 3, 12, 5)) == found
    height, width = moved.shape
    shares = (found[0] / width, found[1] / height, found[2] / width, found[3] / height)
    assert movement.share((10 / 30, 3 / 20, 12 / 30, 5 / 20)) == pytest.approx(shares)
    assert movement.swaps_axes == (transformed(pixels, transform).shape != pixels.shape)
