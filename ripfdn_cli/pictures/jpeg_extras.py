"""What a JPEG file has beside one picture: maps of its size (HDR gain maps), a video (motion photos), the
rest of a long XMP packet, and what no other file can take over.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from PIL import Image

from ripfdn_cli.pictures.exif import HEAD as EXIF_HEAD
from ripfdn_cli.pictures.exif import TagBlock
from ripfdn_cli.pictures.jpeg_segments import (
    APP0,
    APP1,
    APP2,
    APP11,
    COMMENT,
    LONGEST_SEGMENT,
    SOI,
    JpegFile,
    Segment,
    end_of_head,
    read_jpeg,
    segment_bytes,
)
from ripfdn_cli.pictures.lost_parts import CREDENTIALS
from ripfdn_cli.pictures.xmp import (
    EXTENDED_HEAD,
    Item,
    extended_name,
    extension_contents,
    has_gain_map,
    has_motion,
    items_of,
    joined_extension,
)

XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"

_INDEX_HEAD = b"MPF\0"
_VERSION_HEAD = b"urn:iso:std:iso:ts:21496:-1\0"
_KNOWN_HEADS = {
    APP1: (EXIF_HEAD, XMP_HEAD, EXTENDED_HEAD),
    APP2: (b"ICC_PROFILE\0", _INDEX_HEAD, _VERSION_HEAD),
    0xEC: (b"Ducky",),  # the quality at which it was saved
    0xED: (b"",),
    0xEE: (b"Adobe",),
}
"""Segments that are carried over, or that say how the file was written; APP0 has a thumbnail at the most."""
_INDEX_ENTRIES = 0xB002
_KIND, _THUMBNAILS, _VIEWS, _MAIN = 0xFFFFFF, (0x010001, 0x010002), (0x020001, 0x020002, 0x020003), 0x030000
"""Types of pictures in the index of a file with several (CIPA DC-007, table 4)."""
_SAMSUNG_MOTION = b"MotionPhoto_Data"
_MOTION_ITEM = "MotionPhoto"


@dataclass(frozen=True)
class AuxiliaryPicture:
    """A JPEG that says something of each place of the main one: its HDR gain map, or its depth. `semantic` is
    what XMP calls it, `kind` its type in the index; its sides are `share` (width, height) of the main
    picture's, and it stands upright once EXIF's orientation `turn` is applied.
    """

    content: bytes
    semantic: str
    kind: int
    share: tuple[float, float]
    turn: int = 1

    def turned(self, turn: int) -> Self:
        """The one of the main picture after EXIF's orientation `turn`, by which alone pictures are turned."""
        return replace(self, turn=turn, share=self.share[::-1] if turn >= 5 else self.share)


@dataclass(frozen=True)
class JpegExtras:
    """`comment` has all comments, a line each; `versions` are the segments by which ISO 21496-1 says that
    there is a gain map, `video` is all that comes after the pictures of a motion photo, `lost` names what
    can't be carried over.
    """

    comment: bytes | None = None
    auxiliary: tuple[AuxiliaryPicture, ...] = ()
    versions: tuple[bytes, ...] = ()
    video: bytes | None = None
    extended_xmp: bytes | None = None
    lost: tuple[str, ...] = ()


def read_extras(data: bytes, xmp: bytes | None, width: int, height: int) -> JpegExtras:
    """What the JPEG file `data`, of `width` × `height` px as it is stored, has beside picture and `xmp`."""
    main = read_jpeg(data)
    pieces = _pieces(data, main)
    auxiliary, lost = _sorted_out(data, pieces, items_of(xmp or b""), (width, height))
    after = data[max([main.end, *(end for _, end, _ in pieces)]) :]
    is_motion = b"ftyp" in after and (has_motion(xmp or b"") or _SAMSUNG_MOTION in after)
    extended = None
    if xmp is not None and (name := extended_name(xmp)) is not None:
        extended = joined_extension(_contents(main, APP1, EXTENDED_HEAD), name)
        lost += ["a damaged part of XMP"] if extended is None else []
    lost += ["data after the picture"] if after.strip(b"\0") and not is_motion else []
    comments = [segment.content for segment in main.segments if segment.marker == COMMENT and segment.content]
    return JpegExtras(
        comment=b"\n".join(comments) or None,
        auxiliary=tuple(auxiliary),
        versions=tuple(_contents(main, APP2, _VERSION_HEAD)) if auxiliary else (),
        video=after if is_motion else None,
        extended_xmp=extended,
        lost=tuple(dict.fromkeys((*lost, *_unknown_segments(main)))),
    )


def xmp_items(auxiliary: Sequence[AuxiliaryPicture], video: bytes | None) -> list[Item]:
    """What XMP may say follows a picture with these extras."""
    items = [Item(entry.semantic, len(entry.content)) for entry in auxiliary if entry.semantic]
    return items if video is None else [*items, Item(_MOTION_ITEM, None)]


def is_gain_map(entry: AuxiliaryPicture) -> bool:
    """Whether the picture's semantic, or a mark in its own JPEG, says that it is an HDR gain map."""
    return entry.semantic == "GainMap" or _is_marked(read_jpeg(entry.content))


def with_extras(
    jpeg: bytes,
    *,
    auxiliary: Sequence[AuxiliaryPicture],
    versions: Sequence[bytes],
    video: bytes | None,
    extended_xmp: bytes | None,
) -> bytes:
    """The JPEG file `jpeg`, one picture, with these extras behind it and the segments that announce them."""
    contents = [] if extended_xmp is None else extension_contents(extended_xmp, LONGEST_SEGMENT)
    announced = b"".join(segment_bytes(APP1, content) for content in contents)
    announced += b"".join(segment_bytes(APP2, content) for content in versions)
    position = end_of_head(jpeg)
    jpeg = jpeg[:position] + announced + jpeg[position:]
    if auxiliary:
        jpeg = _with_index(jpeg, auxiliary)
    return b"".join([jpeg, *(entry.content for entry in auxiliary), video or b""])


