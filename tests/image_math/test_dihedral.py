"""Flips and rotations against NumPy's own, and what undoes them."""

import numpy as np
import pytest

from ripfdn_cli.image_math.dihedral import DIHEDRAL_TRANSFORMS, inverse, transformed, transformed_window

PIXELS = np.arange(2 * 3 * 3).reshape(2, 3, 3)


def test_the_transforms_are_quarter_turns_and_those_of_the_mirrored_picture() -> None:
    expected = [np.rot90(start, turns) for start in (PIXELS, np.fliplr(PIXELS)) for turns in range(4)]
    for transform, result in zip(DIHEDRAL_TRANSFORMS, expected, strict=True):
        np.testing.assert_array_equal(transformed(PIXELS, transform), result)


@pytest.mark.parametrize("transform", range(8))
def test_the_inverse_undoes_a_transform(transform: int) -> None:
    there = transformed(PIXELS, transform)
    np.testing.assert_array_equal(transformed(there, inverse(transform)), PIXELS)


@pytest.mark.parametrize("transform", range(8))
def test_a_window_goes_where_its_pixels_go(transform: int) -> None:
    rows, columns = slice(1, 2), slice(0, 2)
    there = transformed_window(rows, columns, PIXELS.shape, transform)
    np.testing.assert_array_equal(
        transformed(PIXELS, transform)[there], transformed(PIXELS[rows, columns], transform)
    )
