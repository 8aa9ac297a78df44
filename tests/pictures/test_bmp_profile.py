"""BMPs with profiles, put together by the layout of BITMAPV5HEADER that Windows' documentation gives."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import profile, saved, smooth, swapped_profile

from ripfdn_cli.pictures.bmp_profile import profile_of_bmp
from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named

PIXELS = smooth(16, 16)


def bmp(
    icc_profile: bytes, *, kind: bytes = b"MBED", size: int | None = None, place: int | None = None
) -> bytes:
    """Pillow's BMP of `PIXELS` with the largest header, and the profile behind its pixels."""
    plain = saved(Image.fromarray(PIXELS), "BMP")
    rows = plain[54:]
    place = 124 + len(rows) if place is None else place
    size = len(icc_profile) if size is None else size
    header = struct.pack("<I", 124) + plain[18:54] + struct.pack("<4I", 0, 0, 0, 0) + kind[::-1]
    header += bytes(36 + 12) + struct.pack("<4I", 4, place, size, 0)
    assert len(header) == 124
    whole = header + rows + icc_profile
    return b"BM" + struct.pack("<IHHI", 14 + len(whole), 0, 0, 14 + 124) + whole


def test_a_profile_comes_along_byte_for_byte() -> None:
    picture = decode(bmp(swapped_profile()), "a")
    np.testing.assert_array_equal(picture.frames[0], PIXELS)
    with Image.open(io.BytesIO(encode(picture, Encoding(format_named("png")), "a"))) as image:
        assert image.info["icc_profile"] == swapped_profile()
        np.testing.assert_array_equal(np.asarray(image), PIXELS)


def test_a_bmp_which_gets_no_profile_gets_its_colours_in_srgb() -> None:
    """Of a profile that calls red green and green red."""
    picture = decode(bmp(swapped_profile()), "a")
    with Image.open(io.BytesIO(encode(picture, Encoding(format_named("bmp")), "a"))) as image:
        found = np.asarray(image)
    assert np.abs(found.astype(int) - PIXELS[..., [1, 0, 2]]).max() <= 2


def test_a_bitmap_without_a_file_header_has_its_profile_too() -> None:
    assert profile_of_bmp(bmp(profile())[14:]) == (profile(), ())


DAMAGED, ELSEWHERE = "the colour profile, which is damaged", "the colour profile, which is a file of its own"


@pytest.mark.parametrize(
    ("content", "lost"),
    [
        (bmp(profile(), kind=b"sRGB"), ()),
        (bmp(profile(), kind=b"LINK"), (ELSEWHERE,)),
        (bmp(profile(), size=10**9), (DAMAGED,)),
        (bmp(profile(), size=0), (DAMAGED,)),
        (bmp(profile(), place=2**32 - 1), (DAMAGED,)),
        (bmp(profile(), place=0), (DAMAGED,)),
        (saved(Image.fromarray(PIXELS), "BMP"), ()),
    ],
    ids=["sRGB", "linked", "too long", "empty", "past the end", "in the header", "none"],
)
def test_a_profile_that_is_not_there_stops_nothing_and_is_said(content: bytes, lost: tuple[str, ...]) -> None:
    picture = decode(content, "a")
    np.testing.assert_array_equal(picture.frames[0], PIXELS)
    assert picture.metadata.icc_profile is None
    assert picture.metadata.lost == lost
