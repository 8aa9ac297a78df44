"""Regions judged by what they surround: a bright rectangle that is painted into the picture and looked for
again, read from the packet by an XML parser of the standard library.
"""

import io
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.camera_files import xmp_of

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.movement import Movement
from ripfdn_cli.pictures.xmp_regions import moved_regions

WIDTH, HEIGHT = 64, 48
LEFT, TOP, RIGHT, BOTTOM = 10, 6, 22, 20
CENTRE, SIDES = (16 / 64, 13 / 48), (12 / 64, 14 / 48)
AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
DIMENSIONS = "{http://ns.adobe.com/xap/1.0/sType/Dimensions#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
MICROSOFT = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
SPACES = (
    'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
    'xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" '
    'xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" '
    'xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/"'
)
AS_ATTRIBUTES = (
    '<mwg-rs:Area stArea:x="{0}" stArea:y="{1}" stArea:w="{2}" stArea:h="{3}" stArea:unit="normalized"/>'
)
AS_ELEMENTS = (
    '<mwg-rs:Area rdf:parseType="Resource"><stArea:x>{0}</stArea:x><stArea:y>{1}</stArea:y>'
    "<stArea:w>{2}</stArea:w><stArea:h>{3}</stArea:h><stArea:unit>normalized</stArea:unit></mwg-rs:Area>"
)
BOUNDARY = '<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource" Iptc4xmpExt:rbUnit="{}" {}/>'


def packet(content: str) -> bytes:
    return xmp_of(SPACES, content)


def faces(form: str = AS_ATTRIBUTES, sides: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    area = form.format(*CENTRE, *SIDES)
    applied = '<mwg-rs:AppliedToDimensions stDim:w="{}" stDim:h="{}" stDim:unit="pixel"/>'.format(*sides)
    return packet(applied + area)


def jpeg(xmp: bytes, orientation: int) -> bytes:
    """A picture with a bright rectangle, of EXIF's `orientation`."""
    pixels = np.full((HEIGHT, WIDTH), 40, np.uint8)
    pixels[TOP:BOTTOM, LEFT:RIGHT] = 220
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x112] = orientation
    Image.fromarray(pixels).save(stream, "JPEG", exif=exif, xmp=xmp, quality=98)
    return stream.getvalue()


def bright(pixels: NDArray[Any]) -> list[float]:
    """Left, top, right and bottom of what is bright, in shares of the sides."""
    rows, columns = np.nonzero(pixels[..., 0] > 128)
    height, width = pixels.shape[:2]
    found = (columns.min() / width, rows.min() / height, (columns.max() + 1) / width)
    return [*map(float, found), float((rows.max() + 1) / height)]


def values(xmp: bytes, space: str, names: list[str]) -> list[float]:
    """Of attributes or elements, wherever they are."""
    found: dict[str, str] = {}
    for element in ElementTree.fromstring(xmp).iter():
        found |= element.attrib | {element.tag: element.text or ""}
    return [float(found[space + name]) for name in names]


def box_of_faces(xmp: bytes) -> list[float]:
    x, y, w, h = values(xmp, AREA, list("xywh"))
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", [AS_ATTRIBUTES, AS_ELEMENTS])
def test_a_face_s_region_is_turned_with_the_picture(orientation: int, form: str) -> None:
    picture = decode(jpeg(faces(form), orientation), "a")
    assert picture.metadata.xmp is not None
    assert box_of_faces(picture.metadata.xmp) == pytest.approx(bright(picture.frames[0]), abs=1e-6)
    assert values(picture.metadata.xmp, DIMENSIONS, ["w", "h"]) == [picture.width, picture.height]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_of_microsoft_s_is_turned_with_the_picture(orientation: int) -> None:
    corner = f"{LEFT / WIDTH}, {TOP / HEIGHT}, {SIDES[0]}, {SIDES[1]}"
    people = packet(f'<rdf:li MPReg:PersonDisplayName="A" MPReg:Rectangle="{corner}"/>')
    picture = decode(jpeg(people, orientation), "a")
    attributes = [entry.attrib for entry in ElementTree.fromstring(picture.metadata.xmp or b"").iter()]
    (found,) = [entry[MICROSOFT + "Rectangle"] for entry in attributes if MICROSOFT + "Rectangle" in entry]
    left, top, width, height = map(float, found.split(","))
    assert [left, top, left + width, top + height] == pytest.approx(bright(picture.frames[0]), abs=1e-6)


