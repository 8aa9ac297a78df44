"""EXIF blocks: read for where things are, and corrected in place.

Makers write offsets from the start of the block into their notes, and no program knows all of these notes: an
entry may get another value, but nothing may move.
"""

import struct
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

HEAD = b"Exif\0\0"
"""What comes before the block (a TIFF file without pixels) in JPEG."""

ByteOrder = Literal["<", ">"]
_BYTE_ORDERS: dict[bytes, ByteOrder] = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43
"""The versions of TIFF: with offsets of 32 and of 64 bits (BigTIFF)."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each type (TIFF 6.0, page 15)."""
_BIG_SIZES = _SIZES | {16: 8, 17: 8, 18: 8}
_NUMBERS = {3: "u2", 8: "u2", 4: "u4", 5: "u4", 9: "u4", 10: "u4", 11: "u4", 13: "u4"} | dict.fromkeys(
    (12, 16, 17, 18), "u8"
)
"""NumPy's names of what a byte order turns round in values of these types."""
_SHORT, _LONG, _LONG8, _IFD8 = 3, 4, 16, 18
_CODES = {_SHORT: "H", _LONG8: "Q", _IFD8: "Q"}
_WIDTH, _HEIGHT, _ORIENTATION = 0x100, 0x101, 0x112
_STRIP_OFFSETS, _STRIP_SIZES, _THUMBNAIL, _THUMBNAIL_SIZE = 0x111, 0x117, 0x201, 0x202
DETAILS, PLACE = 0x8769, 0x8825
"""Tags of the first directory that point to EXIF's and GPS's own."""
_INTEROPERABILITY, _MAKER_NOTE = 0xA005, 0x927C
_DETAILS_WIDTH, _DETAILS_HEIGHT, _RELATED_WIDTH, _RELATED_HEIGHT = 0xA002, 0xA003, 0x1001, 0x1002
_POINTERS = (DETAILS, PLACE, _INTEROPERABILITY)
_MAKER_HEADS = (0, 6, 8, 12)
"""Bytes before the directory in the notes of Canon and Minolta; Pentax and Casio; Olympus, Nikon and Sanyo;
Panasonic and Sony: those whose offsets count from the start of the EXIF block.
"""
_MOST_MAKER_ENTRIES = 500


@dataclass(frozen=True)
class _Entry:
    """An entry of a directory: `position` is its own in the block, `value` that of its value; `room` is how
    many bytes of that an entry has place for.
    """

    tag: int
    kind: int
    count: int
    position: int
    value: int
    room: int = 4

    @property
    def size(self) -> int:
        return _BIG_SIZES.get(self.kind, 0) * self.count

    @property
    def is_outside(self) -> bool:
        return self.size > self.room


@dataclass(frozen=True)
class _Directory:
    """The entries of a directory by tag, the first where there are several, `listed` are all; and the
    position of the offset of the directory after it.
    """

    entries: Mapping[int, _Entry]
    listed: Sequence[_Entry]
    start: int
    next_position: int


@dataclass(frozen=True)
class RawTag:
    """A tag with its type, how many values of that it has, and their bytes."""

    tag: int
    kind: int
    count: int
    value: bytes


