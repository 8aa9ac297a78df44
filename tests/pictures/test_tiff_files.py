import io
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from support.sample_pictures import exif_block, saved, smooth

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode, read_header
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture

TIFF = format_named("tiff")


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize("samples", ["uint16", "float32"])
def test_deep_files_of_every_compression(compression: str | None, samples: str) -> None:
    pixels = smooth(30, 40, samples=samples)
    content = tiff(
        pixels, photometric="rgb", compression=compression, predictor=compression in ("lzw", "zlib")
    )
    np.testing.assert_array_equal(decode(content, "a").frames[0], pixels)


@pytest.mark.parametrize(
    "options", [{"tile": (16, 16)}, {"rowsperstrip": 7}, {"byteorder": ">"}, {"bigtiff": True}]
)
def test_deep_files_of_every_layout(options: dict[str, Any]) -> None:
    pixels = smooth(30, 40, samples="uint16")
    picture = decode(tiff(pixels, photometric="rgb", software="a", **options), "a")
    np.testing.assert_array_equal(picture.frames[0], pixels)
    assert picture.metadata.exif is not None
    assert b"a\0" in picture.metadata.exif


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_planes_stored_apart(samples: str) -> None:
    pixels = smooth(30, 40, samples=samples)
    content = tiff(np.moveaxis(pixels, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(decode(content, "a").frames[0], pixels)


@pytest.mark.parametrize("samples", [np.float16, np.float64])
def test_other_floats_become_float32(samples: type[np.floating]) -> None:
    pixels = smooth(30, 40, 1, "float32")[..., 0].astype(samples)
    frame = decode(tiff(pixels), "a").frames[0]
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame[..., 0], pixels.astype(np.float32))


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
def test_white_is_zero_where_the_file_says_so(samples: str) -> None:
    pixels = smooth(30, 40, 1, samples)
    top = {"uint8": 255, "uint16": 65535, "float32": 1.0}[samples]
    frame = decode(tiff(pixels[..., 0], photometric="miniswhite"), "a").frames[0]
    np.testing.assert_allclose(frame, top - pixels, atol=1e-6)


@pytest.mark.parametrize("samples", ["int8", "int16", "int32"])
def test_white_as_the_lowest_of_signed_numbers(samples: str) -> None:
    """The order of levels is reversed, over the whole range of the type."""
    limits = np.iinfo(samples)
    pixels = np.array([[limits.min, -3, 0, 5, limits.max]], samples)
    content = tiff(pixels, photometric="miniswhite")
    assert decode(content, "a").frames[0].ravel().tolist() == [limits.max, 2, -1, -6, limits.min]


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_premultiplied_alpha_is_divided_out(samples: str) -> None:
    top = 255 if samples == "uint8" else 65535
    pixels = np.zeros((4, 4, 4), samples)
    pixels[0, 0] = (top // 4, top // 8, 0, top // 2)
    content = tiff(pixels, photometric="rgb", extrasamples=["assocalpha"])
    frame = decode(content, "a").frames[0]
    np.testing.assert_allclose(frame[0, 0] / top, (0.5, 0.25, 0, 0.5), atol=0.02)
    assert not frame[1:].any()


def test_extra_samples_that_are_not_alpha_are_left_out_and_said() -> None:
    pixels = smooth(8, 8, 4, "uint16")[..., [0, 1, 2, 3, 0]]
    content = tiff(pixels, photometric="rgb", planarconfig="contig", extrasamples=["unspecified"] * 2)
    picture = decode(content, "a")
    np.testing.assert_array_equal(picture.frames[0], pixels[..., :3])
    assert "2 further channels of each pixel, which are not transparency" in picture.metadata.lost


def test_twelve_bits_have_their_full_range() -> None:
    """4095 is white, whatever the sixteen bits could hold."""
    content = tiff(np.array([[0, 2048, 4095]], np.uint16), bitspersample=12)
    assert decode(content, "a").frames[0].ravel().tolist() == [0, round(2048 * 65535 / 4095), 65535]


def test_a_palette_and_one_bit() -> None:
    palette = Image.fromarray(smooth(30, 40)).convert("P", palette=Image.Palette.ADAPTIVE)
    frame = decode(saved(palette, "TIFF"), "a").frames[0]
    np.testing.assert_array_equal(frame, np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(smooth(30, 40, 1)[..., 0]).convert("1")
    frame = decode(saved(bits, "TIFF", compression="group4"), "a").frames[0]
    np.testing.assert_array_equal(frame[..., 0], np.asarray(bits.convert("L")))


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "tiff_deflate", "packbits"])
def test_eight_bit_files_of_every_compression(compression: str) -> None:
    image = Image.fromarray(smooth(32, 48))
    content = saved(image, "TIFF", compression=compression)
    with Image.open(io.BytesIO(content)) as expected:
        np.testing.assert_array_equal(decode(content, "a").frames[0], np.asarray(expected.convert("RGB")))


def test_every_page_is_kept_with_its_own_size_and_depth() -> None:
    pages = (smooth(30, 40), smooth(16, 20, 1, "uint16"), smooth(8, 8, 4, "float32"))
    content = encode(Picture(pages, TIFF, Metadata(exif=exif_block())), Encoding(TIFF), "a")
    picture = decode(content, "a")
    assert read_header(content, "a").frames == 3
    assert picture.animation is None
    for page, frame in zip(pages, picture.frames, strict=True):
        np.testing.assert_array_equal(frame, page)


def test_pages_that_are_previews_are_left_out() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(smooth(30, 40), photometric="rgb")
        writer.write(smooth(8, 10), photometric="rgb", subfiletype=1)
    picture = decode(stream.getvalue(), "a")
    assert [frame.shape for frame in picture.frames] == [(30, 40, 3)]


def test_other_readers_find_what_we_write() -> None:
    """Pillow, which knows EXIF's directories, and tifffile, which knows deep pixels."""
    pixels = smooth(30, 40, samples="uint16")
    content = encode(
        Picture((pixels,), TIFF, Metadata(exif=exif_block(1), dpi=(300, 150))), Encoding(TIFF), "a"
    )
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(content)), pixels)
    with Image.open(io.BytesIO(content)) as image:
        exif = image.getexif()
        assert image.info["dpi"] == (300, 150)
        assert exif[0x010F] == "Maker"
        assert float(exif.get_ifd(0x8769)[0x829A]) == 1 / 125
        assert exif.get_ifd(0x8825)[1] == "N"
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tags = file.pages.first.tags
        assert tags["ExifTag"].value["ExposureTime"] == (1, 125)
        assert "ImageDescription" not in tags
        assert "Software" not in tags


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_a_file_that_is_cut_off_is_an_error(samples: str, compression: str | None, kept: float) -> None:
    """tifffile alone gives zeros for what is missing."""
    noise = np.random.default_rng(0).random((64, 64, 3))
    pixels = (
        noise.astype(samples) if samples == "float32" else (noise * np.iinfo(samples).max).astype(samples)
    )
    content = tiff(pixels, photometric="rgb", compression=compression, rowsperstrip=8)
    with pytest.raises(InputError):
        decode(content[: int(len(content) * kept)], "a")


