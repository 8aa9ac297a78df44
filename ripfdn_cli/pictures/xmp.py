"""XMP packets: sizes corrected, and what is no longer true taken out. All else keeps its bytes."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ripfdn_cli.pictures.xmp_elements import (
    APPLE_GAIN_MAP,
    CAMERA,
    CONTAINER,
    GAIN_MAP,
    ITEM,
    NOTE,
    RDF,
    TERMS,
    XAP,
    Edit,
    Element,
    Name,
    attribute_place,
    edited,
    parsed,
    value_of,
    value_place,
)

EXTENDED_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
"""What a JPEG segment with a share of a long packet begins with (XMP part 3, 1.1.3.1)."""

_ACROSS = (
    b"GPano:CroppedAreaImageWidthPixels",
    b"GPano:CroppedAreaLeftPixels",
    b"GPano:FullPanoWidthPixels",
)
_DOWN = (
    b"GPano:CroppedAreaImageHeightPixels",
    b"GPano:CroppedAreaTopPixels",
    b"GPano:FullPanoHeightPixels",
)
_PRIMARY = "Primary"
_MOTION = re.compile(r"(MotionPhoto|MicroVideo)")
_LONGEST_STANDARD_PACKET = 65000
_EMPTY_PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + RDF.encode() + b'">'
    b'<rdf:Description rdf:about="" xmlns:xmpNote="' + NOTE.encode() + b'"/></rdf:RDF></x:xmpmeta>'
)


@dataclass(frozen=True)
class Item:
    """One file of those that are strung together: what it is for, and its bytes where the packet says it."""

    semantic: str
    length: int | None


def corrected_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """`xmp` with orientation 1 and the sizes of a picture of `width` × `height` px where they are given."""
    corrections = {
        b"tiff:Orientation": 1,
        b"tiff:ImageWidth": width,
        b"tiff:ImageLength": height,
        b"exif:PixelXDimension": width,
        b"exif:PixelYDimension": height,
    }
    for name, value in corrections.items():
        xmp = _with_number(xmp, name, Fraction(0), value)
    return _with_panorama(xmp, width, height)


def _with_number(xmp: bytes, name: bytes, factor: Fraction, constant: int = 0) -> bytes:
    """`xmp` with the value of the property `name`, in an attribute or an element, times `factor` and added to
    the `constant`.
    """

    def replaced(found: re.Match[bytes]) -> bytes:
        return found[1] + str(constant + round(int(found[2]) * factor)).encode()

    xmp = re.sub(rb"(" + name + rb'\s*=\s*["\'])(\d+)', replaced, xmp)
    return re.sub(rb"(<" + name + rb">\s*)(\d+)", replaced, xmp)


def _with_panorama(xmp: bytes, width: int, height: int) -> bytes:
    """`xmp` with the measures of a panorama (Google's Photo Sphere), which are in px of the picture."""
    for names, side in ((_ACROSS, width), (_DOWN, height)):
        found = re.search(names[0] + rb"[^\d<]{1,8}(\d+)", xmp)
        if found is None or not int(found[1]):
            continue
        factor = Fraction(side, int(found[1]))
        for name in names:
            xmp = _with_number(xmp, name, factor)
    return xmp


def current_xmp(xmp: bytes, *, items: Sequence[Item], motion: bool, gain_map: bool) -> bytes:
    """`xmp` without what an enlarged picture can't claim: thumbnails, signed provenance, an extended part,
    and gain maps and videos unless they come along. `items` are those that do, in their order.
    """

    def is_stale(name: Name) -> bool:
        space, local = name
        return (
            name in ((XAP, "Thumbnails"), (NOTE, "HasExtendedXMP"), (TERMS, "provenance"))
            or (space == CAMERA and _MOTION.match(local) is not None and not motion)
            or (space in (GAIN_MAP, APPLE_GAIN_MAP) and not gain_map)
            or (name == (CONTAINER, "Directory") and not items)
        )

    cleaned = edited(xmp, lambda root: _removals(xmp, root, is_stale))
    return edited(cleaned, lambda root: _with_items(cleaned, root, items))


def items_of(xmp: bytes) -> list[Item]:
    """The files in one, the picture itself among them, as the packet lists them (Google's container)."""
    root = parsed(xmp)
    found = [] if root is None else [entry for entry in root.within() if entry.name == (CONTAINER, "Item")]
    return [_item(xmp, entry) for entry in found]


def has_gain_map(xmp: bytes) -> bool:
    """Whether the packet says of its picture that it has, or is, a gain map."""
    return any(space.encode() in xmp for space in (GAIN_MAP, APPLE_GAIN_MAP)) or b"hdrgainmap" in xmp


def has_motion(xmp: bytes) -> bool:
    """Whether an XMP packet marks its photo as one with a short video (a motion photo)."""
    return CAMERA.encode() in xmp and re.search(_MOTION.pattern.encode(), xmp) is not None


def extended_name(xmp: bytes) -> bytes | None:
    """What the packet calls its extended part."""
    found = re.search(rb"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})", xmp)
    return None if found is None else found[1].upper()


def joined_extension(contents: Iterable[bytes], name: bytes) -> bytes | None:
    """The extended part called `name` of JPEG segments with those `contents`; None where some is missing."""
    parts: dict[int, bytes] = {}
    total = 0
    for content in contents:
        head = len(EXTENDED_HEAD)
        if content[head : head + 32].upper() == name:
            total, offset = (int.from_bytes(content[head + at : head + at + 4], "big") for at in (32, 36))
            parts[offset] = content[head + 40 :]
    joined = b"".join(parts[offset] for offset in sorted(parts))
    return joined if joined and len(joined) == total else None


def extension_contents(extended: bytes, room: int) -> Iterator[bytes]:
    """`extended` as the contents of JPEG segments of at most `room` bytes."""
    name, size = _name_of(extended), room - len(EXTENDED_HEAD) - 40
    for offset in range(0, len(extended), size):
        numbers = len(extended).to_bytes(4, "big") + offset.to_bytes(4, "big")
        yield EXTENDED_HEAD + name + numbers + extended[offset : offset + size]


def with_extension(xmp: bytes, extended: bytes) -> bytes:
    """`xmp`, which says that `extended` belongs to it."""
    note = b' xmlns:xmpNote="%s" xmpNote:HasExtendedXMP="%s"' % (NOTE.encode(), _name_of(extended))

    def edits(root: Element) -> Iterator[Edit]:
        for description in _descriptions(root)[:1]:
            declared = any(written == "xmlns:xmpNote" for _, written, _ in description.attributes)
            at = description.start + 1 + len(_written_name(xmp, description))
            yield at, at, note[note.index(b" xmpNote:") :] if declared else note

    return edited(xmp, edits)


def merged(xmp: bytes, extended: bytes) -> bytes | None:
    """One packet of both, for formats that don't limit its length; None where either can't be read."""
    root, other = parsed(xmp), parsed(extended)
    if root is None or other is None:
        return None
    places = [entry for entry in root.within() if entry.name == (RDF, "RDF")]
    descriptions = _descriptions(other)
    if not places or not descriptions:
        return None
    added = b"".join(_standing_alone(extended, other, entry) for entry in descriptions)
    place = places[0]
    if xmp[place.opened - 2 : place.opened] == b"/>":
        return None
    at = xmp.rindex(b"</", place.start, place.end)
    return xmp[:at] + added + xmp[at:]


def split(xmp: bytes) -> tuple[bytes, bytes] | None:
    """A short packet and its extended part, for a packet too long for one JPEG segment; None where it is
    short enough or can't be read.
    """
    root = parsed(xmp)
    if len(xmp) <= _LONGEST_STANDARD_PACKET or root is None or not _descriptions(root):
        return None
    start, end = root.children[0].start, root.children[0].end
    return _EMPTY_PACKET, xmp[start:end]


def _name_of(extended: bytes) -> bytes:
    return hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()


def _item(xmp: bytes, element: Element) -> Item:
    semantic, length = (value_of(xmp, element, (ITEM, name)) for name in ("Semantic", "Length"))
    return Item(semantic.decode(), int(length) if length.isdigit() else None)


def _descriptions(root: Element) -> list[Element]:
    return [
        entry
        for outer in root.within()
        if outer.name == (RDF, "RDF")
        for entry in outer.children
        if entry.name == (RDF, "Description")
    ]


def _written_name(xmp: bytes, element: Element) -> bytes:
    """The name in the start tag of `element`, prefix included."""
    found = re.compile(rb"[^\s/>]+").match(xmp, element.start + 1)
    assert found is not None
    return found[0]


def _standing_alone(xmp: bytes, root: Element, description: Element) -> bytes:
    """`description` with the prefixes that are declared further out in `xmp`."""
    own = {written for _, written, _ in description.attributes}
    outer = [
        entry for entry in root.within() if entry.start < description.start and entry.end > description.end
    ]
    scope = {written: value for entry in outer for _, written, value in entry.attributes}
    declared = b"".join(
        b' %s="%s"' % (written.encode(), value.encode())
        for written, value in scope.items()
        if written.startswith("xmlns:") and written not in own
    )
    at = description.start + 1 + len(_written_name(xmp, description))
    return xmp[description.start : at] + declared + xmp[at : description.end]


def _removals(xmp: bytes, root: Element, is_stale: Callable[[Name], bool]) -> Iterator[Edit]:
    if is_stale(root.name):
        yield root.start, root.end, b""
        return
    for name, written, _ in root.attributes:
        if is_stale(name) and (place := attribute_place(xmp, root, written)):
            yield *place, b""
    for child in root.children:
        yield from _removals(xmp, child, is_stale)


def _with_items(xmp: bytes, root: Element, items: Sequence[Item]) -> Iterator[Edit]:
    """Lengths as they are in `items`, nothing between the files, and none that is not among them."""
    left = list(items)
    for entry in root.within():
        found = [child for child in entry.children if child.name == (CONTAINER, "Item")]
        if entry.name != (RDF, "li") or not found:
            continue
        semantic = _item(xmp, found[0]).semantic
        kept = next((item for item in left if item.semantic == semantic), None)
        if kept is None and semantic != _PRIMARY:
            yield entry.start, entry.end, b""
            continue
        if kept is not None:
            left.remove(kept)
        lengths = {"Padding": 0} if kept is None else {"Padding": 0, "Length": kept.length}
        for name, value in lengths.items():
            if (place := value_place(xmp, found[0], (ITEM, name))) is not None and value is not None:
                yield *place, str(value).encode()
