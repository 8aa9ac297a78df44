import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from ripfdn_cli.evaluation.benchmark import Method, Network, PictureResult, Row
from ripfdn_cli.evaluation.differences import bootstrap_interval, differences, student_quantile
from ripfdn_cli.image_math.metrics import PAPERS, Score

NETWORK = Network("x4.safetensors", "ab" * 32, "torch", "fp32", "cpu", None)


def row(name: str, psnrs: Sequence[float], network: Network | None = NETWORK, data_set: str = "Set5") -> Row:
    pictures = tuple(
        PictureResult(f"p{i}", 12, 8, 0.01, {"Y": Score(psnr, psnr / 50)}) for i, psnr in enumerate(psnrs)
    )
    return Row(data_set, Method(name, 4, lambda pixels: pixels, network), pictures, None)


def bounds(values: Sequence[float]) -> tuple[float, float]:
    interval = bootstrap_interval(values)
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


@pytest.mark.parametrize("freedom", [4, 5, 13, 99, 5000])
def test_the_quantile_is_that_of_students_t(freedom: int) -> None:
    assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)


@pytest.mark.parametrize("count", [14, 100, 3000])
def test_the_interval_of_normal_values_is_students(count: int) -> None:
    values = np.random.default_rng(count).normal(0.02, 0.1, count)
    expected = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    width = expected[1] - expected[0]
    assert bounds(values.tolist()) == pytest.approx(expected, abs=0.06 * width)


def test_the_interval_of_five_pictures_is_that_of_all_their_resamples() -> None:
    values = [0.05, -0.02, 0.11, 0.01, 0.03]
    means = [np.mean(drawn) for drawn in itertools.product(values, repeat=5)]
    tail = stats.norm.cdf(-stats.t.ppf(0.975, 4) * math.sqrt(5 / 4))
    assert bounds(values) == pytest.approx(np.quantile(means, [tail, 1 - tail]), abs=0.004)


def test_a_network_is_held_against_the_first_of_its_set_picture_by_picture() -> None:
    """What pictures differ in is no noise where both networks see the same ones."""
    first = [28.0, 41.0, 33.5, 25.0, 30.0, 36.0]
    rows = [
        row("Bicubic (Pillow)", [20.0] * 6, None),
        row("x4", first),
        row("better", [psnr + 0.01 for psnr in first]),
        row("x4", [30.0] * 6, data_set="Set14"),
        row("better", [31.0, 29.0] * 3, data_set="Set14"),
    ]
    bicubic, x4, better, other_x4, other_better = differences(rows, [PAPERS])
    assert bicubic is x4 is other_x4 is None
    assert better is not None
    assert (better.against, better.pictures) == ("x4", 6)
    interval = better.intervals["Y"]["psnr"]
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.01,) * 3, abs=1e-9)
    assert interval.is_clear
    assert other_better is not None
    undecided = other_better.intervals["Y"]["psnr"]
    assert undecided.mean == pytest.approx(0)
    assert not undecided.is_clear


def test_a_hundredth_of_a_decibel_among_larger_differences_is_not_clear() -> None:
    values = np.random.default_rng(1).normal(0, 0.1, 100)
    values += 0.01 - values.mean()
    assert not bootstrap_interval(values.tolist()).is_clear
    assert bootstrap_interval((values + 0.05).tolist()).is_clear


def test_four_pictures_give_a_mean_and_no_interval() -> None:
    interval = bootstrap_interval([0.1, 0.2, 0.3, 0.4])
    assert interval.mean == pytest.approx(0.25)
    assert interval.low is interval.high is None
    assert not interval.is_clear


def test_a_perfect_picture_leaves_only_ssim() -> None:
    one, other = row("x4", [math.inf, 30.0]), row("y", [math.inf, 31.0])
    finite = Score(math.inf, 1.0)
    one.pictures[0].scores["Y"] = other.pictures[0].scores["Y"] = finite
    (_, difference) = differences([one, other], [PAPERS])
    assert difference is not None
    assert difference.intervals["Y"].keys() == {"ssim"}