def test_a_missing_strip_is_an_error() -> None:
    content = bytearray(
        tiff(smooth(32, 32, samples="uint16"), photometric="rgb", compression="zlib", rowsperstrip=8)
    )
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        counts = file.pages.first.tags["StripByteCounts"]
        place = counts.valueoffset
        size = counts.dtype_size if hasattr(counts, "dtype_size") else 4
    content[place : place + size] = bytes(size)
    with pytest.raises(InputError, match="a part of its pixels is missing"):
        decode(bytes(content), "a")


def test_kinds_of_colour_that_are_not_known_are_refused() -> None:
    content = tiff(smooth(8, 8, 1, "uint16")[..., 0], photometric="cfa")
    with pytest.raises(
        InputError, match=r"not supported \(CFA\); it is a camera's raw file: develop it first"
    ):
        decode(content, "a")


def test_a_volume_is_no_picture() -> None:
    with pytest.raises(InputError):
        decode(tiff(np.zeros((16, 32, 32), np.uint16), volumetric=True, tile=(16, 16, 16)), "a")


def test_a_chain_of_pages_that_is_a_ring_ends() -> None:
    content = bytearray(tiff(smooth(8, 8, 1)[..., 0]))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        first, count = file.pages.first.offset, len(file.pages.first.tags)
    link = first + 2 + 12 * count
    content[link : link + 4] = first.to_bytes(4, "little")
    with suppress(InputError):
        assert len(decode(bytes(content), "a").frames) <= 2


