import struct

import imagecodecs
import pytest
from support.sample_pictures import box, smooth

from ripfdn_cli.pictures.heif_properties import coded_bits, coded_colour


def colours(primaries: int, transfer: int) -> bytes:
    """A file with a colour information box (ISO/IEC 14496-12, 12.1.5): type, three numbers, full range."""
    return properties(box(b"colr", struct.pack(">4sHHHB", b"nclx", primaries, transfer, 9, 0x80)))


def properties(content: bytes) -> bytes:
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", content)))


@pytest.mark.parametrize(("primaries", "transfer"), [(9, 16), (9, 18), (12, 13), (1, 16), (1, 8)])
def test_colours_are_said_by_the_numbers_of_h273(primaries: int, transfer: int) -> None:
    """For a PNG with the matrix of RGB, 0, and full range (PNG, third edition, 11.3.2.6)."""
    assert coded_colour(colours(primaries, transfer)) == ((b"cICP", bytes((primaries, transfer, 0, 1))),)


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(1, 13), (1, 1), (1, 6), (2, 2), (2, 16), (9, 2), (0, 13), (300, 13)]
)
def test_srgb_and_what_says_nothing_are_left_alone(primaries: int, transfer: int) -> None:
    assert coded_colour(colours(primaries, transfer)) == ()


def test_a_box_that_is_cut_off_says_nothing() -> None:
    for length in range(len(colours(9, 16)) - 4):
        assert coded_colour(colours(9, 16)[:length]) == ()


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_bits_are_those_that_libavif_wrote(bits: int) -> None:
    samples = smooth(16, 20) if bits == 8 else smooth(16, 20, 3, "uint16") >> (16 - bits)
    assert coded_bits(bytes(imagecodecs.avif_encode(samples, bitspersample=bits))) == bits
    assert coded_bits(b"no property") == 8


def test_what_lies_before_the_properties_is_not_taken_for_them() -> None:
    """As the text of XMP in a file whose pictures come first."""
    before = box(
        b"mdat", b"pixi" + bytes((0, 0, 0, 0, 3, 12)) + b"colrnclx" + bytes((0, 9, 0, 16, 0, 9, 128))
    )
    content = before + properties(box(b"pixi", bytes((0, 0, 0, 0, 3, 10, 10, 10))))
    assert coded_bits(content) == 10
    assert coded_colour(content) == ()
