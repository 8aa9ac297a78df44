"""The first line of y4m says where chroma lies, by the names of its manual, and keeps the rest."""

from fractions import Fraction

import pytest

from ripfdn_cli.video.y4m_headers import completed, stated_chroma


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (b"C420jpeg", "center"),
        (b"C420mpeg2 XYSCSS=420MPEG2", "left"),
        (b"C420paldv", "topleft"),
        (b"XCOLORRANGE=FULL", "center"),
        (b"C420", None),
        (b"C420p10 XYSCSS=420P10", None),
        (b"C422", None),
    ],
)
def test_the_place_of_chroma_is_read(tags: bytes, expected: str | None) -> None:
    for rest in (b"", b"\nFRAME\n C420mpeg2 C420jpeg"):
        assert stated_chroma(b"YUV4MPEG2 W2 H2 F25:1 Ip A1:1 " + tags + rest) == expected


def test_a_header_gets_what_is_known_and_pictures_stay() -> None:
    header, picture = b"YUV4MPEG2 W2 H2 F25:1 Ip A0:0 C420jpeg XYSCSS=420JPEG", b"\nFRAME\n A0:0  C420jpeg"
    assert completed(header + picture, Fraction(4, 3)) == (
        b"YUV4MPEG2 W2 H2 F25:1 Ip A4:3 C420mpeg2 XYSCSS=420MPEG2" + picture
    )
    deep = b"YUV4MPEG2 W2 H2 F25:1 Ip A0:0 C420p10 XYSCSS=420P10"
    assert completed(deep + picture, None) == deep + picture
