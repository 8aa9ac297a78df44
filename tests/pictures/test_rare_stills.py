"""Files written by hand after each format's description, judged by what was put into them."""

import struct

import imagecodecs
import numpy as np
import pytest
from support.sample_pictures import box

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode, read_header
from ripfdn_cli.pictures.rare_stills import RARE_SUFFIXES

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 16, 4), np.uint8)


def pam(samples: np.ndarray, maximum: int, kind: str) -> bytes:
    head = f"P7\nWIDTH {samples.shape[1]}\nHEIGHT {samples.shape[0]}\nDEPTH {samples.shape[2]}\n"
    return f"{head}MAXVAL {maximum}\nTUPLTYPE {kind}\nENDHDR\n".encode() + samples.tobytes()


def psd(samples: np.ndarray) -> bytes:
    """Version 1, RGB, no layers, not compressed: a channel after the other."""
    return psd_head(*samples.shape, bits=8, mode=3) + np.moveaxis(samples, -1, 0).tobytes()


def psd_head(height: int, width: int, channels: int, *, bits: int, mode: int) -> bytes:
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, bits, mode) + bytes(14)


def qoi(samples: np.ndarray) -> bytes:
    """Every pixel as it is (QOI_OP_RGB)."""
    height, width, _ = samples.shape
    head = b"qoif" + struct.pack(">IIBB", width, height, 3, 0)
    return head + b"".join(b"\xfe" + bytes(pixel) for pixel in samples.reshape(-1, 3)) + bytes(7) + b"\1"


def xbm(ink: np.ndarray) -> bytes:
    rows = np.packbits(ink, axis=1, bitorder="little")
    bits = ",".join(f"0x{byte:02x}" for byte in rows.ravel())
    return f"#define a_width 16\n#define a_height 5\nstatic char a_bits[] = {{\n{bits}}};\n".encode()


def test_pam_has_its_channels_and_its_full_range() -> None:
    (frame,) = decode(pam(PIXELS, 255, "RGB_ALPHA"), "a.pam").frames
    np.testing.assert_array_equal(frame, PIXELS)
    deep = (np.arange(5 * 16 * 2) * 6).astype(">u2").reshape(5, 16, 2)
    (frame,) = decode(pam(deep, 1000, "GRAYSCALE_ALPHA"), "a.pam").frames
    assert frame.dtype == np.uint16
    np.testing.assert_array_equal(frame, np.rint(deep * 65.535))


@pytest.mark.parametrize(("order", "scale"), [("<f4", "-1.0"), (">f4", "1.0")])
def test_pfm_starts_at_the_bottom(order: str, scale: str) -> None:
    light = (np.arange(5 * 16 * 3).reshape(5, 16, 3) / 100).astype(np.float32)
    content = f"PF\n16 5\n{scale}\n".encode() + light[::-1].astype(order).tobytes()
    (frame,) = decode(content, "a.pfm").frames
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, light)


def test_qoi_and_photoshop_files_are_read_as_they_look() -> None:
    colours = np.ascontiguousarray(PIXELS[..., :3])
    for content, name in ((qoi(colours), "a.qoi"), (psd(colours), "a.psd")):
        header = read_header(content, name)
        assert (header.width, header.height, header.frames) == (16, 5, 1)
        np.testing.assert_array_equal(decode(content, name).frames[0], colours)


def test_the_ones_of_xbm_are_black() -> None:
    ink = PIXELS[..., 0] > 128
    (frame,) = decode(xbm(ink), "a.xbm").frames
    np.testing.assert_array_equal(frame[..., 0], np.where(ink, 0, 255))


def test_the_ones_of_a_bitmap_of_photoshop_are_black() -> None:
    ink = PIXELS[..., 0] > 128
    content = psd_head(5, 16, 1, bits=1, mode=0) + np.packbits(ink, axis=1).tobytes()
    (frame,) = decode(content, "a.psd").frames
    np.testing.assert_array_equal(frame[..., 0], np.where(ink, 0, 255))


@pytest.mark.parametrize("suffix", RARE_SUFFIXES)
@pytest.mark.parametrize("content", [b"no picture at all", psd(PIXELS)[:40], b"8BPS" + bytes(30)])
def test_what_cannot_be_read_is_told_with_the_way_out(suffix: str, content: bytes) -> None:
    with pytest.raises(InputError, match=rf"can't read a\{suffix}: ") as caught:
        decode(content, f"a{suffix}")
    assert "object at" not in str(caught.value)
    assert "check that the file is" in str(caught.value)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(InputError, match="over the limit of 50 pixels"):
        decode(qoi(np.ascontiguousarray(PIXELS[..., :3])), "a.qoi", max_pixels=50)


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_of_more_bits_keeps_them(bits: int, channels: int) -> None:
    top = 2**bits - 1
    samples = np.linspace(0, top, 32 * 48 * channels).reshape(32, 48, channels).astype(np.uint16)
    content = bytes(imagecodecs.jpeg2k_encode(samples.squeeze(), bitspersample=bits, reversible=True))
    assert read_header(content, "a.jp2").sample_bytes == 2
    (frame,) = decode(content, "a.jp2").frames
    np.testing.assert_array_equal(frame, np.rint(samples * (65535 / top)))
    assert decode(content, "a.jp2", max_pixels=32 * 48).width == 48
    with pytest.raises(InputError, match="over the limit of 100 pixels"):
        decode(content, "a.jp2", max_pixels=100)


@pytest.mark.parametrize("bits", [12, 16])
def test_signed_jpeg_2000_goes_from_the_lowest_number_up(bits: int) -> None:
    half = 2 ** (bits - 1)
    samples = np.linspace(-half, half - 1, 32 * 48).reshape(32, 48).astype(np.int16)
    content = bytes(imagecodecs.jpeg2k_encode(samples, bitspersample=bits, reversible=True))
    (frame,) = decode(content, "a.jp2").frames
    expected = np.rint((samples.astype(float) + half) * (65535 / (2 * half - 1)))
    np.testing.assert_array_equal(frame[..., 0], expected)


def test_jpeg_2000_of_16_bits_keeps_them_behind_long_boxes() -> None:
    """As a large profile, or XMP, which may hold anything."""
    samples = np.linspace(0, 65535, 32 * 48 * 3).reshape(32, 48, 3).astype(np.uint16)
    content = bytes(imagecodecs.jpeg2k_encode(samples, codecformat="jp2", reversible=True))
    at = content.index(b"jp2c") - 4
    longer = content[:at] + box(b"uuid", b"\xff\x4f\xff\x51" + bytes(2**17)) + content[at:]
    (frame,) = decode(longer, "a.jp2").frames
    np.testing.assert_array_equal(frame, samples)
