"""The boxes that AVIF, HEIC, JPEG 2000 and JPEG XL are made of (ISO/IEC 14496-12, 4.2)."""

import struct
from collections.abc import Iterator


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each box that lies between `start` and `end`, and where its content begins and ends."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind, head = *struct.unpack_from(">I4s", data, start), 8
        if size == 1 and start + 16 <= end:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        after = start + size if size else end
        if after < start + head:
            return
        yield kind, start + head, min(after, end)
        start = after
