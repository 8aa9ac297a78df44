"""Regions that an XMP packet marks in its picture: faces and subjects, as four standards write them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite

from ripfdn_cli.pictures.movement import Box, Movement
from ripfdn_cli.pictures.subject_area import moved_place
from ripfdn_cli.pictures.xmp_elements import RDF, Edit, Element, Name, edited, value_of, value_place

_REGIONS = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_EXIF = "http://ns.adobe.com/exif/1.0/"

_AREA_BOX = [(_AREA, name) for name in "xywh"]
_SIZE = [(_DIMENSIONS, name) for name in "wh"]
_IPTC_BOX = [(_IPTC, name) for name in ("rbX", "rbY", "rbW", "rbH")]
_IPTC_RADIUS = (_IPTC, "rbRx")
_RECTANGLE = ("http://ns.microsoft.com/photo/1.2/t/Region#", "Rectangle")
_SUBJECT = ((_EXIF, "SubjectArea"), (_EXIF, "SubjectLocation"))
_DIGITS = 9


def moved_regions(xmp: bytes, movement: Movement) -> bytes:
    """`xmp` of the picture after `movement`. Regions are taken for those of the picture as it is stored,
    unless the sides that they were made for show that it stood upright.
    """

    def edits(root: Element) -> Iterator[Edit]:
        regions = replace(movement, transform=0) if _are_upright(xmp, root, movement) else movement
        for element in root.within():
            yield from _of_working_group(xmp, element, regions)
            yield from _of_microsoft(xmp, element, regions)
            yield from _of_iptc(xmp, element, regions)
            yield from _of_exif(xmp, element, movement)

    return edited(xmp, edits)


def _are_upright(xmp: bytes, root: Element, movement: Movement) -> bool:
    """Whether the regions' picture lies where the stored one stands, or the reverse."""
    sides = next((found for element in root.within() if (found := _applied_to(xmp, element))), None)
    if sides is None or not movement.swaps_axes:
        return False
    (width, height), (its_width, its_height) = movement.size, sides
    return (width - height) * (its_width - its_height) < 0


def _applied_to(xmp: bytes, element: Element) -> list[float] | None:
    """Width and height for which the working group's regions were made, where `element` says it."""
    if element.name != (_REGIONS, "AppliedToDimensions"):
        return None
    found = (_numbers(xmp, entry, _SIZE) for entry in element.within())
    return next((sides for sides in found if len(sides) == 2), None)


def _of_working_group(xmp: bytes, element: Element, movement: Movement) -> Iterator[Edit]:
    if element.name == (_REGIONS, "AppliedToDimensions"):
        for entry in element.within():
            if len(sides := _numbers(xmp, entry, _SIZE)) == 2:
                moved = movement.pixels((0, 0, sides[0], sides[1]))[2:]
                yield from _changes(xmp, entry, _SIZE, [round(side) for side in moved])
    if len(found := _numbers(xmp, element, _AREA_BOX)) in (2, 4):
        across, down, width, height = _box(found)
        unit = value_of(xmp, element, (_AREA, "unit"))
        move = _way(movement, unit)
        centre, sides_now = move((across, down, 0, 0))[:2], move((0, 0, width, height))[2:]
        yield from _changes(xmp, element, _AREA_BOX, [*centre, *sides_now])


def _of_microsoft(xmp: bytes, element: Element, movement: Movement) -> Iterator[Edit]:
    place = value_place(xmp, element, _RECTANGLE)
    values = [] if place is None else [_number(part) for part in xmp[slice(*place)].split(b",")]
    found = [value for value in values if value is not None]
    if place is not None and movement.transform and len(found) == len(values) == 4:
        yield *place, b", ".join(map(_written, movement.share(_box(found))))


def _of_iptc(xmp: bytes, element: Element, movement: Movement) -> Iterator[Edit]:
    """Of a boundary that is a rectangle (its left top corner and sides), a circle, or a polygon."""
    unit = value_of(xmp, element, (_IPTC, "rbUnit"))
    if not unit:
        return
    for entry in element.within():
        if len(found := _numbers(xmp, entry, _IPTC_BOX)) in (2, 4):
            yield from _changes(xmp, entry, _IPTC_BOX, _way(movement, unit)(_box(found)))
    for radius in _numbers(xmp, element, [_IPTC_RADIUS]):
        if unit == b"pixel":
            yield from _changes(xmp, element, [_IPTC_RADIUS], [radius * movement.growth[0]])
        elif movement.swaps_axes:  # a share of the width
            yield from _changes(xmp, element, [_IPTC_RADIUS], [radius * movement.size[0] / movement.size[1]])


def _of_exif(xmp: bytes, element: Element, movement: Movement) -> Iterator[Edit]:
    if element.name not in _SUBJECT:
        return
    places = [
        (entry.opened, xmp.rindex(b"</", entry.opened, entry.end))
        for entry in element.within()
        if entry.name == (RDF, "li") and entry.opened < entry.end
    ]
    values = [_number(xmp[slice(*place)]) for place in places]
    found = [round(value) for value in values if value is not None]
    if len(found) == len(values) and 2 <= len(found) <= 4:
        for place, value in zip(places, moved_place(found, movement), strict=True):
            yield *place, str(value).encode()


def _way(movement: Movement, unit: bytes) -> Callable[[Box], Box]:
    return movement.pixels if unit == b"pixel" else movement.share


def _box(values: Sequence[float]) -> Box:
    """Of two or four numbers."""
    across, down, width, height = (*values, 0, 0)[:4]
    return across, down, width, height


def _numbers(xmp: bytes, element: Element, names: Sequence[Name]) -> list[float]:
    """The properties `names` of `element`, up to the first that it doesn't have as a number."""
    found = []
    for name in names:
        if (value := _number(value_of(xmp, element, name))) is None:
            break
        found.append(value)
    return found


def _number(text: bytes) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _changes(xmp: bytes, element: Element, names: Sequence[Name], values: Sequence[float]) -> Iterator[Edit]:
    """Edits that give those of the properties `names` that are there, and differ, their new `values`."""
    for name, value in zip(names, values, strict=True):
        place = value_place(xmp, element, name)
        if place is not None and _number(xmp[slice(*place)]) != value:
            yield *place, _written(value)


def _written(value: float) -> bytes:
    return f"{round(value, _DIGITS) + 0.0:.{_DIGITS}f}".rstrip("0").rstrip(".").encode()
