"""The elements of an XMP packet: where they and their values are in its bytes, and edits of those."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XAP = "http://ns.adobe.com/xap/1.0/"
NOTE = "http://ns.adobe.com/xmp/note/"
GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
APPLE_GAIN_MAP = "http://ns.apple.com/HDRGainMap/1.0/"
CAMERA = "http://ns.google.com/photos/1.0/camera/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
ITEM = "http://ns.google.com/photos/1.0/container/item/"
TERMS = "http://purl.org/dc/terms/"
_CUSTOMARY = {
    "rdf": RDF,
    "xmp": XAP,
    "xap": XAP,
    "xmpNote": NOTE,
    "hdrgm": GAIN_MAP,
    "HDRGainMap": APPLE_GAIN_MAP,
    "GCamera": CAMERA,
    "Container": CONTAINER,
    "Item": ITEM,
    "dcterms": TERMS,
}
"""Name spaces of prefixes that a packet uses and does not declare."""

Name = tuple[str, str]
"""Name space and local name."""


@dataclass
class Element:
    """An element at `start` to `end` of a packet; its start tag ends at `opened`."""

    name: Name
    start: int
    opened: int
    attributes: list[tuple[Name, str, str]]
    """Name, name as it is written, value."""
    end: int = 0
    children: list["Element"] = field(default_factory=list)

    def within(self) -> Iterator["Element"]:
        """It, and all that is in it."""
        yield self
        for child in self.children:
            yield from child.within()


Edit = tuple[int, int, bytes]
"""Start and end of what is replaced, and by what."""


def edited(xmp: bytes, edits: Callable[[Element], Iterable[Edit]]) -> bytes:
    """`xmp` after `edits`, which don't overlap; one that is not well-formed as it is: no reader will take
    anything from it.
    """
    root = parsed(xmp)
    if root is None:
        return xmp
    for start, end, content in sorted(edits(root), reverse=True):
        xmp = xmp[:start] + content + xmp[end:]
    return xmp


def parsed(xmp: bytes) -> Element | None:
    """The elements of `xmp` in one that stands for the whole; None where it is not well-formed."""
    whole = Element(("", ""), 0, 0, [], len(xmp))
    parents, scopes = [whole], [dict(_CUSTOMARY)]
    parser = expat.ParserCreate()
    parser.ordered_attributes = True

    def name_of(written: str, is_attribute: bool) -> Name:
        prefix, _, local = written.rpartition(":")
        space = scopes[-1].get(prefix, prefix) if prefix or not is_attribute else ""
        return space, local

    def start(name: str, values: list[str]) -> None:
        pairs = list(zip(values[::2], values[1::2], strict=True))
        declared = {key.removeprefix("xmlns:"): value for key, value in pairs if key.startswith("xmlns:")}
        scopes.append(scopes[-1] | declared)
        at = parser.CurrentByteIndex
        attributes = [(name_of(key, True), key, value) for key, value in pairs]
        element = Element(name_of(name, False), at, _tag_end(xmp, at), attributes)
        parents[-1].children.append(element)
        parents.append(element)

    def end(name: str) -> None:
        element = parents.pop()
        scopes.pop()
        closes_itself = xmp[element.opened - 2 : element.opened] == b"/>"
        element.end = element.opened if closes_itself else xmp.index(b">", parser.CurrentByteIndex) + 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(xmp.rstrip(b"\0"), True)
    except (expat.ExpatError, ValueError):
        return None
    return whole


def _tag_end(xmp: bytes, start: int) -> int:
    """The position after the start tag at `start`."""
    found = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""").match(xmp, start)
    return len(xmp) if found is None else found.end()


def value_of(xmp: bytes, element: Element, name: Name) -> bytes:
    """The value of the property `name` of `element`, empty where it has none."""
    place = value_place(xmp, element, name)
    return b"" if place is None else xmp[slice(*place)].strip()


def value_place(xmp: bytes, element: Element, name: Name) -> tuple[int, int] | None:
    """Where the value of the property `name` of `element` is, an attribute or an element in it."""
    for found, written, _ in element.attributes:
        if found == name and (place := attribute_place(xmp, element, written)) is not None:
            quote = xmp[place[1] - 1 : place[1]]
            return xmp.index(quote, place[0]) + 1, place[1] - 1
    for child in element.children:
        if child.name == name and not child.children and child.opened < child.end:
            return child.opened, xmp.rindex(b"</", child.opened, child.end)
    return None


def attribute_place(xmp: bytes, element: Element, written: str) -> tuple[int, int] | None:
    """Where the attribute is in the start tag of `element`, with the space before it."""
    pattern = re.compile(rb"\s+" + re.escape(written.encode()) + rb"""\s*=\s*("[^"]*"|'[^']*')""")
    found = pattern.search(xmp, element.start, element.opened)
    return None if found is None else found.span()
