from fractions import Fraction

import click
import pytest

from ripfdn_cli.cli.video_options import Droppable, FrameRate, Seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("12.5", Fraction(25, 2)), ("1:30", 90), ("1:02:03.25", Fraction(14893, 4)), ("0", 0)],
)
def test_times(text: str, seconds: Fraction) -> None:
    assert Seconds().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", 24),
        ("12.5", Fraction(25, 2)),
        ("30000/1001", Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
    ],
)
def test_rates(text: str, rate: Fraction) -> None:
    assert FrameRate().convert(text, None, None) == rate


@pytest.mark.parametrize("text", ["0", "-1", "fast", "1/0", "1e9", "25/", "99999"])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(click.BadParameter):
        FrameRate().convert(text, None, None)


def test_what_may_be_dropped() -> None:
    assert [Droppable().convert(text, None, None) for text in ("2", "audio", "subtitles")] == [
        "2",
        "audio",
        "subtitle",
    ]
    with pytest.raises(click.BadParameter, match="number of a stream or one of audio"):
        Droppable().convert("video", None, None)
