"""Pillow's encoder, which is libjpeg, says what the qualities are."""

import io

import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.jpeg_quality import jpeg_quality


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_quality_of_every_jpeg_of_libjpegs_is_found(mode: str) -> None:
    for quality in range(1, 101):
        stream = io.BytesIO()
        Image.new(mode, (16, 16)).save(stream, "JPEG", quality=quality)
        assert decode(stream.getvalue(), "a.jpg").jpeg_quality == quality


def test_other_tables_are_placed_by_their_mean_step() -> None:
    flat = {0: [16] * 64, 1: [99] * 64}
    quality = jpeg_quality(flat)
    assert quality is not None
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        assert isinstance(image, JpegImageFile)
        assert abs(sum(image.quantization[0]) / 64 - 16) < 0.5


def test_without_a_table_for_luminance_nothing_is_known() -> None:
    assert jpeg_quality({1: [16] * 64}) is None


def test_only_jpegs_have_one() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "WEBP", quality=20)
    assert decode(stream.getvalue(), "a.webp").jpeg_quality is None
