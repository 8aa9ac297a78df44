"""Packets judged by an XML parser of the standard library, and by Adobe's and Google's specifications."""

import hashlib
from xml.etree import ElementTree

from support.camera_files import container_xmp
from support.sample_pictures import xmp_packet

from ripfdn_cli.pictures.xmp import (
    Item,
    corrected_xmp,
    current_xmp,
    extended_name,
    extension_contents,
    has_motion,
    items_of,
    joined_extension,
    merged,
    split,
    with_extension,
)

NOTE = "http://ns.adobe.com/xmp/note/"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def test_xmp_is_corrected_and_otherwise_left() -> None:
    packet = xmp_packet(6, 10, 20)
    expected = packet.replace(b'tiff:Orientation="6"', b'tiff:Orientation="1"')
    expected = expected.replace(b'exif:PixelXDimension="10"', b'exif:PixelXDimension="400"')
    expected = expected.replace(b"<exif:PixelYDimension>20<", b"<exif:PixelYDimension>300<")
    assert expected != packet
    assert corrected_xmp(packet, 400, 300) == expected


def described(attributes: str, content: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {attributes}>{content}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def properties(packet: bytes) -> dict[str, str]:
    """All of its attributes, by an XML parser that is not ours."""
    root = ElementTree.fromstring(packet)
    return {name: value for entry in root.iter(f"{RDF}Description") for name, value in entry.items()}


def test_an_extension_is_named_by_its_md5_and_joined_in_any_order() -> None:
    """XMP specification, part 3, 1.1.3.1."""
    extended = described('xmlns:a="urn:a" a:long="' + "x" * 500 + '"')
    name = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    packet = with_extension(described('xmlns:b="urn:b" b:short="1"'), extended)
    assert properties(packet)[f"{{{NOTE}}}HasExtendedXMP"] == name
    assert properties(packet)["{urn:b}short"] == "1"
    assert extended_name(packet) == name.encode()
    contents = list(extension_contents(extended, 200))
    assert max(map(len, contents)) == 200
    assert joined_extension(contents[::-1], name.encode()) == extended
    assert joined_extension(contents[1:], name.encode()) is None
    assert joined_extension(contents, b"0" * 32) is None


def test_a_packet_with_its_extension_has_the_properties_of_both() -> None:
    one = described('xmlns:a="urn:a" a:first="1"')
    other = described('xmlns:a="urn:other" a:first="2" a:second="&lt;3"')
    both = merged(one, other)
    assert both is not None
    found = properties(both)
    assert (found["{urn:a}first"], found["{urn:other}first"], found["{urn:other}second"]) == ("1", "2", "<3")
    assert merged(one, other[:-20]) is None


def test_only_a_packet_too_long_for_a_segment_is_split() -> None:
    short, long = (described(f'xmlns:a="urn:a" a:long="{"x" * size}"') for size in (100, 65_000))
    assert split(short) is None
    parts = split(long)
    assert parts is not None
    assert len(parts[0]) < 1000
    assert properties(parts[1]) == properties(long)


def test_what_no_longer_holds_goes_and_the_rest_stays() -> None:
    packet = described(
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5" '
        f'xmlns:xmpNote="{NOTE}" xmpNote:HasExtendedXMP="{"A" * 32}" '
        'xmlns:G="http://ns.google.com/photos/1.0/camera/" '
        'G:MotionPhoto="1" G:Other="2"',
        "<xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails><xmp:Label>red</xmp:Label>",
    )
    assert has_motion(packet)
    still = current_xmp(packet, items=[], motion=False, gain_map=False)
    spaces = "{http://ns.adobe.com/xap/1.0/}", "{http://ns.google.com/photos/1.0/camera/}"
    assert properties(still) == {f"{RDF}about": "", f"{spaces[0]}Rating": "5", f"{spaces[1]}Other": "2"}
    assert b"Thumbnails" not in still
    assert b"<xmp:Label>red</xmp:Label>" in still
    moving = current_xmp(packet, items=[], motion=True, gain_map=False)
    assert properties(moving)[f"{spaces[1]}MotionPhoto"] == "1"


def test_items_are_those_the_packet_lists() -> None:
    assert items_of(container_xmp(120, 300)) == [
        Item("Primary", None),
        Item("GainMap", 120),
        Item("MotionPhoto", 300),
    ]
    assert items_of(b"<not closed") == []
