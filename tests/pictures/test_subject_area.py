"""The subject's place in EXIF, judged by Pillow and by what is painted there."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from support.camera_files import camera_exif

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.exif import HEAD
from ripfdn_cli.pictures.movement import Movement
from ripfdn_cli.pictures.subject_area import moved_subject

AREA, LOCATION = 0x9214, 0xA214
NOTE = b"a maker's note, which stays"


def exif_with(tags: dict[int, tuple[int, ...]], orientation: int = 1, order: str = ">") -> bytes:
    exif = Image.Exif()
    exif.endian = order
    exif[0x112] = orientation
    exif.get_ifd(0x8769).update(tags | {0x927C: NOTE, 0xA430: "an owner"})
    return exif.tobytes()


def details(exif: bytes | None) -> dict[int, object]:
    parsed = Image.Exif()
    parsed.load(exif or b"")
    return dict(parsed.get_ifd(0x8769))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_subject_is_where_it_was_painted(orientation: int, order: str) -> None:
    """A rectangle of 13×15 px, whose middle is a pixel."""
    pixels = np.full((48, 64), 40, np.uint8)
    pixels[5:20, 10:23] = 220
    exif, stream = exif_with({AREA: (16, 12, 13, 15), LOCATION: (16, 12)}, orientation, order), io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", exif=exif, quality=98)
    picture = decode(stream.getvalue(), "a")
    rows, columns = np.nonzero(picture.frames[0][..., 0] > 128)
    middle = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    sides = (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    found = details(picture.metadata.exif)
    assert found[LOCATION] == middle
    assert found[AREA] == (*middle, *sides)
    assert (found[0x927C], found[0xA430]) == (NOTE, "an owner")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((32, 24), (130, 61)),
        ((32, 24, 10), (130, 61, 32)),
        ((32, 24, 10, 8), (130, 61, 40, 20)),
    ],
)
def test_a_point_a_circle_and_a_rectangle_grow_with_the_picture(
    before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """4 times as wide and 2.5 times as high: the middle of the pixel at 32, 24 comes to 130.0, 61.25."""
    exif, is_lost = moved_subject(exif_with({AREA: before}), Movement(growth=(4.0, 2.5)))
    assert details(exif)[AREA] == after
    assert not is_lost


@pytest.mark.parametrize("order", "<>")
def test_a_place_past_what_the_numbers_can_say_is_left_out_and_said(order: str) -> None:
    exif = exif_with({AREA: (20_000, 10, 5, 5), LOCATION: (30, 30)}, order=order)
    moved, is_lost = moved_subject(exif, Movement(growth=(4.0, 4.0)))
    found = details(moved)
    assert is_lost
    assert AREA not in found
    assert (found[LOCATION], found[0x927C], found[0xA430]) == ((122, 122), NOTE, "an owner")
    assert len(moved) == len(exif)


def test_a_camera_s_other_tags_keep_their_bytes() -> None:
    exif = camera_exif("Canon")
    assert moved_subject(exif, Movement(6, (40, 30), (4.0, 4.0))) == (exif, False)


def test_what_can_not_be_read_stays_as_it_is() -> None:
    cut = HEAD + b"II*\0" + struct.pack("<I", 4000)
    for exif in (HEAD + b"rubbish", cut, exif_with({AREA: (1, 2, 3, 4, 5)})):
        assert moved_subject(exif, Movement(growth=(4.0, 4.0))) == (exif, False)
