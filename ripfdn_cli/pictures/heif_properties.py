"""What the property boxes of AVIF and HEIC say of colours and depth, which Pillow does not tell."""

import struct

from ripfdn_cli.pictures.png_colour import SHOWN_AS_SRGB

_PROPERTIES_END = 2**16
"""Bytes at an AVIF's start among which its properties are."""


def coded_colour(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The colours of an AVIF or HEIC, as a PNG says it by the same numbers, of its properties (ISO/IEC
    14496-12, 12.1.5). Rec. 709 and numbers that say nothing are left for sRGB, which is how such files are
    shown.
    """
    at = data.find(b"colrnclx", 0, _PROPERTIES_END)
    if not 0 <= at < len(data) - 14:
        return ()
    primaries, transfer = struct.unpack_from(">HH", data, at + 8)
    if primaries in (0, 2) or transfer in (0, 2) or max(primaries, transfer) > 255:
        return ()
    if primaries == 1 and transfer in SHOWN_AS_SRGB:
        return ()
    return ((b"cICP", bytes((primaries, transfer, 0, 1))),)


def coded_bits(data: bytes) -> int:
    """Bits of a channel, after the file's property of pixel information (ISO/IEC 23008-12, 6.5.6)."""
    at = data.find(b"pixi", 0, _PROPERTIES_END)
    return data[at + 9] if 0 <= at < len(data) - 9 else 8
