"""More than 8 bits a sample, and ranges that are not those of a type."""

import io

import imagecodecs
import numpy as np
import pytest

from ripfdn_cli.pictures.decoding import decode, read_header


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif_of_more_bits_keeps_them(bits: int, channels: int) -> None:
    top = 2**bits - 1
    samples = np.linspace(0, top, 16 * 24 * channels).reshape(16, 24, channels).astype(np.uint16)
    data = bytes(imagecodecs.avif_encode(samples.squeeze(), bitspersample=bits, level=100))  # lossless
    assert read_header(data, "a.avif").sample_bytes == 2
    (pixels,) = decode(data, "a.avif").frames
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, np.rint(samples * (65535 / top)))


@pytest.mark.parametrize("maximum", [1, 100, 255, 1000, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_ppm_of_any_maximum_has_its_full_range(maximum: int, plain: bool) -> None:
    values = [0, maximum // 2, maximum] * 2
    if plain:
        content = f"P3\n2 1\n{maximum}\n{' '.join(map(str, values))}\n".encode()
    else:
        kind = ">u2" if maximum > 255 else "u1"
        content = f"P6\n2 1\n{maximum}\n".encode() + np.array(values, kind).tobytes()
    frame = decode(content, "a").frames[0]
    top = 255 if maximum < 256 else 65535
    assert frame.dtype.name == ("uint8" if maximum < 256 else "uint16")
    assert list(frame[0, 0]) == [0, round(maximum // 2 / maximum * top), top]


def test_pbm_is_grey_and_its_ones_are_black() -> None:
    assert decode(b"P4\n8 1\n\xf0", "a").frames[0].ravel().tolist() == [0] * 4 + [255] * 4


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_heic_of_more_bits_keeps_them(bits: int, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    top = 2**bits - 1
    samples = np.linspace(0, top, 64 * 64 * channels).reshape(64, 64, channels).astype(np.uint16)
    mode = "RGB;16" if channels == 3 else "RGBA;16"
    file = pillow_heif.from_bytes(mode, (64, 64), (samples << (16 - bits)).tobytes())
    stream = io.BytesIO()
    file.save(stream, quality=-1, chroma=444, matrix_coefficients=0)  # lossless
    assert read_header(stream.getvalue(), "a.heic").sample_bytes == 2
    (pixels,) = decode(stream.getvalue(), "a.heic").frames
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, np.rint(samples * (65535 / top)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_jpeg_xl_of_floats_stays_what_it_is(dtype: type[np.floating]) -> None:
    light = np.linspace(0, 4, 16 * 24 * 3).reshape(16, 24, 3).astype(dtype)
    content = bytes(imagecodecs.jpegxl_encode(light, lossless=True))
    assert read_header(content, "a.jxl").sample_bytes == 4
    (frame,) = decode(content, "a.jxl").frames
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, light)
