import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode, read_header
from ripfdn_cli.pictures.formats import format_named, load_plugin
from ripfdn_cli.pictures.jxl_header import CODESTREAM, JxlHeader, read_jxl_header

SIZES = (
    (1, 1),
    (8, 8),
    (16, 200),
    (255, 256),
    (256, 256),
    (300, 400),
    (511, 513),
    (640, 360),
    (12, 10),
    (9000, 2),
)
"""Eighths and not, equal sides, known ratios, fields of nine bits and more."""


@pytest.mark.parametrize("boxed", [False, True], ids=["codestream", "boxes"])
@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_those_the_encoder_wrote(size: tuple[int, int], boxed: bool) -> None:
    load_plugin(format_named("jxl"))
    stream = io.BytesIO()
    Image.new("RGB", size, "teal").save(stream, "JXL", use_container=boxed)
    assert stream.getvalue().startswith(CODESTREAM) != boxed
    assert read_jxl_header(stream.getvalue()) == JxlHeader(*size, animated=False, bits=8)


@pytest.mark.parametrize("boxed", [False, True], ids=["codestream", "boxes"])
@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
def test_deep_samples_are_read_in_sixteen_bits(bits: int, boxed: bool) -> None:
    load_plugin(format_named("jxl"))
    samples = np.linspace(0, 2**bits - 1, 20 * 30 * 3).reshape(20, 30, 3)
    samples = samples.astype(np.uint8 if bits == 8 else np.uint16)
    encoded = imagecodecs.jpegxl_encode(samples, lossless=True, bitspersample=bits, usecontainer=boxed)
    content = bytes(encoded)
    assert read_jxl_header(content) == JxlHeader(30, 20, animated=False, bits=bits)
    (frame,) = decode(content, "a.jxl").frames
    depth = 8 if bits == 8 else 16
    assert read_header(content, "a.jxl").sample_bytes == depth // 8
    expected = np.rint(samples.astype(np.float64) / (2**bits - 1) * (2**depth - 1))
    np.testing.assert_array_equal(frame, expected)


def test_floats_have_no_bits_of_integers() -> None:
    content = bytes(imagecodecs.jpegxl_encode(np.zeros((9, 7, 3), np.float32), lossless=True))
    assert read_jxl_header(content) == JxlHeader(7, 9, animated=False, bits=None)


@pytest.mark.parametrize("kept", [2, 3, 12, 20])
def test_what_is_cut_off_is_refused(kept: int) -> None:
    stream = io.BytesIO()
    load_plugin(format_named("jxl"))
    Image.new("RGB", (300, 400)).save(stream, "JXL", use_container=kept > 10)
    with pytest.raises(InputError, match="cut off"):
        read_jxl_header(stream.getvalue()[:kept])


def codestream(*fields: tuple[int, int]) -> bytes:
    """A codestream of (bits, value) fields and some bytes after them."""
    value, position = 0, 0
    for bits, number in fields:
        value |= number << position
        position += bits
    return CODESTREAM + value.to_bytes(position // 8 + 20, "little")


def test_a_header_that_lies_is_refused_before_anything_is_decoded() -> None:
    huge = codestream((1, 0), (2, 3), (30, 2**30 - 1), (3, 1))  # not in eighths, 30 bits of height, square
    assert read_jxl_header(huge) == JxlHeader(2**30, 2**30, animated=False, bits=8)
    for read in (read_header, decode):
        with pytest.raises(InputError, match=r"bomb\.jxl.*1073741824×1073741824 px, over the limit"):
            read(huge, "bomb.jxl")


def test_an_animation_is_refused_and_not_cut_to_its_first_frame() -> None:
    size, animated = ((1, 1), (5, 1), (3, 1)), ((1, 0), (1, 1), (3, 0), (1, 0), (1, 0), (1, 1))
    assert read_jxl_header(codestream(*size, *animated)) == JxlHeader(16, 16, animated=True, bits=8)
    with pytest.raises(InputError, match="animated JPEG XL can't be read; convert it to APNG"):
        decode(codestream(*size, *animated), "a.jxl")
