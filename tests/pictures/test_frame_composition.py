from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.frame_composition import Disposal, Part, composed


def part(colour: tuple[int, ...], left: int, disposal: Disposal, *, blended: bool = False) -> Part:
    """One pixel of `colour` at `left`."""
    return Part(np.array([[colour]], np.uint8), left, 0, disposal, blended)


@pytest.mark.parametrize(
    ("disposal", "after"),
    [(Disposal.KEEP, [1, 2, 3]), (Disposal.CLEAR, [1, 0, 3]), (Disposal.RESTORE, [1, 9, 3])],
)
def test_a_part_stays_is_cleared_or_is_undone(disposal: Disposal, after: list[int]) -> None:
    whole = Part(np.array([[[1], [9], [0]]], np.uint8), 0, 0, Disposal.KEEP, blended=False)
    parts = [whole, part((2,), 1, disposal), part((3,), 2, Disposal.KEEP)]
    found = [frame[0, :, 0].tolist() for frame in composed(parts, 1, 3)]
    assert found == [[1, 9, 0], [1, 2, 0], after]


def over(above: NDArray[np.uint8], below: NDArray[np.uint8]) -> list[float]:
    """Porter and Duff's over of two colours whose alpha is last, in exact fractions."""
    share, rest = Fraction(int(above[-1]), 255), Fraction(int(below[-1]), 255)
    rest *= 1 - share
    if not share + rest:
        return [0.0] * len(above)
    mixed = [(int(a) * share + int(b) * rest) / (share + rest) for a, b in zip(above, below, strict=True)]
    return [float(value) for value in (*mixed[:-1], 255 * (share + rest))]


@pytest.mark.parametrize("alphas", [(0, 255), (0, 1, 100, 254, 255)])
def test_alpha_is_blended_over_what_is_there(alphas: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    below, above = rng.integers(0, 256, (2, 6, 7, 4), np.uint8)
    below[..., 3], above[..., 3] = rng.choice((0, 90, 255), (6, 7)), rng.choice(alphas, (6, 7))
    parts = [Part(pixels, 0, 0, Disposal.KEEP, blended=True) for pixels in (below, above)]
    _, found = composed(parts, 6, 7)
    for place in np.ndindex(6, 7):
        expected = over(above[place], below[place])
        assert abs(int(found[place][3]) - expected[3]) <= 0.5
        if expected[3]:
            np.testing.assert_allclose(found[place], expected, atol=0.501)


def test_a_part_beyond_the_canvas_is_refused() -> None:
    with pytest.raises(InputError, match="beyond its canvas"):
        list(composed([part((1,), 3, Disposal.KEEP)], 1, 3))
