"""EXIF blocks: read for where things are, and corrected in place.

Makers write offsets from the start of the block into their notes, and no program knows all of these notes: an
entry may get another value, but nothing may move.
"""

import struct
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

HEAD = b"Exif\0\0"
"""What comes before the block (a TIFF file without pixels) in JPEG."""

_BYTE_ORDERS: dict[bytes, Literal["<", ">"]] = {b"II*\0": "<", b"MM\0*": ">"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each type (TIFF 6.0, page 15)."""
_SHORT, _LONG = 3, 4
_ENTRY = 12
_WIDTH, _HEIGHT, _ORIENTATION = 0x100, 0x101, 0x112
_STRIP_OFFSETS, _STRIP_SIZES, _THUMBNAIL, _THUMBNAIL_SIZE = 0x111, 0x117, 0x201, 0x202
_DETAILS, _PLACE, _INTEROPERABILITY, _MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
_DETAILS_WIDTH, _DETAILS_HEIGHT, _RELATED_WIDTH, _RELATED_HEIGHT = 0xA002, 0xA003, 0x1001, 0x1002
_MAKER_HEADS = (0, 6, 8, 12)
"""Bytes before the directory in the notes of Canon and Minolta; Pentax and Casio; Olympus, Nikon and Sanyo;
Panasonic and Sony: those whose offsets count from the start of the EXIF block.
"""
_MOST_MAKER_ENTRIES = 500


@dataclass(frozen=True)
class _Entry:
    """An entry of a directory: `position` is its own in the block, `value` that of its value."""

    tag: int
    kind: int
    count: int
    position: int
    value: int

    @property
    def size(self) -> int:
        return _SIZES.get(self.kind, 0) * self.count

    @property
    def is_outside(self) -> bool:
        return self.size > 4


@dataclass(frozen=True)
class _Directory:
    """The entries of a directory by tag, the first where there are several, `listed` are all; and the
    position of the offset of the directory after it.
    """

    entries: Mapping[int, _Entry]
    listed: Sequence[_Entry]
    start: int
    next_position: int


class TagBlock:
    """The bytes of a TIFF structure, to read numbers from, and where it is a bytearray to write them to.
    Raises ValueError where it is not one.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = cast("bytearray", content)  # bytes where nothing is written
        order = _BYTE_ORDERS.get(bytes(content[:4]))
        if order is None or len(content) < 8:
            raise ValueError("it does not have TIFF's structure")
        self.order: Literal["<", ">"] = order

    def number(self, position: int, kind: int = _LONG) -> int:
        """The unsigned number at `position`: 2 bytes if `kind` is SHORT, else 4. Raises struct.error."""
        code = {_SHORT: "H", _LONG: "I"}.get(kind, "I")
        return int(struct.unpack_from(self.order + code, self.content, position)[0])

    def set_long(self, position: int, value: int) -> None:
        """Write `value` as 4 bytes at `position`. Raises struct.error where it doesn't fit."""
        struct.pack_into(self.order + "I", self.content, position, value)

    def set_entry(self, entry: _Entry, value: int) -> None:
        """Give `entry` one number; a SHORT becomes a LONG where it has to."""
        if value < 2**16 and entry.kind == _SHORT:
            struct.pack_into(f"{self.order}HIHH", self.content, entry.position + 2, _SHORT, 1, value, 0)
        else:
            struct.pack_into(f"{self.order}HII", self.content, entry.position + 2, _LONG, 1, value)

    def numbers(self, entry: _Entry) -> list[int]:
        """All values of a SHORT or LONG entry. Raises struct.error where they reach past the block."""
        step = 2 if entry.kind == _SHORT else 4
        return [self.number(entry.value + step * i, entry.kind) for i in range(entry.count)]

    def directory(self, start: int, *, limited: bool = True) -> _Directory:
        """The directory at `start`; if `limited`, entries that reach past the block are left out. Raises
        struct.error.
        """
        count = self.number(start, _SHORT)
        listed: list[_Entry] = []
        for position in range(start + 2, start + 2 + count * _ENTRY, _ENTRY):
            if position + _ENTRY > len(self.content):
                break
            tag, kind = self.number(position, _SHORT), self.number(position + 2, _SHORT)
            entry = _Entry(tag, kind, self.number(position + 4), position, position + 8)
            if entry.is_outside:
                entry = _Entry(tag, kind, entry.count, position, self.number(position + 8))
            if kind in _SIZES and (not limited or entry.value + entry.size <= len(self.content)):
                listed.append(entry)
        entries = {entry.tag: entry for entry in reversed(listed)}
        return _Directory(entries, listed, start, start + 2 + count * _ENTRY)

    def first(self) -> _Directory:
        """The directory that the header points to (IFD0). Raises struct.error."""
        return self.directory(self.number(4))

    def below(self, directory: _Directory, tag: int) -> _Directory | None:
        """The directory that the entry `tag` points to."""
        entry = directory.entries.get(tag)
        try:
            return None if entry is None else self.directory(self.number(entry.value))
        except struct.error:
            return None

    def after(self, directory: _Directory) -> _Directory | None:
        """The directory that follows, None where there is none or it can't be read."""
        try:
            start = self.number(directory.next_position)
            return self.directory(start) if start else None
        except struct.error:
            return None

    def directories(self) -> list[_Directory]:
        """The first one and those below it; not that of the thumbnail."""
        first = self.first()
        details = self.below(first, _DETAILS)
        found = [first, details, self.below(first, _PLACE)]
        found.append(None if details is None else self.below(details, _INTEROPERABILITY))
        return [directory for directory in found if directory is not None]


def check_exif(exif: bytes) -> None:
    """Raises ValueError or struct.error where nothing can be read in the block `exif`, with its head."""
    if not TagBlock(exif[len(HEAD) :]).first().entries:
        raise ValueError("nothing in it can be read")


def with_head(content: bytes) -> bytes:
    """The EXIF block `content` as JPEG has it, whatever head its format gives it."""
    while content.startswith(HEAD):
        content = content[len(HEAD) :]
    return HEAD + content


def corrected_exif(exif: bytes, width: int, height: int) -> bytes:
    """`exif` for a picture of `width` × `height` px whose pixels stand upright: orientation 1, sizes set
    where they are given, no thumbnail. All else keeps its bytes and its place.

    Raises ValueError or struct.error where its first directory can't be read.
    """
    block = TagBlock(bytearray(exif[len(HEAD) :]))
    corrections = {
        _ORIENTATION: 1,
        **dict.fromkeys((_WIDTH, _DETAILS_WIDTH, _RELATED_WIDTH), width),
        **dict.fromkeys((_HEIGHT, _DETAILS_HEIGHT, _RELATED_HEIGHT), height),
    }
    for directory in block.directories():
        for tag in corrections.keys() & directory.entries.keys():
            block.set_entry(directory.entries[tag], corrections[tag])
    _remove_thumbnail(block)
    return HEAD + bytes(block.content)


def without_orientation(exif: bytes) -> bytes:
    """`exif` for writers that would take it apart to say the orientation in their own way; what comes after
    the entry in its directory closes up, and nothing else moves.
    """
    block = TagBlock(bytearray(exif[len(HEAD) :]))
    first = block.first()
    entry = first.entries.get(_ORIENTATION)
    if entry is None:
        return exif
    end = first.next_position + 4
    block.content[entry.position : end] = block.content[entry.position + _ENTRY : end] + bytes(_ENTRY)
    struct.pack_into(block.order + "H", block.content, first.start, block.number(first.start, _SHORT) - 1)
    return HEAD + bytes(block.content)


def moved_exif(exif: bytes, distance: int) -> bytes:
    """The EXIF block `exif` without its head, for a TIFF file in which it begins at the offset `distance`:
    the offsets in its directories, and in those maker notes whose offsets count from the file's start, are
    moved.
    """
    block = TagBlock(bytearray(exif[len(HEAD) :]))
    for directory in block.directories():
        for entry in directory.listed:
            if entry.tag == _MAKER_NOTE:
                _move_maker_note(block, entry, entry.value, entry.value + distance)
            if entry.is_outside:
                block.set_long(entry.position + 8, entry.value + distance)
            elif entry.tag in (_DETAILS, _PLACE, _INTEROPERABILITY):
                block.set_long(entry.value, block.number(entry.value) + distance)
    return bytes(block.content)


def directory_offsets(exif: bytes) -> dict[int, int]:
    """Where the directories that the first one points to are in the block `exif`, its head aside, by tag."""
    block = TagBlock(exif[len(HEAD) :])
    first = block.first()
    found = {tag: block.below(first, tag) for tag in (_DETAILS, _PLACE)}
    return {tag: directory.start for tag, directory in found.items() if directory is not None}


def exif_of_tiff(tiff: bytes, start: int, tags: Container[int]) -> bytes | None:
    """The `tags` of the directory at `start` of the file `tiff` as an EXIF block, in the same byte order and
    with the same types; None where there are none. Raises ValueError for BigTIFF.
    """
    source = TagBlock(tiff)
    directory = source.directory(start)
    entries = [entry for entry in directory.listed if entry.tag in tags]
    if not entries:
        return None
    block = TagBlock(bytearray(tiff[:4] + struct.pack(source.order + "I", 8)))
    _copy_directory(source, directory, entries, block)
    return HEAD + bytes(block.content)


def byte_order(exif: bytes) -> Literal["<", ">"]:
    """The byte order of an EXIF block that begins with `HEAD`, as `struct` writes it."""
    return TagBlock(exif[len(HEAD) :]).order


def _remove_thumbnail(block: TagBlock) -> None:
    """Cut the link to the thumbnail, and overwrite it (or cut it off) unless something else has its place."""
    first = block.first()
    thumbnail = block.after(first)
    if first.next_position + 4 <= len(block.content):
        block.set_long(first.next_position, 0)
    if thumbnail is None:
        return
    live = list(_extents(block.directories()))
    for start, stop in _thumbnail_extents(block, thumbnail):
        if stop > len(block.content) or any(start < end and begin < stop for begin, end in live):
            continue
        if stop == len(block.content) and start >= max(end for _, end in live):
            del block.content[start:]
        else:
            block.content[start:stop] = bytes(stop - start)


def _thumbnail_extents(block: TagBlock, directory: _Directory) -> Iterator[tuple[int, int]]:
    for places, sizes in ((_THUMBNAIL, _THUMBNAIL_SIZE), (_STRIP_OFFSETS, _STRIP_SIZES)):
        if places in directory.entries and sizes in directory.entries:
            starts, lengths = (block.numbers(directory.entries[tag]) for tag in (places, sizes))
            yield from ((start, start + length) for start, length in zip(starts, lengths, strict=False))


def _extents(directories: list[_Directory]) -> Iterator[tuple[int, int]]:
    """The bytes that directories and their values take."""
    yield 0, 8
    for directory in directories:
        yield directory.start, directory.next_position + 4
        yield from ((entry.value, entry.value + entry.size) for entry in directory.listed if entry.is_outside)


def _copy_directory(
    source: TagBlock, directory: _Directory, entries: Sequence[_Entry], target: TagBlock
) -> None:
    """Append `entries` of `directory`, their values, and the directories that they point to."""
    content = target.content
    position = len(content)
    content += struct.pack(source.order + "H", len(entries)) + bytes(_ENTRY * len(entries) + 4)
    for at, entry in zip(range(position + 2, len(content), _ENTRY), entries, strict=False):
        content[at : at + _ENTRY] = source.content[entry.position : entry.position + _ENTRY]
        if entry.tag in (_DETAILS, _PLACE, _INTEROPERABILITY):
            inner = source.below(directory, entry.tag)
            content += bytes(len(content) % 2)
            target.set_long(at + 8, len(content))
            if inner is None:
                content += bytes(6)
            else:
                _copy_directory(source, inner, inner.listed, target)
        elif entry.is_outside:
            content += bytes(len(content) % 2)
            place = len(content)
            target.set_long(at + 8, place)
            content += source.content[entry.value : entry.value + entry.size]
            if entry.tag == _MAKER_NOTE:
                _move_maker_note(target, replace(entry, position=at, value=place), entry.value, place)


def _move_maker_note(block: TagBlock, note: _Entry, origin: int, target: int) -> None:
    """Move the offsets of a maker note that lay at `origin` and is to lie at `target`, if it is a plain
    directory whose values lie in the note itself, counted from the block's start; all other notes (with a
    byte order of their own, or offsets from their own start) can be moved as they are.
    """
    for head in _MAKER_HEADS:
        entries = _maker_entries(block, note, note.value + head, origin)
        for entry in entries:
            block.set_long(entry.position + 8, entry.value + target - origin)
        if entries:
            return


def _maker_entries(block: TagBlock, note: _Entry, start: int, origin: int) -> list[_Entry]:
    """The entries of a directory at `start` whose values lie in the `note` that it is in, which was at
    `origin`; none unless these are most of those that lie outside of their entries.
    """
    end = note.value + note.size
    if start + 2 > end or not 0 < block.number(start, _SHORT) <= _MOST_MAKER_ENTRIES:
        return []
    directory = block.directory(start, limited=False)
    outside = [entry for entry in directory.listed if entry.is_outside]
    inside = [
        entry for entry in outside if origin <= entry.value and entry.value + entry.size <= origin + note.size
    ]
    complete = directory.next_position <= end and len(directory.listed) == block.number(start, _SHORT)
    return inside if complete and 2 * len(inside) > len(outside) else []