def test_colours_that_only_pillow_knows() -> None:
    """YCbCr without JPEG, and turned, since Pillow turns TIFFs by itself."""
    image = Image.fromarray(smooth(30, 40)).convert("YCbCr")
    content = saved(image, "TIFF", exif=exif_block(6))
    frame = decode(content, "a").frames[0]
    expected = np.rot90(np.asarray(image.convert("RGB")), -1)
    np.testing.assert_allclose(frame.astype(int), expected, atol=1)  # which each library rounds in its way


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_have_their_full_range(bits: int) -> None:
    """Pillow writes them only as palettes; these are grey, two to sixteen levels of it."""
    levels = np.arange(2**bits, dtype=np.uint8)
    packed = np.packbits(np.unpackbits(levels[:, None], axis=1)[:, -bits:].ravel()).tobytes()
    head = b"II*\0" + (8 + len(packed)).to_bytes(4, "little") + packed
    tags = [
        (256, len(levels)),
        (257, 1),
        (258, bits),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 1),
        (279, len(packed)),
    ]
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\4\0" + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, value in tags
    )
    frame = decode(head + len(tags).to_bytes(2, "little") + entries + bytes(4), "a").frames[0]
    assert frame.ravel().tolist() == [round(level * 255 / (2**bits - 1)) for level in range(2**bits)]


def test_a_jpeg_strip_larger_than_its_page_is_refused_before_it_is_decoded() -> None:
    content = bytearray(saved(Image.fromarray(smooth(12, 16)), "TIFF", compression="jpeg"))
    frame_header = content.index(b"\xff\xc0\x00\x11\x08") + 5  # height and width follow, two bytes each
    assert content[frame_header : frame_header + 4] == bytes((0, 12, 0, 16))
    content[frame_header : frame_header + 2] = (8192).to_bytes(2, "big")
    with pytest.raises(InputError, match="contradicts"):
        decode(bytes(content), "a", max_pixels=1000)


@pytest.mark.parametrize("compression", ["png", "jpeg2000", "jpegxl"])
@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb"},
        {"photometric": "rgb", "tile": (16, 16)},
        {"photometric": "rgb", "rowsperstrip": 7},
        {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": [0, 0]},
    ],
)
@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_strips_and_tiles_that_are_files_of_their_own(
    compression: str, options: dict[str, Any], samples: str
) -> None:
    """As imagecodecs wrote them, without loss."""
    pixels = smooth(30, 40, samples=samples)
    planes = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    if compression == "jpegxl":
        options = options | {"compressionargs": {"lossless": True}}
    frame = decode(tiff(planes, compression=compression, **options), "a").frames[0]
    np.testing.assert_array_equal(frame, pixels if options["photometric"] == "rgb" else pixels[..., :1])


@pytest.mark.parametrize("compression", ["png", "jpeg2000", "jpegxl"])
def test_strips_larger_than_their_page_are_refused_before_they_are_decoded(compression: str) -> None:
    """The strip of a page of 12×16 px, put behind the tags of one of 12×8."""
    large = tiff(smooth(12, 16), compression=compression, photometric="rgb", rowsperstrip=12)
    with tifffile.TiffFile(io.BytesIO(large)) as file:
        page = file.pages.first
        assert len(page.dataoffsets) == 1
        width = page.tags["ImageWidth"].valueoffset
    damaged = large[:width] + (8).to_bytes(2, "little") + large[width + 2 :]
    with pytest.raises(InputError, match="contradicts"):
        decode(damaged, "a", max_pixels=1000)


@pytest.mark.parametrize("compression", ["png", "jpeg2000", "jpegxl"])
def test_strips_that_are_cut_off_are_an_error(compression: str) -> None:
    content = tiff(smooth(64, 64), compression=compression, photometric="rgb", rowsperstrip=64)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tag = file.pages.first.tags["StripByteCounts"]
    half = (tag.value[0] // 2).to_bytes(2, "little")
    with pytest.raises(InputError, match="check that the file is complete"):
        decode(content[: tag.valueoffset] + half + content[tag.valueoffset + 2 :], "a")


def test_what_no_decoder_can_check_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="JPEGXR"):
        decode(tiff(smooth(12, 16), compression="jpegxr", photometric="rgb"), "a")


@pytest.mark.parametrize("length", [4, 7, 8, 12, 60])
def test_a_file_that_ends_in_its_head_is_called_cut_off(length: int) -> None:
    content = tiff(smooth(8, 8), photometric="rgb", bigtiff=True)
    with pytest.raises(InputError, match=r"a: it (is cut off or damaged|has no page with a picture)"):
        decode(content[:length], "a")


def test_a_stack_behind_one_header_is_not_taken_for_its_first_picture() -> None:
    stack = np.zeros((5, 24, 32), np.uint8)
    for truncated in (True, False):
        stream = io.BytesIO()
        tifffile.imwrite(stream, stack, imagej=True, truncate=truncated)
        if truncated:
            with pytest.raises(InputError, match="it has 5 pictures behind the header of one"):
                decode(stream.getvalue(), "a.tif")
        else:
            assert len(decode(stream.getvalue(), "a.tif").frames) == 5
