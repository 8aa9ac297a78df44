"""What is written is read again, by every format, in every kind of pixel."""

import io
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from support.sample_pictures import (
    exif_block,
    grey_profile,
    profile,
    smooth,
    swapped_profile,
)

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import FORMATS, Format, format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture, as_samples

KINDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
LOSSY_TOLERANCE = {"jpeg": 3, "webp": 3, "avif": 3, "gif": 9, "heic": 4, "jxl": 3}
"""Levels of 8 bits by which a lossy format may move samples on average, at its default quality."""


def held_channels(entry: Format, channels: int) -> int:
    """What a file of this format has after `channels` were written into it, from the formats' documents."""
    if entry.name in ("jpeg", "bmp", "ppm"):  # no alpha; grey of its own
        return 1 if channels <= 2 else 3
    if entry.name in ("webp", "avif", "heic"):  # no grey
        return 4 if channels in (2, 4) else 3
    return channels


def held_samples(entry: Format, samples: str) -> str:
    if entry.name == "tiff":
        return samples
    return "uint8" if entry.name not in ("png", "ppm", "jxl") or samples == "uint8" else "uint16"


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)
def test_round_trip_of_every_kind_of_pixel(entry: Format, kind: str, samples: str) -> None:
    """Size, channels, depth, samples, profile and EXIF, for each kind of picture in each format."""
    if entry.extra is not None:
        pytest.importorskip(entry.plugin)
    pixels = smooth(30, 40, KINDS[kind], samples)
    if KINDS[kind] in (2, 4) and held_channels(entry, KINDS[kind]) in (1, 3):
        pixels[..., -1] = 65535 if samples == "uint16" else 255 if samples == "uint8" else 1
    grey = held_channels(entry, KINDS[kind]) < 3 and "icc_profile" in entry.metadata
    metadata = Metadata(icc_profile=grey_profile(2.2) if grey else profile(), exif=exif_block())
    content = encode(Picture((pixels,), entry, metadata), Encoding(entry), "a")
    back = decode(content, "a")

    assert back.file_format is entry
    frame = back.frames[0]
    assert frame.shape == (30, 40, held_channels(entry, KINDS[kind]))
    assert frame.dtype.name == held_samples(entry, samples)
    expected = as_samples(pixels, frame.dtype)
    if frame.shape[2] < expected.shape[2]:
        expected = expected[..., : frame.shape[2]]
    elif expected.shape[2] < 3 <= frame.shape[2]:
        expected = np.concatenate([expected[..., [0, 0, 0]], expected[..., 1:]], axis=2)
    distance = np.abs(frame.astype(np.float64) - expected)
    if entry.name == "gif" and frame.shape[2] in (2, 4):  # all or nothing
        np.testing.assert_array_equal(frame[..., -1], np.where(expected[..., -1] >= 128, 255, 0))
        distance = distance[..., :-1]
    if entry.name in LOSSY_TOLERANCE:
        distance = distance / (np.iinfo(frame.dtype).max / 255)
        seen = (
            frame[..., -1] == np.iinfo(frame.dtype).max
            if frame.shape[2] in (2, 4)
            else np.ones((30, 40), bool)
        )
        assert distance[seen].mean() <= LOSSY_TOLERANCE[entry.name]
    else:
        assert not distance.any()
    if "icc_profile" in entry.metadata:
        assert back.metadata.icc_profile == metadata.icc_profile
    if "exif" in entry.metadata:
        assert back.metadata.exif is not None
        exif = Image.Exif()
        exif.load(back.metadata.exif)
        assert exif[0x010F] == "Maker"
        details = exif.get_ifd(0x8769)
        assert (details[0xA002], details[0xA003], float(details[0x829A])) == (40, 30, 0.008)


@pytest.mark.parametrize("name", ["webp", "jxl"])
def test_lossless_is_lossless(name: str) -> None:
    entry = format_named(name)
    pytest.importorskip(entry.plugin)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    content = encode(Picture((pixels,), entry), Encoding(entry, lossless=True), "a")
    np.testing.assert_array_equal(decode(content, "a").frames[0], pixels)


def test_quality_is_obeyed() -> None:
    picture = Picture((smooth(64, 64),), format_named("jpeg"))
    sizes = [len(encode(picture, Encoding(picture.file_format, quality=q), "a")) for q in (30, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


@pytest.mark.parametrize(
    ("name", "options"),
    [("png", {"quality": 90}), ("jpeg", {"lossless": True}), ("webp", {"lossless": True, "quality": 5})],
)
def test_settings_that_a_format_does_not_have_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Encoding(format_named(name), **options)


@pytest.mark.parametrize("word", ["IDAT", "IHDR", "IEND"])
def test_names_of_chunks_in_a_text_do_not_cut_a_png_of_sixteen_bits(word: str) -> None:
    pixels = smooth(12, 16, 3, "uint16")
    text = (("Title", f"Chart for {word} chunks"), ("Author", "somebody"))
    content = encode(
        Picture((pixels,), format_named("png"), Metadata(text=text)), Encoding(format_named("png")), "a"
    )
    np.testing.assert_array_equal(imagecodecs.png_decode(content), pixels)
    with Image.open(io.BytesIO(content)) as image:
        assert isinstance(image, PngImageFile)
        image.load()
        assert image.text == dict(text)


def test_sixteen_bits_stay_exact_where_eight_would_not() -> None:
    """The low bytes alone carry this picture: read as 8 bit it would be black."""
    dark = np.arange(200, dtype=np.uint16).reshape(10, 20, 1).repeat(3, axis=2)
    for name in ("png", "tiff", "ppm", "jxl"):
        entry = format_named(name)
        if entry.extra is not None:
            pytest.importorskip(entry.plugin)
        encoding = Encoding(entry, lossless=name == "jxl")
        back = decode(encode(Picture((dark,), entry), encoding, "a"), "a").frames[0]
        np.testing.assert_array_equal(back, dark)


@pytest.mark.parametrize("name", ["ppm", "jxl"])
def test_sixteen_bits_are_converted_where_a_format_holds_no_profile(name: str) -> None:
    """Where red and green have changed places in the profile, their numbers do; a linear grey of a quarter is
    sRGB's 0.537 (IEC 61966-2-1).
    """
    entry = format_named(name)
    if entry.extra is not None:
        pytest.importorskip(entry.plugin)
    encoding = Encoding(entry, lossless=name == "jxl")
    pixels = np.zeros((8, 8, 3), np.uint16)
    pixels[..., 1] = 65535
    picture = Picture((pixels,), format_named("png"), Metadata(icc_profile=swapped_profile()))
    frame = decode(encode(picture, encoding, "a"), "a").frames[0]
    assert frame.dtype == np.uint16
    np.testing.assert_allclose(frame[0, 0], [65535, 0, 0], atol=0.01 * 65535)
    grey = np.full((8, 8, 1), 16384, np.uint16)
    picture = Picture((grey,), format_named("png"), Metadata(icc_profile=grey_profile(1.0)))
    frame = decode(encode(picture, encoding, "a"), "a").frames[0]
    assert frame.shape == (8, 8, 1)
    np.testing.assert_allclose(frame, 0.537 * 65535, atol=0.003 * 65535)
