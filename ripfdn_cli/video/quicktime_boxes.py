"""Boxes of MP4 and QuickTime files (ISO/IEC 14496-12), as far as FFmpeg doesn't tell what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ripfdn_cli.errors import InternalError

_TO_DESCRIPTIONS = (b"mdia", b"minf", b"stbl", b"stsd")
_HEADER = 8
"""Bytes of a box's size and kind."""
_NAME = 24
"""Where the name begins in a handler's box."""
_FILLER = b"."
_SMALLEST_ENTRY = 16
"""Bytes of a sample description's size, kind, reserved bytes and data reference; all of them have that."""


def is_cut_off(path: Path) -> bool:
    """The last box of the file `path` ends behind the file."""
    length = path.stat().st_size
    with path.open("rb") as stream:
        return any(stop > length for _, _, stop in _stated_boxes(stream, 0, length))


def undescribed_tracks(path: Path) -> set[int]:
    """Numbers, from 0 and in the order of the file, of the tracks whose samples nothing describes."""
    with path.open("rb") as stream:
        tracks = enumerate(_tracks(stream))
        return {number for number, track in tracks if not _is_described(stream, *track)}


def read_languages(path: Path) -> dict[int, str]:
    """Languages by BCP 47 that tracks state beside those of ISO 639-2, by the place of the track in the
    file; none of a damaged one.
    """
    with path.open("rb") as stream:
        found = {
            number: _inner(stream, *track, (b"mdia", b"elng")) for number, track in enumerate(_tracks(stream))
        }
        texts = {number: _content(stream, *place)[4:] for number, place in found.items() if place}
    return {number: text.rstrip(b"\0").decode("ascii", "replace") for number, text in texts.items() if text}


def room_for_language(handler: str, bcp47: str) -> str:
    """What to give FFmpeg as the name of a track's `handler`, for the language to fit behind it."""
    return handler + _FILLER.decode() * len(_extended_language(bcp47))


def write_languages(path: Path, languages: Mapping[int, str]) -> None:
    """Put `languages` by BCP 47 (by the place of the track) into the file `path`, where FFmpeg was given room
    for them. Raises InternalError where that isn't there.
    """
    with path.open("rb+") as stream:
        tracks = list(_tracks(stream))
        for number, bcp47 in languages.items():
            handler = _inner(stream, *tracks[number], (b"mdia", b"hdlr"))
            if handler is None:
                raise InternalError(f"track {number} has no handler")
            language = _extended_language(bcp47)
            named = _shortened(_content(stream, *handler), len(language))
            stream.seek(handler[0] - _HEADER)
            stream.write(_box(b"hdlr", named) + language)


def _shortened(handler: bytes, less: int) -> bytes:
    """The content of a handler box without the last `less` letters of its name: a Pascal string in QuickTime,
    one that ends with 0 in MP4.
    """
    is_quicktime = handler[4:8] != bytes(4)
    end = len(handler) if is_quicktime else len(handler) - 1
    if handler[end - less : end] != less * _FILLER:
        raise InternalError("no room for a language in the headers of MP4")
    kept = handler[: end - less] + handler[end:]
    return kept[:_NAME] + bytes([kept[_NAME] - less]) + kept[_NAME + 1 :] if is_quicktime else kept


def _extended_language(bcp47: str) -> bytes:
    """ISO/IEC 14496-12, section 8.4.6."""
    return _box(b"elng", bytes(4) + bcp47.encode() + b"\0")


def _box(kind: bytes, content: bytes) -> bytes:
    return (_HEADER + len(content)).to_bytes(4, "big") + kind + content


def _content(stream: BinaryIO, start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(end - start)


def _tracks(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """First byte and end of the content of each track's box."""
    movie = _inner(stream, 0, stream.seek(0, 2), (b"moov",))
    for kind, *track in () if movie is None else _boxes(stream, *movie):
        if kind == b"trak":
            yield track[0], track[1]


def _inner(stream: BinaryIO, start: int, end: int, path: tuple[bytes, ...]) -> tuple[int, int] | None:
    """First byte and end of the content of the box that `path` leads to, each kind inside the one before."""
    for wanted in path:
        inner = next((box for box in _boxes(stream, start, end) if box[0] == wanted), None)
        if inner is None:
            return None
        _, start, end = inner
    return start, end


def _is_described(stream: BinaryIO, start: int, end: int) -> bool:
    descriptions = _inner(stream, start, end, _TO_DESCRIPTIONS)
    if descriptions is None:
        return False
    start, end = descriptions
    stream.seek(start + 4)  # version and flags
    count, size = (int.from_bytes(stream.read(4), "big") for _ in range(2))
    kind = stream.read(4)
    return count > 0 and _SMALLEST_ENTRY <= size <= end - start - 8 and kind.strip(b"\0") != b""


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first byte and end of the content of each box, which ends at `end` at the latest."""
    return ((kind, content, min(stop, end)) for kind, content, stop in _stated_boxes(stream, start, end))


def _stated_boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first byte and end of the content of each box that begins before `end`, as it states them."""
    while start + 8 <= end:
        stream.seek(start)
        size, kind, head = int.from_bytes(stream.read(4), "big"), stream.read(4), 8
        if size == 1:
            size, head = int.from_bytes(stream.read(8), "big"), 16
        size = size or end - start  # 0: up to the end
        if size < head:
            return
        yield kind, start + head, start + size
        start += size
