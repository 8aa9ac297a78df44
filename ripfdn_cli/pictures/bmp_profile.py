"""The colour profile in a BMP (Windows' BITMAPV5HEADER), which Pillow doesn't read."""

import struct

_FILE_HEADER, _V5_HEADER = 14, 124
_COLOUR_SPACE, _PROFILE_PLACE = 56, 112
"""Where the header says what its numbers mean; where the profile is from the header on, and its size."""
_EMBEDDED, _LINKED = b"DEBM", b"KNIL"
"""'MBED' and 'LINK' as numbers of Windows."""


def profile_of_bmp(data: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """The profile in the file `data`, or in a device-independent bitmap, which has no file header; and what
    is lost of it, for users.
    """
    header = data[_FILE_HEADER if data.startswith(b"BM") else 0 :]
    if len(header) < _V5_HEADER or struct.unpack_from("<I", header)[0] != _V5_HEADER:
        return None, ()
    kind = header[_COLOUR_SPACE : _COLOUR_SPACE + 4]
    if kind == _LINKED:
        return None, ("the colour profile, which is a file of its own",)
    if kind != _EMBEDDED:
        return None, ()
    start, size = struct.unpack_from("<II", header, _PROFILE_PLACE)
    profile = header[start : start + size]
    if start < _V5_HEADER or not size or len(profile) < size:
        return None, ("the colour profile, which is damaged",)
    return profile, ()
