"""Does a result show what its input shows? Shrunk and compared, so that a black, shifted or broken picture is
an error and not a file.

Limits from the x4 weights on 40 benchmark pictures, noise, squares, stripes and dots: mean colours of blocks
were within 0.56 of their limit at the most (a board of single pixels; 0.14 on the pictures).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import BrokenResultError
from ripfdn_cli.pictures.picture import Frame, highest

BLOCK = 8
"""Side of the blocks that are compared, in input pixels."""
_WHOLE_UP_TO = 64
_BAND_EVERY = 32
"""Of pictures higher than that, one row of blocks in this many pixels is compared; no larger tile escapes."""
_MEAN_LIMIT = 16 / 255
_MEAN_LIMIT_OF_CONTRAST = 0.15
"""By how much a block's mean colour may differ: so much, and this part of the steps between its pixels."""
_SHIFT_GAIN = 2.0
"""A shift by an input pixel that fits so many times better means a shifted result."""
_FLOOR = (2 / 255) ** 2
_MISFIT_LIMIT = 0.8
"""Squared difference from the input, as a part of that between neighbours; good results have 0.04."""
_VISIBLE = 32 / 255
_ADVICE = (
    "try `precision=fp32`, another `device` or `engine`, and check the weights with 'ripfdn weights info'"
)


def check_result(source: Frame, result: Frame, scale: int) -> None:
    """Raises BrokenResultError where `result` (scale·H, scale·W, C) does not show what `source` (H, W, C) of
    the same sample type shows.
    """
    unit = _unit(source)
    misfit, steps, shifted, samples = 0.0, 0.0, np.zeros(4), 0
    contrast, shown = 0.0, 0.0
    for top, bottom in _bands(source.shape[0]):
        band = _scaled(source[top:bottom], unit)
        small = _shrunk(result[scale * top : scale * bottom], scale) * unit
        _check_means(band, small, top)
        misfit += _squares(small - band)
        shifted += [_squares(small - _scaled(other, unit)) for other in _neighbours(source, top, bottom)]
        steps += float(_squared_steps(band).sum())
        samples += band.size
        contrast, shown = max(contrast, float(np.ptp(band))), max(shown, float(np.ptp(small)))
    excess = misfit - _FLOOR * samples
    flat = shown == 0 and contrast > _VISIBLE
    if flat or excess > _SHIFT_GAIN * shifted.min() or excess > _MISFIT_LIMIT * steps:
        raise BrokenResultError(f"the result is black, shifted or broken, compared with its input; {_ADVICE}")


def _unit(source: Frame) -> np.float32:
    """What takes samples to 0..1; floats beyond 1 (high dynamic range) too."""
    top = highest(source.dtype)
    return np.float32(1 / (top if source.dtype.kind == "u" else max(top, float(np.abs(source).max()))))


def _scaled(frame: Frame, unit: np.float32) -> NDArray[np.float32]:
    return (frame * unit).astype(np.float32, copy=False)


def _bands(height: int) -> Iterator[tuple[int, int]]:
    """First and last row (exclusive) of each part that is compared."""
    if height <= _WHOLE_UP_TO:
        return iter([(0, height)])
    return ((top, min(top + BLOCK, height)) for top in range(0, height, _BAND_EVERY))


def _shrunk(rows: Frame, scale: int) -> NDArray[np.float32]:
    """Means over scale × scale pixels."""
    width, channels = rows.shape[1] // scale, rows.shape[2]
    wide = np.dtype({1: np.uint16, 2: np.uint32, 4: np.float32}.get(rows.dtype.itemsize, np.float64))
    down = _sum([rows[i::scale] for i in range(scale)], wide)
    across = down.reshape(len(down), width, scale, channels)
    total = _sum([across[:, :, i] for i in range(scale)], wide)
    return (total / np.float32(scale**2)).astype(np.float32, copy=False)


def _sum(parts: list[Frame], kind: np.dtype[np.generic]) -> Frame:
    """Three times as fast as `sum` over an axis."""
    total = parts[0].astype(kind)
    for part in parts[1:]:
        total += part
    return total


def _check_means(band: NDArray[np.float32], small: NDArray[np.float32], top: int) -> None:
    counts = _block_sums(np.ones((*band.shape[:2], 1), np.float32))
    difference = np.abs(_block_sums(small - band) / counts)
    steps = np.sqrt(_block_sums(_squared_steps(band)) / counts)
    excess = difference - _MEAN_LIMIT - _MEAN_LIMIT_OF_CONTRAST * steps
    # A NaN is not greater than the limit, and must not pass for it.
    if not (excess <= 0).all():
        row, column, channel = np.unravel_index(int(np.argmax(excess)), excess.shape)
        raise BrokenResultError(
            f"the result differs from its input by {255 * difference[row, column, channel]:.0f} of 255 "
            f"levels around row {top + BLOCK * row}, column {BLOCK * column} of the input; {_ADVICE}"
        )


def _block_sums(band: NDArray[np.float32]) -> NDArray[np.float32]:
    down = np.add.reduceat(band, range(0, band.shape[0], BLOCK), axis=0)
    sums: NDArray[np.float32] = np.add.reduceat(down, range(0, band.shape[1], BLOCK), axis=1)
    return sums


def _squared_steps(band: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared difference of each pixel from its left neighbour and the one above, the mean of both."""
    steps = np.zeros_like(band)
    steps[:, 1:] += np.square(np.diff(band, axis=1)) / 2
    steps[1:] += np.square(np.diff(band, axis=0)) / 2
    return steps


def _neighbours(source: Frame, top: int, bottom: int) -> Iterator[Frame]:
    """The rows from `top` to `bottom`, shifted by a pixel to each side; edges repeat."""
    rows, band = np.arange(top, bottom), source[top:bottom]
    yield source[np.maximum(rows - 1, 0)]
    yield source[np.minimum(rows + 1, source.shape[0] - 1)]
    yield np.concatenate([band[:, :1], band[:, :-1]], axis=1)
    yield np.concatenate([band[:, 1:], band[:, -1:]], axis=1)


def _squares(difference: NDArray[np.float32]) -> float:
    return float(np.vdot(difference, difference))