class TagBlock:
    """The bytes of a TIFF structure, to read numbers from, and where it is a bytearray to write them to.
    Raises ValueError where it is not one.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = cast("bytearray", content)  # bytes where nothing is written
        order = _BYTE_ORDERS.get(bytes(content[:2]))
        version = 0 if order is None or len(content) < 8 else struct.unpack_from(order + "H", content, 2)[0]
        if order is None or version not in (_CLASSIC, _BIG):
            raise ValueError("it does not have TIFF's structure")
        self.order: ByteOrder = order
        self.is_big = version == _BIG
        self.offset_kind, self.room = (_IFD8, 8) if self.is_big else (_LONG, 4)
        self.kinds = _BIG_SIZES if self.is_big else _SIZES

    @property
    def entry_length(self) -> int:
        """Bytes of an entry."""
        return 4 + 2 * self.room

    def number(self, position: int, kind: int = _LONG) -> int:
        """The unsigned number at `position`: 2 bytes if `kind` is SHORT, 8 if LONG8 or IFD8, else 4. Raises
        struct.error.
        """
        code = _CODES.get(kind, "I")
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

    def set_numbers(self, entry: _Entry, values: Sequence[int]) -> None:
        """Give a SHORT or LONG `entry` as many `values` as it has. Raises struct.error for too large ones."""
        kind = "H" if entry.kind == _SHORT else "I"
        struct.pack_into(f"{self.order}{len(values)}{kind}", self.content, entry.value, *values)

    def remove(self, directory: _Directory, entry: _Entry) -> None:
        """Take `entry` out of its `directory`, in which those after it close up; nothing behind it moves."""
        end, length = directory.next_position, self.entry_length
        following = self.content[entry.position + length : end + 4]  # with the offset of the next directory
        self.content[entry.position : end] = following.ljust(end - entry.position, b"\0")
        count = self.number(directory.start, _SHORT) - 1
        struct.pack_into(self.order + "H", self.content, directory.start, count)

    def raw(self, entry: _Entry, order: ByteOrder) -> RawTag:
        """`entry` with its bytes in byte `order`."""
        value = bytes(self.content[entry.value : entry.value + entry.size])
        if order != self.order and entry.kind in _NUMBERS:
            value = np.frombuffer(value, _NUMBERS[entry.kind]).byteswap().tobytes()
        return RawTag(entry.tag, entry.kind, entry.count, value)

    def directory(self, start: int, *, limited: bool = True) -> _Directory:
        """The directory at `start`; if `limited`, entries that reach past the block are left out. Raises
        struct.error.
        """
        count_kind, first = (_LONG8, start + 8) if self.is_big else (_SHORT, start + 2)
        end = first + self.number(start, count_kind) * self.entry_length
        listed: list[_Entry] = []
        for position in range(first, end, self.entry_length):
            if position + self.entry_length > len(self.content):
                break
            entry = self._entry(position)
            if entry.kind in self.kinds and (not limited or entry.value + entry.size <= len(self.content)):
                listed.append(entry)
        entries = {entry.tag: entry for entry in reversed(listed)}
        return _Directory(entries, listed, start, end)

    def _entry(self, position: int) -> _Entry:
        tag, kind = self.number(position, _SHORT), self.number(position + 2, _SHORT)
        inside = position + 4 + self.room
        entry = _Entry(tag, kind, self.number(position + 4, self.offset_kind), position, inside, self.room)
        return replace(entry, value=self.number(inside, self.offset_kind)) if entry.is_outside else entry

    def first(self) -> _Directory:
        """The directory that the header points to (IFD0). Raises struct.error."""
        return self.directory(self.number(8 if self.is_big else 4, self.offset_kind))

    def below(self, directory: _Directory, tag: int) -> _Directory | None:
        """The directory that the entry `tag` points to."""
        entry = directory.entries.get(tag)
        try:
            return None if entry is None else self.directory(self.number(entry.value, entry.kind))
        except struct.error:
            return None

    def after(self, directory: _Directory) -> _Directory | None:
        """The directory that follows, None where there is none or it can't be read."""
        try:
            start = self.number(directory.next_position, self.offset_kind)
            return self.directory(start) if start else None
        except struct.error:
            return None

    def further(self) -> dict[int, _Directory]:
        """Those that DETAILS and PLACE of the first one point to, as far as they are there."""
        first = self.first()
        found = {tag: self.below(first, tag) for tag in (DETAILS, PLACE)}
        return {tag: directory for tag, directory in found.items() if directory is not None}

    def directories(self) -> list[_Directory]:
        """The first one and those below it; not that of the thumbnail."""
        first = self.first()
        details = self.below(first, DETAILS)
        found = [first, details, self.below(first, PLACE)]
        found.append(None if details is None else self.below(details, _INTEROPERABILITY))
        return [directory for directory in found if directory is not None]


def check_exif(exif: bytes) -> None:
    """Raises ValueError or struct.error where nothing can be read in the block `exif`, with its head."""
    block = TagBlock(exif[len(HEAD) :])
    if block.is_big or not block.first().entries:
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
    """`exif` for writers that would take it apart to say the orientation in their own way; nothing that has a
    place of its own moves.
    """
    block = TagBlock(bytearray(exif[len(HEAD) :]))
    first = block.first()
    entry = first.entries.get(_ORIENTATION)
    if entry is None:
        return exif
    block.remove(first, entry)
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
            elif entry.tag in _POINTERS:
                block.set_long(entry.value, block.number(entry.value) + distance)
    return bytes(block.content)


def directory_offsets(exif: bytes) -> dict[int, int]:
    """Where the directories that the first one points to are in the block `exif`, its head aside, by tag."""
    block = TagBlock(exif[len(HEAD) :])
    return {tag: directory.start for tag, directory in block.further().items()}


