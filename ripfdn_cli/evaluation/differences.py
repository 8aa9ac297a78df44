"""How far scores of two networks lie apart on one set, and how far other pictures could have moved that."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.evaluation.benchmark import Row
from ripfdn_cli.image_math.metrics import Protocol

CONFIDENCE = 0.95
RESAMPLES = 20_000
FEWEST_PICTURES = 5
"""From which on an interval is given."""
METRICS = ("psnr", "ssim")
_SEED = 0
_DRAWN_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A mean difference, and the interval that holds it with a confidence of 95 %; `low` and `high` are None
    of fewer than FEWEST_PICTURES pictures.
    """

    mean: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the sign of the difference is beyond doubt: 0 lies outside."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Difference:
    """A network minus `against`, the first one on the same set. `intervals` by protocol name and metric
    (`psnr` in dB, `ssim`); empty without HR, and without those that one perfect result makes infinite.
    `values` by the name of a library's metric.
    """

    against: str
    pictures: int
    intervals: dict[str, dict[str, Interval]]
    values: dict[str, Interval] = field(default_factory=dict)


def differences(rows: Sequence[Row], protocols: Iterable[Protocol]) -> list[Difference | None]:
    """One for each of `rows`; None for interpolations and for the first network of a set and scale."""
    protocols = tuple(protocols)
    first: dict[tuple[str, int], Row] = {}
    found: list[Difference | None] = []
    for row in rows:
        if row.method.network is None:
            found.append(None)
            continue
        reference = first.setdefault((row.data_set, row.method.scale), row)
        found.append(None if reference is row else _difference(row, reference, protocols))
    return found


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """Of the mean of `values`, by the percentile bootstrap (Efron 1979) with a fixed seed. Percentiles of few
    values lie too close together, and are taken further out as Student's t asks (the expanded percentile
    interval; Hesterberg, The American Statistician 69, 2015).
    """
    return _interval(tuple(values))


@lru_cache(maxsize=1024)  # a report, its table, its notes and its file ask for the same ones
def _interval(values: tuple[float, ...]) -> Interval:
    sample = np.asarray(values, np.float64)
    count, mean = len(sample), float(np.mean(sample))
    if count < FEWEST_PICTURES:
        return Interval(mean, None, None)
    tail = NormalDist().cdf(-math.sqrt(count / (count - 1)) * student_quantile(count - 1))
    low, high = np.quantile(_resampled_means(sample), (tail, 1 - tail))
    return Interval(mean, float(low), float(high))


def student_quantile(freedom: int) -> float:
    """Of Student's t with `freedom` ≥ 4 degrees, for CONFIDENCE on both sides; to 0.2 %. Abramowitz and
    Stegun, 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / float(freedom) ** power for power, term in enumerate(terms))


def _resampled_means(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    random = np.random.default_rng(_SEED)
    at_once = max(1, _DRAWN_AT_ONCE // len(sample))
    sizes = [min(at_once, RESAMPLES - start) for start in range(0, RESAMPLES, at_once)]
    drawn = (random.integers(0, len(sample), (size, len(sample))) for size in sizes)
    return np.concatenate([sample[indices].mean(axis=1) for indices in drawn])


def _difference(row: Row, reference: Row, protocols: Sequence[Protocol]) -> Difference:
    intervals: dict[str, dict[str, Interval]] = {}
    for protocol in protocols:
        for metric in METRICS:
            values = _paired(row, reference, protocol, metric)
            if values and all(map(math.isfinite, values)):
                intervals.setdefault(protocol.name, {})[metric] = bootstrap_interval(values)
    of_metrics = {
        metric.name: bootstrap_interval(apart)
        for metric in row.metrics
        if (apart := _paired_values(row, reference, metric.name))
    }
    return Difference(reference.method.name, len(row.pictures), intervals, of_metrics)


def _paired_values(row: Row, reference: Row, name: str) -> list[float]:
    return [
        own.values[name] - other.values[name]
        for own, other in zip(row.pictures, reference.pictures, strict=True)
        if name in own.values and name in other.values
    ]


def _paired(row: Row, reference: Row, protocol: Protocol, metric: str) -> list[float]:
    """Differences picture by picture."""
    return [
        getattr(own.scores[protocol.name], metric) - getattr(other.scores[protocol.name], metric)
        for own, other in zip(row.pictures, reference.pictures, strict=True)
        if own.scores and other.scores
    ]
