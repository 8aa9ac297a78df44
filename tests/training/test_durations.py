import math

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.durations import Interval, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("25m", 1500),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("45", 45),
        (45, 45),
        ("0.5s", 0.5),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text, "max-time") == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "5 minutes",
        "-3m",
        "3x",
        "1h-5m",
        "nan",
        "inf",
        "-Infinity",
        math.nan,
        math.inf,
        "9" * 400 + "h",
    ],
)
def test_no_durations(text: object) -> None:
    with pytest.raises(UsageError, match=r"max-time .* is not a time; write it as"):
        parse_duration(text, "max-time")


@pytest.mark.parametrize("text", ["nan", "inf", "0", "0s", "²", "5²"])
def test_no_intervals(text: str) -> None:
    """They would never pass, or always, or are no numbers to Python."""
    with pytest.raises(UsageError, match="every"):
        Interval.parse(text, "every")


def test_formatting() -> None:
    assert [format_duration(s) for s in (0, 59.6, 185, 7800)] == ["0s", "1m 00s", "3m 05s", "2h 10m"]


def test_intervals_count_steps_or_time() -> None:
    steps, time = Interval.parse("500", "x"), Interval.parse("5m", "x")
    assert not steps.passed(steps=499, seconds=1e9)
    assert steps.passed(steps=500, seconds=0)
    assert not time.passed(steps=10**9, seconds=299)
    assert time.passed(steps=0, seconds=300)
