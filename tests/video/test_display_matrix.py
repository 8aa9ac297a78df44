"""Display matrices as the flips and rotations that they stand for, pixel by pixel."""

from itertools import product

import numpy as np
import pytest

from ripfdn_cli.image_math.dihedral import transformed
from ripfdn_cli.video.display_matrix import upright_transform

ONE = 1 << 16
STRAIGHT = [(a, 0, 0, d) for a, d in product((ONE, -ONE), repeat=2)]
ASIDE = [(0, b, c, 0) for b, c in product((ONE, -ONE), repeat=2)]


def matrix(a: int, b: int, c: int, d: int) -> tuple[int, ...]:
    return a, b, 0, c, d, 0, 0, 0, 1 << 30


@pytest.mark.parametrize("parts", [*STRAIGHT, *ASIDE])
def test_each_pixel_goes_where_the_matrix_sends_it(parts: tuple[int, int, int, int]) -> None:
    pixels = np.arange(6).reshape(2, 3)
    a, b, c, d = (part // ONE for part in parts)
    sent = {(a * x + c * y, b * x + d * y): pixels[y, x] for y, x in product(range(2), range(3))}
    left, top = (min(place[axis] for place in sent) for axis in (0, 1))
    transform = upright_transform(matrix(*parts))
    assert transform is not None
    shown = transformed(pixels, transform)
    assert {(x + left, y + top): shown[y, x] for y, x in np.ndindex(*shown.shape)} == sent


def test_rounded_quarter_turns_are_quarter_turns() -> None:
    assert upright_transform(matrix(3, 65535, -65536, -2)) == upright_transform(matrix(0, ONE, -ONE, 0))


@pytest.mark.parametrize("parts", [(46341, 46341, -46341, 46341), (65526, 1144, -1144, 65526)])
def test_other_angles_are_none(parts: tuple[int, int, int, int]) -> None:
    assert upright_transform(matrix(*parts)) is None
    assert upright_transform(None) is None