_Piece = tuple[int, int, int]
"""Start, end and type of a picture after the first."""


def _pieces(data: bytes, main: JpegFile) -> list[_Piece]:
    """The pictures after the first, in their order: those in the index, and those that just follow."""
    found = {start: (end, kind) for start, end, kind in _indexed(data, main)}
    position = _after_padding(data, main.end)
    while position in found or data[position : position + 3] == SOI + b"\xff":
        if position not in found:
            found[position] = read_jpeg(data, position).end, 0
        position = _after_padding(data, max(found[position][0], position + 1))
    return [(start, end, kind) for start, (end, kind) in sorted(found.items())]


def _after_padding(data: bytes, position: int) -> int:
    return next((at for at in range(position, len(data)) if data[at]), len(data))


def _indexed(data: bytes, main: JpegFile) -> Iterator[_Piece]:
    for segment in main.segments:
        if segment.marker != APP2 or not segment.content.startswith(_INDEX_HEAD):
            continue
        try:
            block = TagBlock(segment.content[len(_INDEX_HEAD) :])
            entry = block.first().entries.get(_INDEX_ENTRIES)
        except (struct.error, ValueError):
            continue
        for at in range(entry.value, entry.value + entry.size, 16) if entry is not None else ():
            kind, size, offset = (block.number(at + 4 * i) for i in range(3))
            start = segment.position + len(_INDEX_HEAD) + offset
            if offset and data[start : start + 2] == SOI:
                yield start, min(start + size, len(data)), kind & _KIND


def _sorted_out(
    data: bytes, pieces: Sequence[_Piece], items: Sequence[Item], size: tuple[int, int]
) -> tuple[list[AuxiliaryPicture], list[str]]:
    """Those that belong to the main picture of `size`, and names of the others, except thumbnails."""
    kept: list[AuxiliaryPicture] = []
    lost = []
    for start, end, kind in pieces:
        content = data[start:end]
        share = _share(content, size)
        if kind in _THUMBNAILS:
            continue
        if kind in _VIEWS or share is None:
            lost.append("other pictures in the file")
            continue
        kept.append(AuxiliaryPicture(content, _semantic(content, items), kind, share))
    return kept, lost


def _semantic(content: bytes, items: Sequence[Item]) -> str:
    """What XMP calls the file of this length, or the gain map that it doesn't give the right length of."""
    for item in items:
        if item.length == len(content):
            return item.semantic
    named = any(item.semantic == "GainMap" for item in items)
    return "GainMap" if named and _is_marked(read_jpeg(content)) else ""


def _share(content: bytes, size: tuple[int, int]) -> tuple[float, float] | None:
    """The sides of the JPEG `content` by those of the main picture; None where it has other proportions (but
    for rounding), is larger, or can't be read.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            width, height = image.size
    except Exception:  # noqa: BLE001 - decoders raise nearly anything for damaged files
        return None
    alike = abs(width * size[1] - height * size[0]) <= max(size)
    fits = width <= size[0] and height <= size[1]
    return (width / size[0], height / size[1]) if alike and fits else None


def _is_marked(jpeg: JpegFile) -> bool:
    """Whether the picture says of itself that it is a gain map: Google's way, Apple's or ISO's."""
    packets = _contents(jpeg, APP1, XMP_HEAD)
    return any(has_gain_map(packet) for packet in packets) or any(_contents(jpeg, APP2, _VERSION_HEAD))


def _contents(jpeg: JpegFile, marker: int, head: bytes) -> Iterator[bytes]:
    for segment in jpeg.segments:
        if segment.marker == marker and segment.content.startswith(head):
            yield segment.content


def _unknown_segments(jpeg: JpegFile) -> Iterator[str]:
    for segment in jpeg.segments:
        if not APP0 < segment.marker <= APP0 + 15 or segment.content.startswith(
            _KNOWN_HEADS.get(segment.marker, ())
        ):
            continue
        if segment.marker == APP11 and b"c2pa" in segment.content:
            yield CREDENTIALS
        else:
            yield _title(segment)


def _title(segment: Segment) -> str:
    name = segment.content[:12].split(b"\0")[0]
    return f"APP{segment.marker - APP0}" + (f" {name.decode()}" if name.isalnum() and name.isascii() else "")


def _with_index(jpeg: bytes, auxiliary: Sequence[AuxiliaryPicture]) -> bytes:
    """`jpeg` with an index of itself and of the pictures `auxiliary` that will follow it."""
    count = 1 + len(auxiliary)
    head = b"II*\0" + struct.pack("<IH", 8, 3)
    head += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    head += struct.pack("<HHII", 0xB001, 4, 1, count)
    head += struct.pack("<HHII", _INDEX_ENTRIES, 7, 16 * count, 50) + bytes(4)
    position = end_of_head(jpeg)
    base = position + 4 + len(_INDEX_HEAD)
    size = len(jpeg) + 4 + len(_INDEX_HEAD) + len(head) + 16 * count
    entries, start = struct.pack("<IIIHH", _MAIN, size, 0, 0, 0), size
    for entry in auxiliary:
        entries += struct.pack("<IIIHH", entry.kind, len(entry.content), start - base, 0, 0)
        start += len(entry.content)
    return jpeg[:position] + segment_bytes(APP2, _INDEX_HEAD + head + entries) + jpeg[position:]
