import numpy as np
import pytest
from numpy.typing import NDArray

from ripfdn_cli.image_math.neighbours import enlarged, local_max, local_min


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (4, 6, 3)])
def test_extremes_of_three_by_three(shape: tuple[int, ...]) -> None:
    """Against a loop over every pixel."""
    array: NDArray[np.float64] = np.random.default_rng(0).random(shape)
    for row in range(shape[0]):
        for column in range(shape[1]):
            around = array[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            np.testing.assert_array_equal(local_min(array)[row, column], around.min((0, 1)))
            np.testing.assert_array_equal(local_max(array)[row, column], around.max((0, 1)))


def test_pixels_become_squares() -> None:
    assert enlarged(np.array([[1, 2]]), 2).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]
