"""What a format does not hold is converted or left out, and said."""

import numpy as np
import pytest
from support.sample_pictures import (
    exif_block,
    smooth,
    swapped_profile,
    xmp_packet,
)

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.colour_profiles import srgb_profile
from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.fitting import check_frames
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture


def test_transparency_is_laid_on_the_background_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:] = (10, 20, 30, 255)
    entry = format_named("bmp")
    content = encode(Picture((pixels,), entry), Encoding(entry, background=(255, 0, 255)), "a.bmp")
    frame = decode(content, "a").frames[0]
    assert frame[0, 0].tolist() == [255, 0, 255]
    assert frame[0, 15].tolist() == [10, 20, 30]
    assert "a.bmp: BMP has no transparency" in caplog.text


def test_an_opaque_alpha_is_dropped_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    entry = format_named("jpeg")
    encode(Picture((np.full((8, 8, 4), 255, np.uint8),), entry), Encoding(entry), "a")
    assert not caplog.records


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_become_srgb_where_a_profile_has_no_place(channels: int) -> None:
    pixels = np.zeros((4, 4, channels), np.uint8)
    pixels[..., 1:2] = 255
    pixels[..., 3:] = 255
    picture = Picture((pixels,), format_named("png"), Metadata(icc_profile=swapped_profile()))
    frame = decode(encode(picture, Encoding(format_named("bmp")), "a"), "a").frames[0]
    np.testing.assert_allclose(frame[0, 0], [255, 0, 0], atol=3)
    kept = decode(encode(picture, Encoding(format_named("png")), "a"), "a")
    assert kept.frames[0][0, 0, :3].tolist() == [0, 255, 0]
    assert kept.metadata.icc_profile == swapped_profile()


def test_what_a_format_cannot_hold_is_said(caplog: pytest.LogCaptureFixture) -> None:
    entry = format_named("bmp")
    metadata = Metadata(exif=exif_block(), xmp=xmp_packet(), dpi=(300, 300))
    with caplog.at_level("INFO"):
        content = encode(Picture((smooth(8, 8),), entry, metadata), Encoding(entry), "a.bmp")
    assert "a.bmp: left out: EXIF, XMP (not written to BMP)" in caplog.text
    assert decode(content, "a").metadata.dpi == pytest.approx((300, 300), rel=1e-3)


def test_frames_and_pages_only_where_the_format_has_them() -> None:
    two = (smooth(8, 8), smooth(8, 8))
    with pytest.raises(UsageError, match=r"a would have 2 pages, but PNG holds only one; use tiff"):
        check_frames(Picture(two, format_named("tiff")), format_named("png"), "a")
    check_frames(Picture(two, format_named("tiff")), format_named("tiff"), "a")


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
@pytest.mark.parametrize("target", ["jxl", "ppm"])
def test_srgb_needs_no_profile(target: str, samples: str, caplog: pytest.LogCaptureFixture) -> None:
    """As of every JPEG XL, which decoders give one: nothing is converted, and nothing said."""
    entry = format_named(target)
    picture = Picture((smooth(16, 20, 3, samples),), entry, Metadata(icc_profile=srgb_profile()))
    with caplog.at_level("INFO"):
        content = encode(picture, Encoding(entry, lossless=target == "jxl"), "a")
    assert not caplog.records
    np.testing.assert_array_equal(decode(content, "a").frames[0], picture.frames[0])
