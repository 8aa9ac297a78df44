"""What is read of picture files, and what is refused."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from support.animations import png_chunk
from support.sample_pictures import (
    exif_block,
    png_of,
    saved,
    smooth,
    xmp_packet,
)

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import begins_as_picture, decode, read_header, read_rgb
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import FORMATS, Format, format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture

CORE = [entry for entry in FORMATS if entry.extra is None]


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


def grey_png(indices: NDArray[np.uint8], bits: int, key: int, *, animated: bool) -> bytes:
    """A PNG of greys of `bits` whose `key` is transparent; twice the same frame, if `animated`."""
    height, width = indices.shape
    stored = np.unpackbits(indices[..., None], axis=-1)[..., 8 - bits :].reshape(height, -1)
    rows = zlib.compress(b"".join(b"\0" + np.packbits(row).tobytes() for row in stored))
    controls = [struct.pack(">IIIIIHHBB", i, width, height, 0, 0, 1, 10, 0, 0) for i in (0, 1)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(*chunk)
        for chunk in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)),
            (b"tRNS", struct.pack(">H", key)),
            *([(b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", controls[0])] if animated else []),
            (b"IDAT", rows),
            *([(b"fcTL", controls[1]), (b"fdAT", struct.pack(">I", 2) + rows)] if animated else []),
            (b"IEND", b""),
        )
    )


@pytest.mark.parametrize("animated", [False, True])
@pytest.mark.parametrize(("bits", "key"), [(1, 1), (2, 0), (2, 3), (4, 0), (4, 7), (4, 15), (8, 200)])
def test_the_transparent_grey_of_a_png_is_that_of_its_depth(bits: int, key: int, animated: bool) -> None:
    indices = (np.arange(256) % 2**bits).astype(np.uint8).reshape(8, 32)
    expected = np.stack([indices * (255 // (2**bits - 1)), np.where(indices == key, 0, 255)], axis=2)
    frames = decode(grey_png(indices, bits, key, animated=animated), "a").frames
    assert len(frames) == 1 + animated
    for frame in frames:
        np.testing.assert_array_equal(frame, expected)


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


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_jpeg_xl_is_turned_as_its_own_decoder_says(orientation: int) -> None:
    """EXIF has no say (ISO/IEC 18181-2). Judged by libjxl, also where it was made of a JPEG's data."""
    imagecodecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    image = Image.fromarray(smooth(24, 40))
    jpeg = saved(image, "JPEG", exif=exif_block(orientation, 40, 24))
    for content in (
        saved(image, "JXL", exif=exif_block(orientation, 40, 24)),
        imagecodecs.jpegxl_encode_jpeg(jpeg),
    ):
        expected = imagecodecs.jpegxl_decode(content)
        frame = decode(content, "a").frames[0]
        assert frame.shape == expected.shape
        assert np.abs(frame.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("in_xmp", [1, 6])
@pytest.mark.parametrize("in_boxes", [1, 6])
def test_an_avif_is_turned_by_its_boxes_alone(in_boxes: int, in_xmp: int) -> None:
    """ISO/IEC 23000-22: irot and imir, which Pillow writes for EXIF's orientation; XMP's has no say."""
    pixels = smooth(24, 40)
    exif = {"exif": exif_block(in_boxes, 40, 24)} if in_boxes > 1 else {}
    content = saved(Image.fromarray(pixels), "AVIF", quality=100, xmp=xmp_packet(in_xmp), **exif)
    expected = np.rot90(pixels, -1) if in_boxes == 6 else pixels
    frame = decode(content, "a").frames[0]
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 3
    header = read_header(content, "a")
    assert (header.height, header.width) == expected.shape[:2]


@pytest.mark.parametrize(
    ("encoder", "brand"),
    [("AVIF", "mif1"), *(("HEIF", brand) for brand in ("mif1", "msf1", "hevc", "hevx", "hevm", "hevs"))],
)
def test_brands_that_avif_and_heic_may_have_are_told_apart(encoder: str, brand: str) -> None:
    """What is compatible decides where the main brand says nothing of the codec (ISO/IEC 23008-12, 10.2)."""
    entry = next(entry for entry in FORMATS if entry.encoder == encoder)
    if entry.extra is not None:
        pytest.importorskip(entry.plugin)
    pixels = smooth(24, 40)
    content = encode(Picture((pixels,), entry), Encoding(entry, quality=100), "a")
    content = content[:8] + brand.encode() + content[12:]
    assert read_header(content, "a").file_format is entry
    frame = decode(content, "a").frames[0]
    assert np.abs(frame.astype(int) - pixels).mean() < 3


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


BOUNDS = {
    "a PNG that says it is 60000×60000": (60000, 60000),
    "a PNG that says it is 2^31-1 wide": (2**31 - 1, 1),
    "a PNG within the limit that can't be in so few bytes": (12000, 12000),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bombs_are_refused_before_anything_is_allocated(name: str) -> None:
    with pytest.raises(InputError, match="can't read a: its header states "):
        decode(png_of(*BOUNDS[name]), "a")


def test_the_limit_of_pixels_can_be_raised_and_lowered() -> None:
    content = saved(Image.new("L", (100, 100)), "PNG")
    assert decode(content, "a", max_pixels=10_000).width == 100
    with pytest.raises(InputError, match="over the limit of 9999 pixels; raise `max_pixels`"):
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
        with pytest.raises(InputError, match="its format is not one of PNG"):
            decode(content, "a")


def test_headers_tell_what_decoding_finds() -> None:
    for entry in CORE:
        for channels in (1, 2, 3, 4):
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
    with pytest.raises(InputError, match=r"^can't read a: it is empty \(0 bytes\); find a complete copy$"):
        read(b"", "a")


@pytest.mark.parametrize("limit", [1, 100, 399])
def test_a_size_over_the_limit_is_stated_however_far_it_is(limit: int) -> None:
    with pytest.raises(
        InputError, match=rf"its header states (20×20 px|400 pixels), over the limit of {limit} pix"
    ):
        decode(saved(Image.new("RGB", (20, 20)), "PNG"), "a.png", max_pixels=limit)


@pytest.mark.parametrize("file_format", CORE, ids=lambda entry: entry.name)
def test_a_picture_is_known_by_how_it_begins(file_format: Format, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a", file_format.decoders[0])
    assert begins_as_picture(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"\0" + (tmp_path / "a").read_bytes())
    assert not begins_as_picture(tmp_path / "b")
    with pytest.raises(InputError, match=r"can't read .*/c"):
        begins_as_picture(tmp_path / "c")
