"""How a video says that its frames are to be turned and mirrored: FFmpeg's display matrix."""

from __future__ import annotations

from ripfdn_cli.image_math.dihedral import FLIPS_COLUMNS, FLIPS_ROWS, SWAPS_AXES

_ONE = 1 << 16
_NEAR = 1 << 9
"""Of a unit of 2¹⁶, about half a degree: some cameras write rounded matrices."""


def upright_transform(matrix: tuple[int, ...] | None) -> int | None:
    """The transform of `dihedral` that shows frames as `matrix` (a b u c d v x y w, of length 1) does; None
    where there is none, and for one that turns by other angles than multiples of 90 degrees.

    A pixel at (x, y) is shown at (a·x + c·y, b·x + d·y); see av_display_rotation_get.
    """
    if matrix is None:
        return None
    a, b, _, c, d = (_unit(part) for part in matrix[:5])
    if a and d and b == c == 0:
        return FLIPS_COLUMNS * (a < 0) | FLIPS_ROWS * (d < 0)
    if b and c and a == d == 0:
        return SWAPS_AXES | FLIPS_COLUMNS * (b < 0) | FLIPS_ROWS * (c < 0)
    return None


def _unit(part: int) -> int | None:
    """-1, 0 or 1 where `part` is as good as that."""
    nearest = round(part / _ONE)
    return nearest if abs(part - nearest * _ONE) <= _NEAR else None
