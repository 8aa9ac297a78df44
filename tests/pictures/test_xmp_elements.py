"""Elements and values judged by the bytes at their places."""

from support.camera_files import xmp_of

from ripfdn_cli.pictures.xmp_elements import Edit, Element, edited, parsed, value_of, value_place

SPACE = "urn:a"
PACKET = xmp_of('xmlns:a="urn:a" a:b = "1 &gt; 0"', "<a:c> 2 </a:c><a:d x='&lt;>'/><a:e><a:f/></a:e>")


def description(packet: bytes) -> Element:
    root = parsed(packet)
    assert root is not None
    (found,) = [element for element in root.within() if element.name[1] == "Description"]
    return found


def test_values_are_found_in_attributes_and_elements() -> None:
    element = description(PACKET)
    assert value_of(PACKET, element, (SPACE, "b")) == b"1 &gt; 0"
    assert value_of(PACKET, element, (SPACE, "c")) == b"2"
    assert PACKET[slice(*value_place(PACKET, element, (SPACE, "c")) or (0, 0))] == b" 2 "
    for name in ("d", "e", "f", "z"):  # empty, a structure, further in, not there
        assert value_place(PACKET, element, (SPACE, name)) is None
        assert value_of(PACKET, element, (SPACE, name)) == b""


def test_elements_are_where_they_say() -> None:
    element = description(PACKET)
    written = {child.name[1]: PACKET[child.start : child.end] for child in element.children}
    assert written == {"c": b"<a:c> 2 </a:c>", "d": b"<a:d x='&lt;>'/>", "e": b"<a:e><a:f/></a:e>"}


def test_edits_leave_all_else_and_what_is_not_well_formed() -> None:
    def edits(root: Element) -> list[Edit]:
        element = next(entry for entry in root.within() if entry.name == (SPACE, "c"))
        return [(element.start, element.end, b"<a:c>3</a:c>")]

    assert edited(PACKET, edits) == PACKET.replace(b"> 2 <", b">3<")
    assert edited(PACKET[:-5], edits) == PACKET[:-5]
