import io
import os
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from support.sample_pictures import (
    exif_block,
    grey_profile,
    png_of,
    profile,
    saved,
    smooth,
    swapped_profile,
    xmp_packet,
)

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.pictures.files import (
    Encoding,
    check_frames,
    decode,
    encode,
    read_header,
    read_picture,
    read_rgb,
)
from ripfdn_cli.pictures.formats import FORMATS, Format, format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture, as_samples

CORE = [entry for entry in FORMATS if entry.extra is None]
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


def palette_image(transparent: bool) -> Image.Image:
    image = Image.new("P", (4, 2))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2, 0, 1, 2, 0, 1])
    if transparent:
        image.info["transparency"] = 1
    return image


MODES: dict[str, tuple[Image.Image, dict[str, Any], int, list[Any]]] = {
    "1": (Image.new("1", (3, 2), 1), {}, 1, [255]),
    "L": (Image.new("L", (3, 2), 7), {}, 1, [7]),
    "L with a transparent level": (Image.new("L", (3, 2), 7), {"transparency": 7}, 2, [7, 0]),
    "LA": (Image.new("LA", (3, 2), (7, 9)), {}, 2, [7, 9]),
    "P": (palette_image(False), {}, 3, [255, 0, 0]),
    "P with a transparent entry": (palette_image(True), {"transparency": 0}, 4, [255, 0, 0, 0]),
    "P in grey": (Image.new("L", (3, 2), 7).convert("P"), {}, 1, [7]),
    "RGB": (Image.new("RGB", (3, 2), (1, 2, 3)), {}, 3, [1, 2, 3]),
    "RGB with a transparent colour": (
        Image.new("RGB", (3, 2), (1, 2, 3)),
        {"transparency": (1, 2, 3)},
        4,
        [1, 2, 3, 0],
    ),
    "RGBA": (Image.new("RGBA", (3, 2), (1, 2, 3, 4)), {}, 4, [1, 2, 3, 4]),
    "I;16": (Image.fromarray(np.full((2, 3), 700, np.uint16)), {}, 1, [700]),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_of_png_becomes_channels(name: str) -> None:
    image, options, channels, first = MODES[name]
    frame = decode(saved(image, "PNG", **options), "a").frames[0]
    assert frame.shape == (image.height, image.width, channels)
    assert list(frame[0, 0]) == first


@pytest.mark.parametrize("encoder", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(encoder: str) -> None:
    """Full cyan with nothing else: no red, and blue and green."""
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    frame = decode(saved(image, encoder), "a").frames[0]
    red, green, blue = (int(value) for value in frame[8, 8])
    assert red < 60
    assert min(green, blue) > 150


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif_of_more_bits_keeps_them(bits: int, channels: int) -> None:
    top = 2**bits - 1
    samples = np.linspace(0, top, 16 * 24 * channels).reshape(16, 24, channels).astype(np.uint16)
    data = imagecodecs.avif_encode(samples.squeeze(), bitspersample=bits, level=100)  # lossless
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


ORIENTED = {
    1: [[1, 2], [3, 4], [5, 6]],
    2: [[2, 1], [4, 3], [6, 5]],
    3: [[6, 5], [4, 3], [2, 1]],
    4: [[5, 6], [3, 4], [1, 2]],
    5: [[1, 3, 5], [2, 4, 6]],
    6: [[5, 3, 1], [6, 4, 2]],
    7: [[6, 4, 2], [5, 3, 1]],
    8: [[2, 4, 6], [1, 3, 5]],
}
"""What a picture stored as 1 2 / 3 4 / 5 6 shows, worked out by hand from the EXIF standard."""


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("encoder", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_orientation_is_applied_and_reset(orientation: int, encoder: str) -> None:
    stored = np.array([[1, 2], [3, 4], [5, 6]], np.uint8) * 40
    image = Image.fromarray(stored.repeat(16, axis=0).repeat(16, axis=1)).convert("RGB")
    options = {"lossless": True} if encoder == "WEBP" else {"quality": 100} if encoder == "JPEG" else {}
    content = saved(image, encoder, exif=exif_block(orientation, 32, 48), dpi=(72, 144), **options)
    picture = decode(content, "a")
    shown = np.rint(picture.frames[0][8::16, 8::16, 0] / 40).astype(int)
    assert shown.tolist() == ORIENTED[orientation]
    if picture.metadata.dpi is not None and orientation >= 5:
        assert [round(value) for value in picture.metadata.dpi] == [144, 72]
    written = decode(encode(picture, Encoding(picture.file_format), "b"), "b")
    assert written.frames[0].shape == picture.frames[0].shape
    assert written.metadata.exif is not None
    exif = Image.Exif()
    exif.load(written.metadata.exif)
    assert exif[0x0112] == 1
    assert exif.get_ifd(0x8769)[0xA002] == picture.width


def test_read_rgb_leaves_pixels_as_they_are_stored(tmp_path: Path) -> None:
    stored = np.array([[1, 2], [3, 4], [5, 6]], np.uint8) * 40
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif_block(6))
    pixels = read_rgb(tmp_path / "a.png")
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, stored[..., None].repeat(3, axis=2))


def test_read_rgb_rounds_sixteen_bits_and_drops_alpha(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint16)
    pixels[0, 0] = (65535, 257 * 100 + 128, 257 * 100 + 129, 0)
    entry = format_named("png")
    (tmp_path / "a.png").write_bytes(encode(Picture((pixels,), entry), Encoding(entry), "a"))
    assert read_rgb(tmp_path / "a.png")[0, 0].tolist() == [255, 100, 101]


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


BOUNDS = {
    "a PNG that says it is 60000×60000": (60000, 60000),
    "a PNG that says it is 2^31-1 wide": (2**31 - 1, 1),
    "a PNG within the limit that can't be in so few bytes": (12000, 12000),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bombs_are_refused_before_anything_is_allocated(name: str) -> None:
    with pytest.raises(InputError, match=r"can't read a: it says it (is|has)"):
        decode(png_of(*BOUNDS[name]), "a")


def test_the_limit_of_pixels_can_be_raised_and_lowered() -> None:
    content = saved(Image.new("L", (100, 100)), "PNG")
    assert decode(content, "a", max_pixels=10_000).width == 100
    with pytest.raises(InputError, match="over the limit of 9999 pixels; raise --max-pixels"):
        decode(content, "a", max_pixels=9_999)


def test_all_frames_count_towards_the_limit() -> None:
    frames = [Image.new("L", (50, 50), 9 * i) for i in range(4)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert len(decode(content, "a", max_pixels=10_000).frames) == 4
    with pytest.raises(InputError, match="4 frames of 50×50 px"):
        decode(content, "a", max_pixels=9_999)


@pytest.mark.parametrize("samples", [np.uint64, np.int64, np.complex64])
def test_sample_types_that_no_result_could_have_are_refused(samples: type) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((4, 4), samples))
    with pytest.raises(InputError, match="not supported"):
        decode(stream.getvalue(), "a")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"%PDF-1.4 " * 10, b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM", b"P6"]
)
def test_what_is_no_picture_is_an_input_error(content: bytes) -> None:
    with pytest.raises(InputError, match="can't read a: "):
        decode(content, "a")
    with pytest.raises(InputError, match="can't read a: "):
        read_header(content, "a")


@pytest.mark.parametrize("entry", CORE, ids=lambda entry: entry.name)
def test_a_truncated_file_is_an_input_error(entry: Format) -> None:
    """Half a picture is no picture, whatever a viewer would show of it."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encode(Picture((noise,), entry), Encoding(entry), "a")
    with pytest.raises(InputError, match="can't read a: "):
        decode(content[: len(content) // 2], "a")


def test_decoders_outside_the_list_see_nothing() -> None:
    """Pillow alone reads these."""
    for encoder in ("SGI", "TGA", "PCX", "JPEG2000"):
        content = saved(Image.new("RGB", (8, 8)), encoder)
        Image.open(io.BytesIO(content)).load()
        with pytest.raises(InputError, match="in another format than PNG"):
            decode(content, "a")


def test_pipes_devices_and_folders_are_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="is a pipe, not a file"):
        read_picture(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="is a device, not a file"):
        read_picture(Path("/dev/zero"))
    with pytest.raises(InputError, match=r"folder|directory"):
        read_picture(tmp_path)
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(InputError, match="symbolic links"):
        read_picture(tmp_path / "loop.png")
    with pytest.raises(InputError, match="No such file"):
        read_picture(tmp_path / "none.png")


def test_headers_tell_what_decoding_finds() -> None:
    for entry in CORE:
        for channels in KINDS.values():
            pixels = smooth(16, 20, channels, entry.samples[-1])
            content = encode(Picture((pixels,), entry, Metadata(exif=exif_block(1))), Encoding(entry), "a")
            header, picture = read_header(content, "a"), decode(content, "a")
            assert (header.width, header.height, header.frames) == (20, 16, 1)
            assert header.file_format is entry
            assert header.sample_bytes == picture.frames[0].dtype.itemsize, entry.name


def test_a_header_is_that_of_the_upright_picture() -> None:
    content = saved(Image.new("RGB", (20, 10)), "JPEG", exif=exif_block(6))
    header = read_header(content, "a")
    assert (header.width, header.height) == (10, 20)


def test_what_a_format_cannot_hold_is_said(caplog: pytest.LogCaptureFixture) -> None:
    entry = format_named("bmp")
    metadata = Metadata(exif=exif_block(), xmp=xmp_packet(), dpi=(300, 300))
    with caplog.at_level("INFO"):
        content = encode(Picture((smooth(8, 8),), entry, metadata), Encoding(entry), "a.bmp")
    assert "a.bmp: left out: EXIF, XMP (BMP can't hold that)" in caplog.text
    assert decode(content, "a").metadata.dpi == pytest.approx((300, 300), rel=1e-3)


def test_frames_and_pages_only_where_the_format_has_them() -> None:
    two = (smooth(8, 8), smooth(8, 8))
    with pytest.raises(UsageError, match=r"a would have 2 pages, PNG holds one; use tiff"):
        check_frames(Picture(two, format_named("tiff")), format_named("png"), "a")
    check_frames(Picture(two, format_named("tiff")), format_named("tiff"), "a")


@pytest.mark.parametrize("primary", [0, 1])
def test_a_heic_of_several_stills_is_the_main_one_of_them(
    primary: int,
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    red, blue = Image.new("RGB", (64, 48), (255, 0, 0)), Image.new("RGB", (80, 64), (0, 0, 255))
    stills = pillow_heif.from_pillow(red)
    stills.add_from_pillow(blue)
    stream = io.BytesIO()
    stills.save(stream, primary_index=primary)
    header, picture = read_header(stream.getvalue(), "a"), decode(stream.getvalue(), "a")
    assert picture.animation is None
    (frame,) = picture.frames
    assert (header.width, header.height, header.frames) == (frame.shape[1], frame.shape[0], 1)
    np.testing.assert_allclose(frame[9, 9].astype(int), (255, 0, 0) if primary == 0 else (0, 0, 255), atol=3)
    assert picture.metadata.lost == ("1 of its 2 pictures, all but the main one",)


@pytest.mark.parametrize("read", [read_header, decode])
def test_a_file_of_no_bytes_is_called_empty(read: Any) -> None:
    with pytest.raises(InputError, match=r"^can't read a: it is empty \(0 bytes\); look for a whole copy$"):
        read(b"", "a")