@pytest.mark.parametrize("unit", ["relative", "pixel"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_of_the_iptc_is_turned_with_the_picture(orientation: int, unit: str) -> None:
    across, down = (WIDTH, HEIGHT) if unit == "relative" else (1, 1)
    box = {"rbX": LEFT / across, "rbY": TOP / down, "rbW": 12 / across, "rbH": 14 / down}
    attributes = " ".join(f'Iptc4xmpExt:{name}="{value}"' for name, value in box.items())
    picture = decode(jpeg(packet(BOUNDARY.format(unit, attributes)), orientation), "a")
    left, top, width, height = values(picture.metadata.xmp or b"", IPTC, list(box))
    sides = (1, 1) if unit == "relative" else (picture.width, picture.height)
    found = [left / sides[0], top / sides[1], (left + width) / sides[0], (top + height) / sides[1]]
    assert found == pytest.approx(bright(picture.frames[0]), abs=1e-6)


def test_circles_and_polygons_of_the_iptc() -> None:
    circle = BOUNDARY.format(
        "relative", 'Iptc4xmpExt:rbX="0.25" Iptc4xmpExt:rbY="0.5" Iptc4xmpExt:rbRx="0.3"'
    )
    turned = moved_regions(packet(circle), Movement(4, (WIDTH, HEIGHT)))  # rows become columns
    assert values(turned, IPTC, ["rbX", "rbY", "rbRx"]) == pytest.approx([0.5, 0.25, 0.3 * WIDTH / HEIGHT])
    vertex = '<rdf:li Iptc4xmpExt:rbX="10" Iptc4xmpExt:rbY="20"/>'
    polygon = (
        '<rdf:Description Iptc4xmpExt:rbUnit="pixel"><Iptc4xmpExt:rbVertices>'
        f"<rdf:Seq>{vertex}</rdf:Seq></Iptc4xmpExt:rbVertices></rdf:Description>"
    )
    larger = moved_regions(packet(polygon), Movement(growth=(4.0, 2.5)))
    assert values(larger, IPTC, ["rbX", "rbY"]) == [40, 50]


def test_regions_made_for_the_upright_picture_stay() -> None:
    """Some programs write them so, and say it by the sides."""
    upright = faces(sides=(HEIGHT, WIDTH))
    assert decode(jpeg(upright, 6), "a").metadata.xmp == upright


def test_only_what_counts_pixels_changes_as_a_picture_grows() -> None:
    larger = moved_regions(faces(), Movement(growth=(4.0, 4.0)))
    expected = faces().replace(b'stDim:w="64" stDim:h="48"', b'stDim:w="256" stDim:h="192"')
    assert larger == expected


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_subject_s_area_is_where_exif_has_it(orientation: int) -> None:
    """In both, of a file that a camera's program wrote."""
    area = (16, 13, 12, 14)
    entries = "".join(f"<rdf:li>{value}</rdf:li>" for value in area)
    xmp = packet(f"<exif:SubjectArea><rdf:Seq>{entries}</rdf:Seq></exif:SubjectArea>")
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x112] = orientation
    exif.get_ifd(0x8769)[0x9214] = area
    Image.new("L", (WIDTH, HEIGHT)).save(stream, "JPEG", exif=exif, xmp=xmp)
    metadata = decode(stream.getvalue(), "a").metadata.moved(Movement(growth=(4.0, 4.0)))
    parsed = Image.Exif()
    parsed.load(metadata.exif or b"")
    li = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
    found = tuple(int(entry.text or "") for entry in ElementTree.fromstring(metadata.xmp or b"").iter(li))
    assert found == parsed.get_ifd(0x8769)[0x9214] != area


@pytest.mark.parametrize(
    "content",
    [
        '<mwg-rs:Area stArea:x="left" stArea:y="0.5" stArea:w="0.1" stArea:h="0.1"/>',
        '<mwg-rs:Area stArea:x="nan" stArea:y="0.5"/>',
        '<rdf:li MPReg:Rectangle="0.1, 0.2"/>',
        '<rdf:li MPReg:Rectangle=""/>',
        "<exif:SubjectArea/>",
        "<exif:SubjectArea><rdf:Seq><rdf:li/><rdf:li>a</rdf:li></rdf:Seq></exif:SubjectArea>",
    ],
)
def test_what_can_not_be_read_stays_as_it_is(content: str) -> None:
    assert moved_regions(packet(content), Movement(4, (64, 48), (2.0, 2.0))) == packet(content)