def exif_of_tiff(
    tiff: bytes, tags: Container[int], *, start: int | None = None, left_out: Container[int] = ()
) -> bytes | None:
    """The `tags` of the directory at `start` (by default the first) of the file `tiff`, which may be a
    BigTIFF, as an EXIF block in the same byte order and with the same types; of the directories below it all
    but `left_out`. None where there are none. Raises ValueError or struct.error where it can't be read.
    """
    source = TagBlock(tiff)
    directory = source.first() if start is None else source.directory(start)
    entries = [entry for entry in directory.listed if entry.tag in tags]
    if not entries:
        return None
    target = _Target(TagBlock(bytearray(_head(source.order, is_big=False))))
    _append_directory(source, entries, target, left_out)
    return HEAD + bytes(target.block.content)


def first_tags(exif: bytes, order: ByteOrder) -> list[RawTag]:
    """The tags of the first directory of the block `exif`, but for those that point to others, in byte
    `order`.
    """
    block = TagBlock(exif[len(HEAD) :])
    entries = block.first().entries.values()
    return [block.raw(entry, order) for entry in entries if entry.tag not in _POINTERS]


def directories_for(
    exif: bytes, start: int, order: ByteOrder, *, is_big: bool
) -> tuple[dict[int, int], bytes]:
    """The directories that the first one of `exif` points to, for a TIFF file in byte `order` in which they
    are to lie from `start` on, an even number: the offset of each by its tag, and their bytes.
    """
    source = TagBlock(exif[len(HEAD) :])
    head = _head(order, is_big=is_big)
    target = _Target(TagBlock(bytearray(head)), start - len(head))
    offsets = {
        tag: target.base + _append_directory(source, directory.listed, target, depth=1)
        for tag, directory in source.further().items()
    }
    return offsets, bytes(target.block.content[len(head) :])


def byte_order(exif: bytes) -> ByteOrder:
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


@dataclass(frozen=True)
class _Target:
    """A TIFF structure that grows; its first byte is to lie at the offset `base` of a file."""

    block: TagBlock
    base: int = 0

    def append(self, value: bytes) -> int:
        """Where in the block `value` lies: at an even number."""
        content = self.block.content
        content += bytes(len(content) % 2)
        content += value
        return len(content) - len(value)

    def offset(self, position: int) -> bytes:
        """The offset of `position`, as entries have it. Raises struct.error where it is too large."""
        code = "Q" if self.block.is_big else "I"
        return struct.pack(self.block.order + code, self.base + position)

    def set_entry(self, position: int, tag: RawTag, value: bytes) -> None:
        """Write an entry that has `value`, or the offset of the tag's, at `position`."""
        order, room = self.block.order, self.block.room
        code = "HHQ" if self.block.is_big else "HHI"
        content = struct.pack(order + code, tag.tag, tag.kind, tag.count)
        self.block.content[position : position + self.block.entry_length] = content + value.ljust(room, b"\0")


def _head(order: ByteOrder, *, is_big: bool) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    if is_big:
        return mark + struct.pack(order + "HHHQ", _BIG, 8, 0, 16)
    return mark + struct.pack(order + "HI", _CLASSIC, 8)


def _append_directory(
    source: TagBlock,
    entries: Sequence[_Entry],
    target: _Target,
    left_out: Container[int] = (),
    depth: int = 0,
) -> int:
    """Append a directory of `entries`, their values, and the directories that they point to, without tags
    that are `left_out` of these; where in the target's block it is. Types that this doesn't know are left
    out, too.
    """
    block = target.block
    known = [entry for entry in entries if entry.kind in block.kinds or entry.tag in _POINTERS]
    tags = [(entry, source.raw(entry, block.order)) for entry in known]
    count = struct.pack(block.order + ("Q" if block.is_big else "H"), len(tags))
    start = target.append(count + bytes(block.entry_length * len(tags) + block.room))
    for index, (entry, tag) in enumerate(tags):
        at = start + len(count) + index * block.entry_length
        if tag.tag in _POINTERS:
            inner = [each for each in _inner(source, entry, depth) if each.tag not in left_out]
            place = _append_directory(source, inner, target, left_out, depth + 1)
            target.set_entry(at, RawTag(tag.tag, block.offset_kind, 1, b""), target.offset(place))
        elif len(tag.value) <= block.room:
            target.set_entry(at, tag, tag.value)
        else:
            place = target.append(tag.value)
            target.set_entry(at, tag, target.offset(place))
            if tag.tag == _MAKER_NOTE and source.order == block.order and not block.is_big:
                moved = replace(entry, position=at, value=place)
                _move_maker_note(block, moved, entry.value, place + target.base)
    return start


def _inner(source: TagBlock, pointer: _Entry, depth: int) -> Sequence[_Entry]:
    """The entries that `pointer` points to; none where they can't be read, or lie deeper than EXIF's do."""
    if depth > 1:
        return ()
    try:
        return source.directory(source.number(pointer.value, pointer.kind)).listed
    except struct.error:
        return ()


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
