"""By OGC GeoTIFF 1.1, annex B.6: places of pixels on the earth, of the picture as it was and enlarged."""

import struct

import numpy as np
import pytest

from ripfdn_cli.pictures.exif import HEAD, TagBlock
from ripfdn_cli.pictures.geo_tags import enlarged_place
from ripfdn_cli.pictures.metadata import Metadata

SCALE, TIEPOINTS, TRANSFORMATION, KEYS = 33550, 33922, 34264, 34735


def block(tags: dict[int, list[float]], *, point: bool, order: str = "<") -> bytes:
    """A TIFF's first directory with `tags` of doubles, and the key of the raster type."""
    keys = [1, 1, 0, 1, 1025, 0, 1, 2 if point else 1]
    entries = [
        (tag, 12, len(values), struct.pack(f"{order}{len(values)}d", *values)) for tag, values in tags.items()
    ]
    entries.append((KEYS, 3, len(keys), struct.pack(f"{order}{len(keys)}H", *keys)))
    content = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    place = 8 + 2 + 12 * len(entries) + 4
    directory, values = struct.pack(order + "H", len(entries)), b""
    for tag, kind, count, packed in sorted(entries):
        directory += struct.pack(order + "HHII", tag, kind, count, place + len(values))
        values += packed
    return HEAD + content + directory + bytes(4) + values


def doubles(exif: bytes, tag: int, order: str) -> list[float]:
    parsed = TagBlock(bytearray(exif[len(HEAD) :]))
    entry = parsed.first().entries[tag]
    return list(struct.unpack_from(f"{order}{entry.count}d", parsed.content, entry.value))


def place_on_earth(exif: bytes, corner: tuple[float, float], *, point: bool, order: str) -> tuple[float, ...]:
    """Of the place `corner` (px from the picture's top left corner, to the right and down)."""
    across, down = (side - (0.5 if point else 0) for side in corner)
    tags = TagBlock(bytearray(exif[len(HEAD) :])).first().entries
    if TRANSFORMATION in tags:
        matrix = np.reshape(doubles(exif, TRANSFORMATION, order), (4, 4))
        return tuple((matrix @ [across, down, 0, 1])[:2])
    i, j, _, x, y, _ = doubles(exif, TIEPOINTS, order)
    wide, high, _ = doubles(exif, SCALE, order)
    return x + (across - i) * wide, y - (down - j) * high


TIED = {SCALE: [30.0, 25.0, 0.0], TIEPOINTS: [3.0, 5.0, 0.0, 4e5, 5e6, 0.0]}
TURNED = {TRANSFORMATION: [20.0, 5.0, 0, 4e5, 7.0, -18.0, 0, 5e6, 0, 0, 0, 0, 0, 0, 0, 1]}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("tags", [TIED, TURNED])
def test_places_stay_where_they_are(tags: dict[int, list[float]], point: bool, order: str) -> None:
    before = block(tags, point=point, order=order)
    after = enlarged_place(Metadata(exif=before), 4.0, 2.5).exif
    assert after is not None
    for corner in ((0, 0), (10, 0), (7.5, 31)):
        expected = place_on_earth(before, corner, point=point, order=order)
        found = place_on_earth(after, (4.0 * corner[0], 2.5 * corner[1]), point=point, order=order)
        assert found == pytest.approx(expected, abs=1e-6)


def test_what_can_not_be_read_stays_as_it_is() -> None:
    short = ({SCALE: [1.0, 2.0]}, {50844: [1.0, 2.0, 3.0]})
    for exif in (None, HEAD + b"rubbish", *(block(tags, point=False) for tags in short)):
        assert enlarged_place(Metadata(exif=exif), 4.0, 4.0).exif == exif


def image_of_ground(rpc: list[float], ground: tuple[float, float, float]) -> tuple[float, float]:
    """Column and row of the place on the picture at `ground` (latitude, longitude, height), counted from the
    centre of the first pixel, by the rational polynomials of NITF's RPC00B.
    """
    lat, long, height = (
        (value - offset) / extent for value, offset, extent in zip(ground, rpc[4:7], rpc[9:12], strict=True)
    )
    powers = [
        *(1, long, lat, height, long * lat, long * height, lat * height, long**2, lat**2, height**2),
        *(lat * long * height, long**3, long * lat**2, long * height**2, long**2 * lat, lat**3),
        *(lat * height**2, long**2 * height, lat**2 * height, height**3),
    ]
    sums = [float(np.dot(powers, rpc[at : at + 20])) for at in (12, 32, 52, 72)]
    return rpc[3] + rpc[8] * sums[2] / sums[3], rpc[2] + rpc[7] * sums[0] / sums[1]


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_a_satellite_s_camera_sees_the_same_places(order: str, point: bool) -> None:
    random = np.random.default_rng(0)
    polynomials = random.uniform(-0.01, 0.01, 80)
    polynomials[[0 + 2, 20, 40 + 1, 60]] = 1.0
    head = [-1.0, 0.5, 2500.0, 3100.0, 52.5, 13.4, 40.0, 2510.0, 3090.0, 0.06, 0.09, 500.0]
    before = block({50844: [*head, *polynomials.tolist()]}, point=point, order=order)
    after = enlarged_place(Metadata(exif=before), 4.0, 2.5).exif
    assert after is not None
    for ground in ((52.5, 13.4, 40.0), (52.53, 13.35, 200.0), (52.46, 13.48, 0.0)):
        column, row = image_of_ground(doubles(before, 50844, order), ground)
        found = image_of_ground(doubles(after, 50844, order), ground)
        assert found == pytest.approx((4.0 * (column + 0.5) - 0.5, 2.5 * (row + 0.5) - 0.5))
