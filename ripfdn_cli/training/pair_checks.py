"""Whether an LR picture from a file belongs to its HR: sizes, and where things lie in both."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import luma
from ripfdn_cli.image_math.phase_correlation import shift_between

LARGEST_SHIFT = 0.5
"""LR px. Decimation without a filter shifts by (scale − 1) / (2 · scale), at most 0.375 at scale 4."""
_SMALLEST_CORRELATION = 0.5
"""Of the luma of two pictures that can be of one scene."""
_FLAT = 2.0
"""Grey levels of standard deviation below which a picture shows nothing that could be compared."""

Size = tuple[int, int]
Pixels = NDArray[np.uint8]


def check_pair_sizes(hr: Path, hr_size: Size, lr: Path, lr_size: Size, scale: int) -> None:
    """Raises InputError unless both sides of `lr` are those of `hr` divided by `scale`, rounded down or up.
    Sizes are (height, width).
    """
    if any(abs(low * scale - high) >= scale for low, high in zip(lr_size, hr_size, strict=True)):
        raise InputError(
            f"{lr} has {lr_size[1]}×{lr_size[0]} px and {hr} {hr_size[1]}×{hr_size[0]}: "
            f"they are not a pair at scale {scale}"
        )


def cut_pair(lr: Pixels, hr: Pixels, scale: int) -> tuple[Pixels, Pixels]:
    """LR (h, w, 3) and HR (scale·h, scale·w, 3): what both have, from the upper left."""
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    return np.ascontiguousarray(lr[:height, :width]), hr[: height * scale, : width * scale]


def misalignment(lr: Pixels, hr: Pixels, scale: int) -> str | None:
    """What is wrong with where things lie in the two, as a clause between their names; None where nothing is,
    or nothing can be told. `lr` is (h, w, 3), `hr` (scale·h, scale·w, 3).
    """
    ours, reference = luma(lr), luma(imresize(hr, 1 / scale))
    shift = shift_between(ours, reference)
    if shift.certain:
        far = max(abs(shift.down), abs(shift.right)) > LARGEST_SHIFT
        return f"lies {_described(shift.down, shift.right)} of" if far else None
    if min(ours.std(), reference.std()) < _FLAT:
        return None
    alike = np.corrcoef(ours.ravel(), reference.ravel())[0, 1] >= _SMALLEST_CORRELATION
    return None if alike else "does not show the same as"


def _described(down: float, right: float) -> str:
    """As "1.2 LR px below and 3 right"."""
    parts = []
    if down:
        parts.append(f"{abs(down):g} LR px {'below' if down > 0 else 'above'}")
    if right:
        parts.append(f"{abs(right):g} LR px {'right' if right > 0 else 'left'}")
    return " and ".join(parts)
