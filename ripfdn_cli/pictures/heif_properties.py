"""What the property boxes of AVIF and HEIC say of colours and depth, which Pillow does not tell."""

import struct
from collections.abc import Iterator

from ripfdn_cli.pictures.iso_boxes import boxes
from ripfdn_cli.pictures.png_colour import SHOWN_AS_SRGB

_PLACE = ((b"meta", 4), (b"iprp", 0), (b"ipco", 0))
"""The boxes, one in the other, that hold the properties, and the bytes before their boxes (ISO/IEC 23008-12,
9.3).
"""
_COLOUR_SIZE = 11


def coded_colour(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The colours of an AVIF or HEIC, as a PNG says it by the same numbers, of its properties (ISO/IEC
    14496-12, 12.1.5). Rec. 709 and numbers that say nothing are left for sRGB, which is how such files are
    shown.
    """
    found = next((content for content in _properties(data, b"colr") if content[:4] == b"nclx"), b"")
    if len(found) < _COLOUR_SIZE:
        return ()
    primaries, transfer = struct.unpack_from(">HH", found, 4)
    if primaries in (0, 2) or transfer in (0, 2) or max(primaries, transfer) > 255:
        return ()
    if primaries == 1 and transfer in SHOWN_AS_SRGB:
        return ()
    return ((b"cICP", bytes((primaries, transfer, 0, 1))),)


def coded_bits(data: bytes) -> int:
    """Bits of a channel, after the file's property of pixel information (ISO/IEC 23008-12, 6.5.6)."""
    found = next(_properties(data, b"pixi"), b"")
    return found[5] if len(found) > 5 else 8


def _properties(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """The contents of the properties of the kind `wanted`."""
    start, end = 0, len(data)
    for outer, skipped in _PLACE:
        places = (place for kind, *place in boxes(data, start, end) if kind == outer)
        start, end = next(places, (end, end))
        start += skipped
    return (data[begin:stop] for kind, begin, stop in boxes(data, start, end) if kind == wanted)
