"""Timecodes of frames: hours, minutes, seconds and the frame's number within its second (SMPTE ST 12)."""

import re
from fractions import Fraction

TIMECODE = "timecode"
"""FFmpeg's name of the tag for the timecode of the first frame."""
_CODE = re.compile(r"(\d\d):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})")
_HOURS = 24
_NOMINAL = Fraction(1, 500)
"""The share by which a rate may differ from a whole number: NTSC's by 1/1000, and clocks are rounded."""
_DROPS = 30
"""Rates at which numbers are dropped are multiples of this over 1.001."""


def moved(code: str, frames: int, rate: Fraction) -> str | None:
    """The timecode of the frame that is `frames` after the one of `code`, at `rate` frames a second; None
    where `code` is none, or no frame has it at that rate.

    After `;` (or `.`) it is drop-frame: at 29.97 the numbers 00 and 01 are skipped in each minute but every
    tenth, at 59.94 the first four. It begins again after 24 hours.
    """
    found, nominal = _CODE.fullmatch(code), round(rate)
    if found is None or not nominal or abs(rate / nominal - 1) > _NOMINAL:
        return None
    hours, minutes, seconds, number = (int(found[group]) for group in (1, 2, 3, 5))
    dropped = 0 if found[4] == ":" else _dropped(rate, nominal)
    if dropped is None or hours >= _HOURS or number >= nominal:
        return None
    minute = 60 * hours + minutes
    if minute % 10 and not seconds and number < dropped:
        return None
    count = (60 * minute + seconds) * nominal + number - dropped * (minute - minute // 10)
    day = _HOURS * 6 * (600 * nominal - 9 * dropped)
    rest, number = divmod(_numbered((count + frames) % day, nominal, dropped), nominal)
    (minute, seconds), digits = divmod(rest, 60), len(found[5])
    return f"{minute // 60:02}:{minute % 60:02}:{seconds:02}{found[4]}{number:0{digits}}"


def _dropped(rate: Fraction, nominal: int) -> int | None:
    """How many numbers drop-frame timecode skips at once; None at rates that have none."""
    return None if nominal % _DROPS or rate >= nominal else 2 * nominal // _DROPS


def _numbered(count: int, nominal: int, dropped: int) -> int:
    """What is counted for the frame `count` of the day if skipped numbers are counted, too."""
    tens, rest = divmod(count, 600 * nominal - 9 * dropped)
    # The first minute of ten has all its numbers.
    minutes = max(0, rest - dropped) // (60 * nominal - dropped)
    return count + dropped * (9 * tens + minutes)
