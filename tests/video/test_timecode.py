"""Timecodes are moved as a counter of tape would have counted: by hand, and one frame after the other."""

from fractions import Fraction

import pytest

from ripfdn_cli.video.timecode import moved

NTSC, NTSC_60, FILM = Fraction(30000, 1001), Fraction(60000, 1001), Fraction(24000, 1001)


@pytest.mark.parametrize(
    ("code", "frames", "rate", "expected"),
    [
        ("01:00:00:00", 25, Fraction(25), "01:00:01:00"),
        ("01:00:00:20", 7, Fraction(25), "01:00:01:02"),
        ("00:59:59:23", 1, FILM, "01:00:00:00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("01:00:00:00", 30, NTSC, "01:00:01:00"),
        ("01:00:59:29", 1, NTSC, "01:01:00:00"),
        ("01:00:59;29", 1, NTSC, "01:01:00;02"),
        ("01:00:59.29", 1, NTSC, "01:01:00.02"),
        ("01:08:59;29", 2, NTSC, "01:09:00;03"),
        ("01:09:59;29", 1, NTSC, "01:10:00;00"),
        ("00:00:00;00", 17982, NTSC, "00:10:00;00"),
        ("00:00:00;00", 1800, NTSC, "00:01:00;02"),
        ("00:00:00;00", 107892, NTSC, "01:00:00;00"),
        ("23:59:59;29", 1, NTSC, "00:00:00;00"),
        ("01:00:59;59", 1, NTSC_60, "01:01:00;04"),
        ("01:09:59;59", 1, NTSC_60, "01:10:00;00"),
        ("01:00:59;29", 1, Fraction(2997, 100), "01:01:00;02"),
        ("10:00:00:119", 1, Fraction(120), "10:00:01:000"),
        ("01:00:59;20", 0, NTSC, "01:00:59;20"),
    ],
)
def test_a_timecode_goes_on_by_frames(code: str, frames: int, rate: Fraction, expected: str) -> None:
    assert moved(code, frames, rate) == expected


@pytest.mark.parametrize(
    ("code", "rate"),
    [
        ("", Fraction(25)),
        ("one o'clock", Fraction(25)),
        ("01:00:00", Fraction(25)),
        ("01:00:00:25", Fraction(25)),
        ("24:00:00:00", Fraction(25)),
        ("01:60:00:00", Fraction(25)),
        ("01:00:00;00", Fraction(25)),
        ("01:00:00;00", Fraction(30)),
        ("01:00:00;00", FILM),
        ("01:01:00;00", NTSC),
        ("01:01:00;01", NTSC),
        ("01:01:00;03", NTSC_60),
        ("01:00:00:00", Fraction(25, 2)),
        ("01:00:00:00", Fraction(1, 5)),
    ],
)
def test_what_is_no_timecode_at_a_rate_is_not_moved(code: str, rate: Fraction) -> None:
    assert moved(code, 1, rate) is None


@pytest.mark.parametrize(("rate", "nominal", "skipped"), [(NTSC, 30, 2), (NTSC_60, 60, 4)])
def test_dropped_numbers_are_those_of_a_counter(rate: Fraction, nominal: int, skipped: int) -> None:
    """Every number of 25 minutes in turn, written down as they are shown."""
    shown = [
        f"00:{minute:02}:{second:02};{number:02}"
        for minute in range(25)
        for second in range(60)
        for number in range(nominal)
        if minute % 10 == 0 or second or number >= skipped
    ]
    assert [moved(shown[0], count, rate) for count in range(len(shown))] == shown
    assert [moved(code, 1, rate) for code in shown[:-1]] == shown[1:]
