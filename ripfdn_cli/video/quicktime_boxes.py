"""Boxes of MP4 and QuickTime files (ISO/IEC 14496-12), as far as FFmpeg doesn't tell what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_TO_DESCRIPTIONS = (b"mdia", b"minf", b"stbl", b"stsd")
_SMALLEST_ENTRY = 16
"""Bytes of a sample description's size, kind, reserved bytes and data reference; all of them have that."""


def undescribed_tracks(path: Path) -> set[int]:
    """Numbers, from 0 and in the order of the file, of the tracks whose samples nothing describes."""
    with path.open("rb") as stream:
        length = path.stat().st_size
        movie = next((box for box in _boxes(stream, 0, length) if box[0] == b"moov"), None)
        if movie is None:
            return set()
        tracks = [box for box in _boxes(stream, *movie[1:]) if box[0] == b"trak"]
        return {number for number, track in enumerate(tracks) if not _is_described(stream, *track[1:])}


def _is_described(stream: BinaryIO, start: int, end: int) -> bool:
    for wanted in _TO_DESCRIPTIONS:
        inner = next((box for box in _boxes(stream, start, end) if box[0] == wanted), None)
        if inner is None:
            return False
        _, start, end = inner
    stream.seek(start + 4)  # version and flags
    count, size = (int.from_bytes(stream.read(4), "big") for _ in range(2))
    kind = stream.read(4)
    return count > 0 and _SMALLEST_ENTRY <= size <= end - start - 8 and kind.strip(b"\0") != b""


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first byte and end of the content of each box."""
    while start + 8 <= end:
        stream.seek(start)
        size, kind, head = int.from_bytes(stream.read(4), "big"), stream.read(4), 8
        if size == 1:
            size, head = int.from_bytes(stream.read(8), "big"), 16
        size = size or end - start  # 0: up to the end
        if size < head:
            return
        yield kind, start + head, min(start + size, end)
        start += size
