"""Whatever a file has of pixels and profile, what is written has both of one kind and looks the same."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms
from support.sample_pictures import cmyk_profile, grey_profile, profile, saved, smooth, swapped_profile

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import FORMATS, Format, format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture

WITH_PROFILES = [entry for entry in FORMATS if "icc_profile" in entry.metadata]
GREY, GREY_ALPHA = smooth(24, 32, 1), smooth(24, 32, 2)
GREY_ALPHA[..., 1] = 255
GREY_AS_RGB = GREY.repeat(3, axis=2)


def written(pixels: NDArray[Any], icc_profile: bytes, entry: Format) -> bytes:
    if entry.extra is not None:
        pytest.importorskip(entry.plugin)
    return encode(Picture((pixels,), entry, Metadata(icc_profile)), Encoding(entry), "a")


def seen(data: bytes) -> tuple[Image.Image, bytes | None]:
    """As Pillow opens it, without a word of ours."""
    image = Image.open(io.BytesIO(data))
    return image, image.info.get("icc_profile")


def in_srgb(image: Image.Image, icc_profile: bytes | None) -> NDArray[np.int64]:
    """As a viewer shows it that knows profiles."""
    image = image.convert("RGB" if icc_profile is None or icc_profile[16:20] == b"RGB " else "L")
    if icc_profile is not None:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert converted is not None
        image = converted
    return np.asarray(image.convert("RGB")).astype(int)


KINDS = {
    "grey with a profile for grey": (GREY, grey_profile(1.0)),
    "grey with a profile for RGB": (GREY, swapped_profile()),
    "grey and alpha with a profile for grey": (GREY_ALPHA, grey_profile(1.8)),
    "grey and alpha with a profile for RGB": (GREY_ALPHA, profile()),
    "RGB that is grey with a profile for grey": (GREY_AS_RGB, grey_profile(1.0)),
    "RGB with a profile for RGB": (smooth(24, 32), swapped_profile()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", WITH_PROFILES, ids=lambda entry: entry.name)
def test_pixels_and_profile_are_of_one_kind_and_look_the_same(entry: Format, kind: str) -> None:
    pixels, icc_profile = KINDS[kind]
    image, kept = seen(written(pixels, icc_profile, entry))
    assert kept is not None
    assert kept[16:20] == (b"GRAY" if image.mode in ("L", "LA") else b"RGB ")
    grey = Image.fromarray(pixels[..., 0] if pixels.shape[2] < 3 else pixels)
    expected = in_srgb(grey, icc_profile)
    assert np.abs(in_srgb(image, kept) - expected).mean() < 3


def test_a_png_has_no_profile_that_libpng_refuses() -> None:
    """Its colour types 0 and 4 are grey (PNG, 11.2.2); the profile's space is at its byte 16."""
    for pixels, icc_profile in KINDS.values():
        data = written(pixels, icc_profile, format_named("png"))
        image, kept = seen(data)
        assert kept is not None
        colour_type = struct.unpack(">25xB", data[:26])[0]
        assert (colour_type in (0, 4)) == (kept[16:20] == b"GRAY")
        assert image.size == (32, 24)


@pytest.mark.parametrize("samples", ["uint16", "float32"])
def test_deep_grey_keeps_its_depth(samples: str) -> None:
    pixels = smooth(24, 32, 1, samples)
    data = written(pixels, profile(), format_named("tiff"))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        np.testing.assert_array_equal(page.asarray(), pixels.repeat(3, axis=2))


@pytest.mark.parametrize(
    ("pixels", "icc_profile", "message"),
    [
        (smooth(24, 32), grey_profile(), "its GRAY profile is not for RGB pixels; it is left out"),
        (smooth(24, 32), cmyk_profile(), "its CMYK profile is not for RGB pixels; it is left out"),
        (GREY, cmyk_profile(), "its CMYK profile is not for grey pixels; it is left out"),
        (GREY, b"short", "its damaged profile is not for grey pixels; it is left out"),
    ],
)
def test_a_profile_for_other_pixels_is_left_out_and_said(
    pixels: NDArray[Any], icc_profile: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    image, kept = seen(written(pixels, icc_profile, format_named("png")))
    assert kept is None
    np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    assert f"a: {message}" in caplog.text


@pytest.mark.parametrize("encoder", ["PNG", "TIFF"])
def test_a_palette_of_greys_keeps_its_profile_for_rgb(encoder: str) -> None:
    palette = Image.fromarray(GREY[..., 0]).convert("P")
    picture = decode(saved(palette, encoder, icc_profile=profile()), "a")
    image, kept = seen(encode(picture, Encoding(format_named("png")), "a"))
    assert image.mode == "RGB"
    assert kept == profile()


@pytest.mark.parametrize("icc_profile", [grey_profile(1.0), profile()])
def test_grey_becomes_srgb_where_a_profile_has_no_place(icc_profile: bytes) -> None:
    picture = Picture((GREY,), format_named("bmp"), Metadata(icc_profile))
    frame = decode(encode(picture, Encoding(format_named("bmp")), "a"), "a").frames[0]
    light = GREY / 255
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    expected = 255 * encoded if icc_profile[16:20] == b"GRAY" else GREY
    assert frame.shape == GREY.shape
    np.testing.assert_allclose(frame, expected, atol=3)
