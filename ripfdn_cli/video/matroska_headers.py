"""What Matroska files say of tracks and chapters that FFmpeg neither reads nor writes (RFC 9559): languages
by BCP 47, and several titles of a chapter, each with its language; and the shape of the picture, which FFmpeg
writes, but takes from where PyAV can't put it.

FFmpeg writes the headers, with longer values than are wanted; `describe` then puts the wanted elements into
that room, so that nothing in the file moves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from ripfdn_cli.errors import InternalError

_SEGMENT, _TRACKS, _CHAPTERS, _CLUSTER = 0x18538067, 0x1654AE6B, 0x1043A770, 0x1F43B675
_TRACK, _EDITION, _ATOM, _CHAPTER_UID = 0xAE, 0x45B9, 0xB6, 0x73C4
_LANGUAGE, _LANGUAGE_BCP47 = 0x22B59C, 0x22B59D
_DISPLAY, _TITLE, _TITLE_LANGUAGE, _TITLE_BCP47, _TITLE_COUNTRY = 0x80, 0x85, 0x437C, 0x437D, 0x437E
_NAME, _VIDEO = 0x536E, 0xE0
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_VOID, _CRC32 = 0xEC, 0xBF
_FILLER = "."
_SMALLEST_VOID = 2
_LARGEST_SHORT_VOID = 126 + _SMALLEST_VOID
_DISPLAY_ROOM = 24
"""Bytes of two sides in px, and more than an empty element."""
_SIDE_BY_SIDE = ("left_right", "right_left", "col_interleaved_lr", "col_interleaved_rl")
_ONE_ABOVE_THE_OTHER = ("top_bottom", "bottom_top", "row_interleaved_lr", "row_interleaved_rl")


@dataclass(frozen=True)
class ChapterTitle:
    """A title of a chapter; `language` by ISO 639-2, `bcp47` and `country` where they are said."""

    text: str
    language: str = ""
    bcp47: str = ""
    country: str = ""

    @property
    def is_in_a_language(self) -> bool:
        """Whether the title names a language ("und" is none)."""
        return bool(self.bcp47 or self.language not in ("", "und"))

    def element(self) -> bytes:
        """The title as a Matroska element, with its languages and country."""
        content = _element(_TITLE, self.text.encode()) + _element(
            _TITLE_LANGUAGE, (self.language or "und").encode()
        )
        for kind, value in ((_TITLE_BCP47, self.bcp47), (_TITLE_COUNTRY, self.country)):
            content += _element(kind, value.encode()) if value else b""
        return _element(_DISPLAY, content)


@dataclass(frozen=True)
class Descriptions:
    """`languages`: BCP 47 by the track's place in the file. `titles`: of each chapter, by its UID."""

    languages: Mapping[int, str] = field(default_factory=dict)
    titles: Mapping[int, tuple[ChapterTitle, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.languages or self.titles)


@dataclass(frozen=True)
class _Element:
    """An element of the kind `id`; bytes of the file from `start`, its content from `content` to `end`."""

    id: int
    start: int
    content: int
    end: int


def read_descriptions(path: Path) -> Descriptions:
    """What the Matroska file `path` says besides what FFmpeg tells; nothing of a damaged one."""
    languages: dict[int, str] = {}
    titles: dict[int, tuple[ChapterTitle, ...]] = {}
    try:
        with path.open("rb") as stream:
            for header in _headers(stream):
                if header.id == _TRACKS:
                    for number, track in enumerate(_children(stream, header, _TRACK)):
                        if said := _text(stream, track, _LANGUAGE_BCP47) or _misplaced(stream, track):
                            languages[number] = said
                elif header.id == _CHAPTERS:
                    for edition in _children(stream, header, _EDITION):
                        for atom in _children(stream, edition, _ATOM):
                            uid = int.from_bytes(_value(stream, atom, _CHAPTER_UID) or b"\0", "big")
                            titles[uid] = tuple(_titles(stream, atom))
    except (ValueError, OSError):
        return Descriptions()
    return Descriptions(languages, titles)


def _misplaced(stream: BinaryIO, track: _Element) -> str:
    """A language by BCP 47 in the place of those by ISO 639-2, where FFmpeg writes what it is given."""
    language = _text(stream, track, _LANGUAGE)
    return language if "-" in language else ""


def _titles(stream: BinaryIO, atom: _Element) -> Iterator[ChapterTitle]:
    for display in _children(stream, atom, _DISPLAY):
        kinds = (_TITLE, _TITLE_LANGUAGE, _TITLE_BCP47, _TITLE_COUNTRY)
        yield ChapterTitle(*(_text(stream, display, kind) for kind in kinds))


def room_for_language(language: str, bcp47: str) -> str:
    """What to give FFmpeg as a track's language, for both to fit into its element."""
    length = len(_languages(language, bcp47)) - len(_element(_LANGUAGE, b""))
    return language.ljust(length, _FILLER)


def room_for_titles(titles: Sequence[ChapterTitle]) -> str:
    """What to give FFmpeg as a chapter's title, for `titles` to fit into its element."""
    return _FILLER * (sum(len(title.element()) for title in titles) + _SMALLEST_VOID)


def describe(
    path: Path, languages: Mapping[int, tuple[str, str]], titles: Sequence[Sequence[ChapterTitle]]
) -> None:
    """Put `languages` (ISO 639-2 and BCP 47, by the track's place) and the `titles` of the chapters, in turn,
    into the file `path`, where FFmpeg was given room for them. Raises InternalError where that isn't there.
    """
    with path.open("rb+") as stream:
        headers = list(_headers(stream))
        for header in headers:
            if header.id == _TRACKS and languages:
                for number, track in enumerate(_children(stream, header, _TRACK)):
                    if number in languages:
                        old = next(_children(stream, track, _LANGUAGE))
                        _replace(stream, old, old.end, _languages(*languages[number]))
                _renew_checksum(stream, header)
            elif header.id == _CHAPTERS and any(titles):
                atoms = [
                    atom
                    for edition in _children(stream, header, _EDITION)
                    for atom in _children(stream, edition, _ATOM)
                ]
                for atom, wanted in zip(atoms, titles, strict=True):
                    if wanted:
                        old = next(_children(stream, atom, _DISPLAY))
                        _replace(stream, old, old.end, b"".join(title.element() for title in wanted))
                _renew_checksum(stream, header)


def displayed_size(width: int, height: int, aspect: Fraction, stereo_mode: str) -> tuple[int, int]:
    """Width and height in px, near `height`, that show pixels of the shape `aspect` exactly; those of one
    view where a frame has two (`stereo_mode` as FFmpeg names Matroska's).
    """
    lines = Fraction(height, 2 if stereo_mode in _ONE_ABOVE_THE_OTHER else 1)
    columns = Fraction(width, 2 if stereo_mode in _SIDE_BY_SIDE else 1)
    shape = columns / lines * aspect
    times = max(1, round(lines / shape.denominator))
    return shape.numerator * times, shape.denominator * times


def views(stereo_mode: str) -> int:
    """Views that a frame has side by side, or one above the other, by `stereo_mode`."""
    return 2 if stereo_mode in _SIDE_BY_SIDE + _ONE_ABOVE_THE_OTHER else 1


def room_for_display(title: str) -> str:
    """What to give FFmpeg as the title of the picture's track, for the size to show it in to fit in."""
    return title + _FILLER * _DISPLAY_ROOM


def write_display(path: Path, size: tuple[int, int]) -> None:
    """State the `size` (width, height) px that the picture, the first track of the file `path`, is shown in,
    where FFmpeg was given room for it. Raises InternalError where that isn't there.
    """
    with path.open("rb+") as stream:
        header = next(header for header in _headers(stream) if header.id == _TRACKS)
        track = next(_children(stream, header, _TRACK))
        name, video = (next(_children(stream, track, kind), None) for kind in (_NAME, _VIDEO))
        if name is None or video is None or name.start > video.start:
            raise InternalError("no room for the shape of the picture in the headers of Matroska")
        title = _bytes(stream, name.content, name.end)[:-_DISPLAY_ROOM]
        new = _element(_NAME, title) if title else b""
        new += _bytes(stream, name.end, video.start) + _element(_VIDEO, _shown_in(stream, video, size))
        _replace(stream, name, video.end, new)
        _renew_checksum(stream, header)


def _shown_in(stream: BinaryIO, video: _Element, size: tuple[int, int]) -> bytes:
    """The content of the element `video`, with another size to show the picture in."""
    old = (_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT)
    kept = [child for child in _children(stream, video) if child.id not in old]
    content = b"".join(_bytes(stream, child.start, child.end) for child in kept)
    for kind, side in zip((_DISPLAY_WIDTH, _DISPLAY_HEIGHT), size, strict=True):
        content += _element(kind, side.to_bytes((side.bit_length() + 7) // 8, "big"))
    return content


def _bytes(stream: BinaryIO, start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(end - start)


def _languages(language: str, bcp47: str) -> bytes:
    return _element(_LANGUAGE, language.encode()) + _element(_LANGUAGE_BCP47, bcp47.encode())


def _replace(stream: BinaryIO, old: _Element, end: int, new: bytes) -> None:
    """Write `new` over the bytes from the start of `old` to `end`; what is left becomes void."""
    rest = end - old.start - len(new)
    if rest < 0 or rest == 1:
        raise InternalError("no room for languages and titles in the headers of Matroska")
    stream.seek(old.start)
    stream.write(new + _void(rest))


def _void(size: int) -> bytes:
    if not size:
        return b""
    if size <= _LARGEST_SHORT_VOID:
        return _element(_VOID, bytes(size - _SMALLEST_VOID))
    content = size - 9
    return bytes([_VOID]) + (1 << 56 | content).to_bytes(8, "big") + bytes(content)


def _renew_checksum(stream: BinaryIO, header: _Element) -> None:
    """The CRC-32 of an element, its first child if it has one, is of all that follows."""
    first = next(_children(stream, header), None)
    if first is None or first.id != _CRC32:
        return
    stream.seek(first.end)
    checksum = zlib.crc32(stream.read(header.end - first.end))
    stream.seek(first.content)
    stream.write(checksum.to_bytes(4, "little"))


def _headers(stream: BinaryIO) -> Iterator[_Element]:
    """The elements of the segment, as far as they lie before the frames or behind them."""
    whole = _Element(0, 0, 0, stream.seek(0, 2))
    segment = next(_children(stream, whole, _SEGMENT), None)
    if segment is None:
        return
    for element in _children(stream, segment):
        if element.id != _CLUSTER:
            yield element


def _children(stream: BinaryIO, parent: _Element, kind: int | None = None) -> Iterator[_Element]:
    place = parent.content
    while place < parent.end:
        stream.seek(place)
        identity, _ = _number(stream, keep_marker=True)
        size, unknown = _number(stream, keep_marker=False)
        content = stream.tell()
        end = parent.end if unknown else min(content + size, parent.end)
        if kind is None or identity == kind:
            yield _Element(identity, place, content, end)
        place = end


def _number(stream: BinaryIO, *, keep_marker: bool) -> tuple[int, bool]:
    """A number of 1 to 8 bytes, whose length its leading zero bits tell; whether it means "unknown"."""
    first = stream.read(1)
    if not first or not first[0]:
        raise ValueError("not an EBML number")
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + stream.read(length - 1), "big")
    plain = value & ((1 << 7 * length) - 1)
    return (value if keep_marker else plain), plain == (1 << 7 * length) - 1


def _value(stream: BinaryIO, parent: _Element, kind: int) -> bytes | None:
    child = next(_children(stream, parent, kind), None)
    if child is None:
        return None
    stream.seek(child.content)
    return stream.read(child.end - child.content)


def _text(stream: BinaryIO, parent: _Element, kind: int) -> str:
    return (_value(stream, parent, kind) or b"").rstrip(b"\0").decode(errors="replace")


def _element(kind: int, content: bytes) -> bytes:
    length = next(number for number in range(1, 9) if len(content) < (1 << 7 * number) - 1)
    size = (1 << 7 * length | len(content)).to_bytes(length, "big")
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + size + content
