"""The structure of a JPEG file: its segments, and where it ends. No pixels."""

import re
from dataclasses import dataclass

APP0, APP1, APP2, APP11, APP13 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED
COMMENT = 0xFE
SOI = b"\xff\xd8"
LONGEST_SEGMENT = 65533
"""Bytes of content."""

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_WITHOUT_CONTENT = frozenset((1, *range(0xD0, 0xD8)))
_MARKER_IN_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
"""In entropy-coded data 0xFF is followed by 0 or by a restart marker (ITU-T T.81, B.1.1.5)."""


@dataclass(frozen=True)
class Segment:
    """`marker` is the byte after 0xFF, `content` what follows the length, at `position` of its file."""

    marker: int
    content: bytes
    position: int


@dataclass(frozen=True)
class JpegFile:
    """The segments of a JPEG before its pixels, and the position after its end."""

    segments: tuple[Segment, ...]
    end: int


def read_jpeg(data: bytes, start: int = 0) -> JpegFile:
    """The JPEG at `start` of `data`, as far as it can be followed; one that is cut off ends with `data`."""
    segments: list[Segment] = []
    position, in_header = start + 2, True
    while (found := _MARKER_IN_SCAN.search(data, position)) is not None:
        marker, position = data[found.end() - 1], found.end()
        if marker == _EOI:
            return JpegFile(tuple(segments), position)
        if marker in _WITHOUT_CONTENT:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        in_header = in_header and marker != _SOS
        if in_header:
            segments.append(Segment(marker, data[position + 2 : position + length], position + 2))
        position += max(length, 2)
    return JpegFile(tuple(segments), len(data))


def segment_bytes(marker: int, content: bytes) -> bytes:
    """A JPEG segment: 0xFF, `marker`, a big-endian length that counts itself, `content`. Raises OverflowError
    above 65,533 bytes.
    """
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def end_of_head(jpeg: bytes) -> int:
    """The position after the application segments that `jpeg` begins with: JFIF's, EXIF's and all others."""
    position = len(SOI)
    while APP0 <= jpeg[position + 1] <= APP0 + 15:
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
    return position
