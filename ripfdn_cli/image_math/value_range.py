"""Values of any range laid into the network's 0..1, and back: high dynamic range, heights, counts."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.image_math.neighbours import local_max, local_min

DIM = 1 / 8
"""Of what samples can hold: where all are darker, the network's errors would be large beside them."""
_SAMPLES = 2**20
"""So many values, spread over the picture, give its median and spread."""
_OVERSHOOT = 0.1
"""Of the contrast around. Measured on photographs, heights and lamps, it gained 0.1 to 4 dB."""
_UNLIKELY = 1e30
"""Values beyond it stand for none, as GDAL's -3.4e38."""
_FLOATS = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))
"""The least and the largest float32."""
_SPREAD_OF_OUTLIERS = 2**-10
"""Of the whole range, where nearly all values are the same and their own spread is nothing."""


@dataclass(frozen=True)
class ValueRange:
    """Lays x from `low`..`high` into 0..1 by asinh((x - `centre`) / `spread`).

    That is nearly linear where values are spread evenly over their range (heights), and logarithmic for the
    few that are far from most (the sun and lamps): an error of the network is one of the values around it,
    not of the brightest. It commutes with any change of unit: a·x + b is laid where x is, for a > 0.
    """

    low: float
    high: float
    centre: float
    spread: float

    @classmethod
    def beyond_unit(cls, values: NDArray[Any]) -> Self | None:
        """The range of `values`, finite floats; None where they lie in 0..1 as they are, and not all are
        DIM.
        """
        low, high = float(values.min()), float(values.max())
        if low >= 0 and DIM < high <= 1:
            return None
        # A step that shares no factor with the channels or, as a rule, with the width.
        step = 6 * (values.size // (6 * _SAMPLES)) + 1
        sample = values.reshape(-1)[::step].astype(np.float64)
        likely = np.abs(sample) < _UNLIKELY
        centre, spread = _centre_and_spread(sample[likely] if likely.any() else sample)
        return cls(low, high, centre, spread or (high - low) * _SPREAD_OF_OUTLIERS)

    def to_unit(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Values of any shape, `low`..`high`, in 0..1."""
        if self.high == self.low:
            return np.zeros(values.shape, np.float32)
        bottom, top = self._ends()
        laid = values.astype(np.float32)
        with np.errstate(over="ignore"):  # of what stands for no value
            laid -= np.float32(self.centre)
            laid /= np.float32(self.spread)
        np.arcsinh(np.clip(laid, *_FLOATS, out=laid), out=laid)
        laid -= bottom
        laid /= top - bottom
        return laid

    def from_unit(self, unit: NDArray[np.float32]) -> NDArray[np.float32]:
        """What `to_unit` takes to `unit`. Nothing lies beyond 0..1: values end where they ended before."""
        if self.high == self.low:
            return np.full(unit.shape, self.low, np.float32)
        bottom, top = self._ends()
        values = np.clip(unit, 0, 1)
        values *= top - bottom
        values += bottom
        np.sinh(values, out=values)
        with np.errstate(
            over="ignore"
        ):  # beyond the end of the range by rounding, and of what floats can hold
            values *= np.float32(self.spread)
            values += np.float32(self.centre)
        return np.clip(values, self.low, self.high, out=values)

    def _ends(self) -> tuple[np.float32, np.float32]:
        ends = (np.array([self.low, self.high]) - self.centre) / self.spread
        bottom, top = np.arcsinh(np.clip(ends, *_FLOATS))
        return np.float32(bottom), np.float32(top)


def as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """A copy of floats of any size; finite ones that float32 can't hold become its least or largest."""
    if values.dtype.itemsize <= np.dtype(np.float32).itemsize:
        return values.astype(np.float32)
    within = np.where(np.isfinite(values), np.clip(values, *_FLOATS), values)
    return within.astype(np.float32)


def limit_overshoot(result: NDArray[np.float32], source: NDArray[Any], scale: int) -> NDArray[np.float32]:
    """`result` (scale·H, scale·W, C), changed in place: no further than a tenth of their contrast beyond the
    3×3 pixels of `source` (H, W, C) around. Where values are laid out logarithmically, a small overshoot of
    the network would be a large one of the brightest.
    """
    low, high = (extreme(source.astype(np.float32)) for extreme in (local_min, local_max))
    with np.errstate(over="ignore"):
        margin = np.float32(_OVERSHOOT) * (high - low)
        low, high = low - margin, high + margin
    for row in range(len(source)):
        rows = result[scale * row : scale * (row + 1)]
        np.clip(rows, low[row].repeat(scale, axis=0), high[row].repeat(scale, axis=0), out=rows)
    return result


def _centre_and_spread(sample: NDArray[np.float64]) -> tuple[float, float]:
    """The median, and twice the distance between the quartiles; of percentiles further out where most values
    are the same, and 0 where nearly all are.
    """
    centre = float(np.float32(np.median(sample)))
    for factor, share in ((2, 25), (1, 5), (1, 0.5)):
        low, high = np.percentile(sample, (share, 100 - share))
        if high > low:
            return centre, factor * float(high - low)
    return centre, 0.0
