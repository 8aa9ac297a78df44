import io
import time

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from support.sample_pictures import cmyk_profile, grey_profile, saved, swapped_profile

from ripfdn_cli.pictures.colour_profiles import is_srgb, is_usable, rgb_to_srgb, srgb_profile, to_srgb
from ripfdn_cli.pictures.decoding import decode

CYAN = Image.new("CMYK", (8, 8), (255, 0, 0, 0))


def test_cmyk_goes_through_its_profile() -> None:
    """In this profile cyan is red; without it, cyan is no red at all."""
    image, icc_profile = to_srgb(CYAN, cmyk_profile())
    np.testing.assert_allclose(np.asarray(image)[0, 0], (255, 0, 0), atol=12)
    assert icc_profile == srgb_profile()
    plain, none = to_srgb(CYAN, None)
    assert plain.getpixel((0, 0)) == (0, 255, 255)
    assert none is None


@pytest.mark.parametrize("encoder", ["JPEG", "TIFF"])
def test_cmyk_files_go_through_their_profile(encoder: str) -> None:
    picture = decode(saved(CYAN, encoder, icc_profile=cmyk_profile()), "a")
    np.testing.assert_allclose(picture.frames[0][4, 4], (255, 0, 0), atol=16)
    assert picture.metadata.icc_profile == srgb_profile()


def test_sixteen_bit_cmyk_goes_through_its_profile() -> None:
    stream = io.BytesIO()
    cyan = np.zeros((8, 8, 4), np.uint16)
    cyan[..., 0] = 65535
    tifffile.imwrite(stream, cyan, photometric="separated", iccprofile=cmyk_profile())
    frame = decode(stream.getvalue(), "a").frames[0]
    np.testing.assert_allclose(frame[4, 4], (255, 0, 0), atol=12)


def test_lab_becomes_srgb() -> None:
    image = Image.new("LAB", (2, 2), (136, 208, 195))  # L* 53, a* 80, b* 67
    converted, icc_profile = to_srgb(image, None)
    np.testing.assert_allclose(np.asarray(converted)[0, 0], (255, 0, 0), atol=12)
    assert icc_profile == srgb_profile()
    np.testing.assert_allclose(decode(saved(image, "TIFF"), "a").frames[0][0, 0], (255, 0, 0), atol=12)


@pytest.mark.parametrize("damaged", [b"", b"no profile", cmyk_profile()[:200]])
def test_a_damaged_profile_is_said_and_left(damaged: bytes, caplog: pytest.LogCaptureFixture) -> None:
    image, icc_profile = to_srgb(CYAN, damaged)
    assert image.getpixel((0, 0)) == (0, 255, 255)
    assert icc_profile is None
    assert bool(damaged) == ("the CMYK profile can't be used" in caplog.text)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_taken_to_srgb(mode: str) -> None:
    image = Image.new("RGB", (2, 2), (0, 255, 0)).convert(mode)
    if mode == "RGBA":
        image.putalpha(77)
    converted = rgb_to_srgb(image, swapped_profile())
    assert converted.mode == mode
    np.testing.assert_allclose(np.asarray(converted)[0, 0, :3], (255, 0, 0), atol=3)
    assert mode == "RGB" or np.asarray(converted)[0, 0, 3] == 77


def test_a_profile_of_another_kind_of_picture_changes_nothing() -> None:
    grey = Image.new("L", (2, 2), 99)
    assert rgb_to_srgb(grey, swapped_profile()).getpixel((0, 0)) == 99
    assert ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())).profile.xcolor_space.strip() == "RGB"


def test_the_profile_of_srgb_does_not_tell_when_it_was_made() -> None:
    first = srgb_profile()
    srgb_profile.cache_clear()
    time.sleep(1.1)  # its date has seconds
    assert srgb_profile() == first


def test_srgb_is_known_by_what_it_does() -> None:
    """Whoever made the profile, with whatever curve: not by its name."""
    measured = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    renamed = srgb_profile().replace("sRGB".encode("utf-16-be"), "nobd".encode("utf-16-be"))
    for profile in (measured.tobytes(), renamed):
        assert is_srgb(profile, grey=False)
    assert not is_srgb(swapped_profile(), grey=False)
    assert is_srgb(swapped_profile(), grey=True)  # equal channels stay what they are
    assert not is_srgb(grey_profile(1.0), grey=True)
    assert not is_srgb(grey_profile(1.0), grey=False)
    assert not is_srgb(b"no profile", grey=False)


def test_a_profile_is_of_use_for_pixels_of_its_kind() -> None:
    assert is_usable(swapped_profile(), grey=False)
    assert is_usable(swapped_profile(), grey=True)
    assert is_usable(grey_profile(), grey=True)
    for other in (grey_profile(), cmyk_profile(), b"no profile", swapped_profile()[:200]):
        assert not is_usable(other, grey=False)
