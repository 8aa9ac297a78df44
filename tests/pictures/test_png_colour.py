import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from support.sample_pictures import profile, smooth

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture, as_samples

HOLDING_PROFILES = ["jpeg", "webp", "tiff", "avif"]
WITHOUT_PROFILES = ["bmp", "ppm", "gif"]
LINEAR = (b"gAMA", (100_000).to_bytes(4, "big"))
DISPLAY_P3 = (b"cICP", bytes((12, 13, 0, 1)))
PQ = (b"cICP", bytes((9, 16, 0, 1)))
HLG = (b"cICP", bytes((9, 18, 0, 1)))
WIDE = (
    b"cHRM",
    b"".join(v.to_bytes(4, "big") for v in (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
)
SAMPLES = np.array([[[0, 0, 0], [255, 255, 255], [128, 128, 128], [200, 100, 50], [40, 220, 180]]], np.uint8)


def written(
    frame: NDArray[np.generic], name: str, *chunks: tuple[bytes, bytes], icc: bytes | None = None
) -> Picture:
    entry = format_named(name)
    picture = Picture((frame,), format_named("png"), Metadata(icc_profile=icc, png_colour=chunks))
    return decode(encode(picture, Encoding(entry, quality=100 if entry.quality else None), "a"), "a")


def block(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each colour large enough for lossy formats."""
    return colours.repeat(32, axis=0).repeat(32, axis=1)


def centres(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frame[16:17, 16::32]


def shown(picture: Picture) -> NDArray[np.uint8]:
    """The colours of a picture as LittleCMS shows them in sRGB."""
    frame = centres(as_samples(picture.frames[0], np.uint8))
    image = Image.fromarray(np.ascontiguousarray(frame))
    if picture.metadata.icc_profile is None:
        return np.asarray(image)
    source = ImageCms.ImageCmsProfile(io.BytesIO(picture.metadata.icc_profile))
    return np.asarray(
        ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    )


def by_the_specification(chunks: tuple[tuple[bytes, bytes], ...]) -> NDArray[np.float64]:
    """SAMPLES in sRGB, 0 to 255: linear light by gAMA or sRGB's curve, primaries by published matrices."""
    x = SAMPLES / 255
    linear = x if LINEAR in chunks else np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    if DISPLAY_P3 in chunks or WIDE in chunks:  # CSS Color 4, lin_P3_to_XYZ and XYZ_to_lin_sRGB
        to_xyz = [
            [0.48657095, 0.26566769, 0.19821729],
            [0.22897456, 0.69173852, 0.07928691],
            [0, 0.04511338, 1.04394437],
        ]
        to_rgb = [
            [3.24096994, -1.53738318, -0.49861076],
            [-0.96924364, 1.87596750, 0.04155506],
            [0.05563008, -0.20397696, 1.05697151],
        ]
        linear = linear @ (np.array(to_rgb) @ np.array(to_xyz)).T
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


CASES = [(LINEAR,), (DISPLAY_P3,), (WIDE,), (LINEAR, WIDE)]


@pytest.mark.parametrize("chunks", CASES)
@pytest.mark.parametrize("name", [*HOLDING_PROFILES, *WITHOUT_PROFILES])
def test_colours_look_the_same_in_every_format(name: str, chunks: tuple[tuple[bytes, bytes], ...]) -> None:
    picture = written(block(SAMPLES), name, *chunks)
    assert (picture.metadata.icc_profile is not None) == (name in HOLDING_PROFILES)
    lossy = 2 if name == "tiff" or name in WITHOUT_PROFILES else 6
    slope = 12.92 if LINEAR in chunks else 1  # a level of linear samples is many of sRGB's in the dark
    difference = np.abs(shown(picture).astype(float) - by_the_specification(chunks))
    assert difference[:, 1:].max() <= lossy + slope / 4
    assert difference[:, 0].max() <= slope * lossy


@pytest.mark.parametrize("chunks", CASES)
def test_sixteen_bits_are_converted_at_sixteen_bits(chunks: tuple[tuple[bytes, bytes], ...]) -> None:
    picture = written(as_samples(SAMPLES, np.uint16), "ppm", *chunks)
    assert picture.frames[0].dtype == np.uint16
    assert np.abs(picture.frames[0] / 257 - by_the_specification(chunks)).max() < 0.1


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        ((b"sRGB", b"\0"), (b"gAMA", (45455).to_bytes(4, "big"))),
        ((b"gAMA", (45455).to_bytes(4, "big")),),
        ((b"cICP", bytes((1, 13, 0, 1))),),
        ((b"gAMA", bytes(4)),),
        ((b"cHRM", bytes(32)),),
        ((b"cICP", bytes((2, 2, 0, 1))),),
    ],
)
@pytest.mark.parametrize("name", ["tiff", "bmp"])
def test_what_says_srgb_or_nothing_changes_nothing(
    name: str, chunks: tuple[tuple[bytes, bytes], ...]
) -> None:
    picture = written(SAMPLES, name, *chunks)
    assert picture.metadata.icc_profile is None
    np.testing.assert_array_equal(picture.frames[0], SAMPLES)


def test_a_profile_counts_more_than_gamma_and_less_than_cicp() -> None:
    assert written(SAMPLES, "tiff", LINEAR, icc=profile()).metadata.icc_profile == profile()
    assert written(SAMPLES, "tiff", DISPLAY_P3, icc=profile()).metadata.icc_profile != profile()


@pytest.mark.parametrize(("name", "space"), [("jpeg", "GRAY"), ("tiff", "GRAY"), ("webp", "RGB ")])
def test_grey_gets_a_profile_of_the_kind_that_its_samples_have(name: str, space: str) -> None:
    picture = written(block(SAMPLES[..., :1]), name, LINEAR)
    assert picture.metadata.icc_profile is not None
    found = ImageCms.ImageCmsProfile(io.BytesIO(picture.metadata.icc_profile)).profile
    assert found.xcolor_space == space


@pytest.mark.parametrize("name", ["jpeg", "tiff", "bmp"])
@pytest.mark.parametrize(("chunk", "white"), [(PQ, 0.5807), (HLG, 0.75)])
@pytest.mark.parametrize("channels", [1, 3])
def test_hdr_becomes_srgb_with_its_diffuse_white_and_is_said(
    name: str, chunk: tuple[bytes, bytes], white: float, channels: int, caplog: pytest.LogCaptureFixture
) -> None:
    """ITU-R BT.2408, table 1: a diffuse white of 203 cd/m² is 58 % of PQ and 75 % of HLG."""
    frame = np.full((32, 32, channels), round(white * 65535), np.uint16)
    picture = written(frame, name, chunk)
    assert np.abs(as_samples(picture.frames[0], np.uint8).astype(int) - 255).max() <= 2
    darker = written((frame * 0.8).astype(np.uint16), name, chunk)
    assert 100 < as_samples(darker.frames[0], np.uint8).mean() < 200
    assert "a: its HDR colours become sRGB" in caplog.text
    kept = written(frame, "png", chunk)
    assert kept.metadata.png_colour == (chunk,)
    np.testing.assert_array_equal(kept.frames[0], frame)


def test_transparency_is_left_as_it_is() -> None:
    frame = smooth(40, 40, 4)
    picture = written(frame, "gif", LINEAR)
    np.testing.assert_array_equal(picture.frames[0][..., 3] > 0, frame[..., 3] >= 128)


def avif_in(primaries: int, transfer: int) -> bytes:
    """An AVIF whose colours are these numbers of H.273."""
    stream = io.BytesIO()
    Image.fromarray(block(SAMPLES)).save(stream, "AVIF", quality=100, subsampling="4:4:4")
    content = bytearray(stream.getvalue())
    at = content.index(b"colrnclx") + 8
    content[at : at + 4] = primaries.to_bytes(2, "big") + transfer.to_bytes(2, "big")
    return bytes(content)


def test_colours_of_an_avif_become_a_profile_or_the_same_numbers() -> None:
    for name in ("png", "jpeg", "bmp"):
        entry = format_named(name)
        encoding = Encoding(entry, quality=100 if entry.quality else None)
        picture = decode(encode(decode(avif_in(12, 13), "a"), encoding, "a"), "a")
        if name == "png":
            assert picture.metadata.png_colour == (DISPLAY_P3,)
        else:
            difference = np.abs(shown(picture).astype(float) - by_the_specification((DISPLAY_P3,)))
            assert difference.max() <= 8


@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (1, 1), (2, 2), (1, 6)])
def test_an_avif_for_srgb_says_nothing_more(primaries: int, transfer: int) -> None:
    assert decode(avif_in(primaries, transfer), "a").metadata.png_colour == ()
