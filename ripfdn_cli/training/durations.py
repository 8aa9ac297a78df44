"""Times as people write them: 90s, 25m, 1h30m; and intervals that count steps or time."""

import math
import re
from dataclasses import dataclass
from typing import Any, Self

from ripfdn_cli.errors import UsageError

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def parse_duration(value: Any, name: str) -> float:
    """Seconds of `value`: a number of seconds, or text such as 25m or 1h30m. Raises UsageError naming
    `name`.
    """
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds):
        raise UsageError(f"{name} {value!r} is not a time; write it as 90s, 25m or 1h30m")
    return seconds


def _seconds(value: Any) -> float | None:
    text = str(value).strip().lower()
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    try:
        return float(text)
    except ValueError:
        return None


def format_duration(seconds: float) -> str:
    """12s, 3m 05s, 2h 10m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


@dataclass(frozen=True)
class Interval:
    """Every `steps` steps, or every `seconds` seconds; the other is 0."""

    steps: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """`500` counts steps, `5m` time. Raises UsageError naming `name`."""
        counted = text.strip().isdecimal()
        interval = cls(steps=int(text)) if counted else cls(seconds=parse_duration(text, name))
        if not interval.steps and interval.seconds <= 0:
            raise UsageError(f"{name} {text!r} is not an interval; write 500 for steps, or 5m for time")
        return interval

    def passed(self, *, steps: int, seconds: float) -> bool:
        """Whether it is over, `steps` and `seconds` after the last time."""
        return steps >= self.steps if self.steps else seconds >= self.seconds
