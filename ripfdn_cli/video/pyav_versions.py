"""What differs between PyAV 18 (Python 3.11) and 19 (Python 3.12 and later), in one place."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.sidedata.sidedata import SideData, Type

from ripfdn_cli.errors import InputError

AnyPacket = Any
"""An av.Packet. In its stubs times may be None everywhere, and the class has a parameter in some versions."""

_SINCE_19 = int(av.__version__.partition(".")[0]) >= 19
_METADATA: Any = {} if _SINCE_19 else {"metadata_errors": "surrogateescape"}
"""Version 19 always keeps metadata that is not UTF-8 as it is."""


def open_input(url: str, options: dict[str, str]) -> InputContainer:
    """Open `url` to read. Raises OSError and FFmpegError."""
    container: InputContainer = av.open(url, options=options, **_METADATA)
    return container


def open_output(url: str, muxer: str, options: dict[str, str]) -> OutputContainer:
    """Open `url` to write with FFmpeg's `muxer`. Raises OSError and FFmpegError."""
    container: OutputContainer = av.open(url, "w", format=muxer, container_options=options, **_METADATA)
    return container


def fraction(value: Any) -> Fraction | None:
    """A ratio (Fraction in version 18, AVRational in 19) as a Fraction; None for 0/0, 0/1 and the like."""
    if value is None or not value.denominator or not value.numerator:
        return None
    return Fraction(value.numerator, value.denominator)


def as_fraction(value: Any) -> Fraction:
    """A ratio that must be there. Raises InputError."""
    result = fraction(value)
    if result is None:
        raise InputError("a stream has no time base")
    return result


def _unnamed_type(cls: Any, value: object) -> Any:
    """A member for a kind of side data that PyAV has no name for (MV-HEVC's view ID, for one): without it,
    PyAV raises ValueError for all of a frame's side data.
    """
    if not isinstance(value, int):
        return None
    member = object.__new__(cls)
    member._name_, member._value_ = f"UNNAMED_{value}", value
    return cls._value2member_map_.setdefault(value, member)


Type._missing_ = classmethod(_unnamed_type)  # type: ignore[assignment, method-assign]


def side_data_of(frame: av.VideoFrame) -> dict[str, SideData]:
    """What lies beside the picture of `frame`, by FFmpeg's names; iterating differs between the versions."""
    sides: Any = frame.side_data
    return {sides[position].type.name: sides[position] for position in range(len(sides))}


@contextmanager
def warnings_of_ffmpeg() -> Iterator[list[str]]:
    """What FFmpeg warns of in the block, in this thread, one text each."""
    warnings: list[str] = []
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as said:
            try:
                yield warnings
            finally:
                warnings += [text.strip() for level, _, text in said if level <= av.logging.WARNING]
    finally:
        av.logging.set_level(before)
