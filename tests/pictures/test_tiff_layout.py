"""Tags that are missing, wrong or rare, each file judged by libtiff's own converter, Pillow, or a formula."""

import io
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from support.sample_pictures import smooth
from support.tiff_bytes import (
    BITS,
    COLOURMAP,
    COMPRESSION,
    COUNTS,
    EXTRA,
    PHOTOMETRIC,
    PLANAR,
    ROWS,
    SAMPLE_FORMAT,
    SAMPLES,
    SUBFILE,
    SUBSAMPLING,
    Tags,
    as_rgba,
    libtiffs_rgba,
    pillows_rgba,
    tiff_bytes,
)

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode, read_header
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.picture import Frame, Picture

TIFF = format_named("tiff")
GREY, RGB, RGBA, GREY_ALPHA = (smooth(24, 32, channels) for channels in (1, 3, 4, 2))
PLANES = np.ascontiguousarray(np.moveaxis(RGB, -1, 0))
INDICES = (np.arange(24 * 32) % 256).astype(np.uint8).reshape(24, 32)
EIGHT_BIT_MAP = np.random.default_rng(0).integers(0, 256, 3 * 256)


def first(data: bytes) -> Frame:
    return decode(data, "a").frames[0]


LETTERS: dict[str, tuple[bytes, NDArray[Any]]] = {
    "RGBA without ExtraSamples, as OpenCV writes it": (tiff_bytes((RGBA, {})), RGBA),
    "RGBA whose further sample is of an unspecified kind": (tiff_bytes((RGBA, {EXTRA: [0]})), RGBA),
    "grey and alpha without ExtraSamples": (tiff_bytes((GREY_ALPHA, {})), GREY_ALPHA),
    "grey without a photometric tag": (tiff_bytes((GREY[..., 0], {PHOTOMETRIC: None})), GREY),
    "RGB without a photometric tag": (tiff_bytes((RGB, {PHOTOMETRIC: None})), RGB),
    "RGBA without a photometric tag": (tiff_bytes((RGBA, {PHOTOMETRIC: None, EXTRA: [2]})), RGBA),
    "a palette of 8 bits": (
        tiff_bytes((INDICES, {PHOTOMETRIC: [3], COLOURMAP: EIGHT_BIT_MAP.tolist()})),
        EIGHT_BIT_MAP.reshape(3, 256).T[INDICES],
    ),
    "a palette that is missing": (tiff_bytes((GREY[..., 0], {PHOTOMETRIC: [3]})), GREY),
    "a strip that claims to be longer than the file": (
        tiff_bytes((GREY[..., 0], {COUNTS: [10_000_000]})),
        GREY,
    ),
    "a deflated strip that claims to be longer than the file": (
        tiff_bytes(
            (
                zlib.compress(GREY.tobytes()),
                {256: [32], 257: [24], BITS: [8], COMPRESSION: [8], PHOTOMETRIC: [1], COUNTS: [99_999]},
            )
        ),
        GREY,
    ),
    "a strip without its length": (tiff_bytes((GREY[..., 0], {COUNTS: None})), GREY),
    "a strip of a length of zero": (tiff_bytes((GREY[..., 0], {COUNTS: [0]})), GREY),
    "strips without their height": (tiff_bytes((RGB, {ROWS: None})), RGB),
    "strips as high as a number can be": (tiff_bytes((RGB, {ROWS: [2**32 - 1]})), RGB),
    "one depth for three samples": (tiff_bytes((RGB, {BITS: [8]})), RGB),
    "samples of an unknown format": (tiff_bytes((GREY[..., 0], {SAMPLE_FORMAT: [4]})), GREY),
    "planes apart": (
        tiff_bytes(
            (
                PLANES.reshape(72, 32),
                {
                    257: [24],
                    ROWS: [24],
                    BITS: [8] * 3,
                    PHOTOMETRIC: [2],
                    SAMPLES: [3],
                    SAMPLE_FORMAT: None,
                    PLANAR: [2],
                    273: [8, 776, 1544],
                    COUNTS: [768] * 3,
                },
            )
        ),
        RGB,
    ),
    "white as zero": (tiff_bytes((GREY[..., 0], {PHOTOMETRIC: [0]})), 255 - GREY),
    "one page that says it is a preview": (tiff_bytes((GREY[..., 0], {SUBFILE: [1]})), GREY),
    "one page that says it is a mask": (tiff_bytes((GREY[..., 0], {SUBFILE: [4]})), GREY),
    "one page that is a mask": (tiff_bytes((GREY[..., 0], {SUBFILE: [4], PHOTOMETRIC: [4]})), GREY),
}


@pytest.mark.parametrize("name", LETTERS)
def test_tags_are_not_read_by_the_letter(name: str) -> None:
    content, expected = LETTERS[name]
    np.testing.assert_array_equal(first(content), expected)
    header = read_header(content, "a")
    assert (header.width, header.height, header.frames) == (32, 24, 1)


BY_LIBTIFF = [
    name
    for name in LETTERS
    if name
    not in (
        "RGB without a photometric tag",  # of which it shows red as grey, and Pillow and libvips nothing
        "RGBA without a photometric tag",
        "one page that is a mask",  # which it refuses
        "a deflated strip that claims to be longer than the file",  # which it does not read
        "grey and alpha without ExtraSamples",  # of which it shows the grey, libvips both
    )
]


@pytest.mark.parametrize("name", BY_LIBTIFF)
def test_libtiff_shows_the_same(name: str) -> None:
    content, _ = LETTERS[name]
    straight = "unspecified" in name or "without ExtraSamples" in name
    shown = libtiffs_rgba(content)
    np.testing.assert_allclose(as_rgba(first(content), premultiplied=not straight).astype(int), shown, atol=1)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("full", [255, 65535], ids=["8-bit map", "16-bit map"])
def test_palettes_of_every_depth(bits: int, full: int) -> None:
    """Judged by libtiff and Pillow; the latter takes no map of 8 bits."""
    rng = np.random.default_rng(bits)
    indices = rng.integers(0, 2**bits, (6, 16), dtype=np.uint8)
    packed = np.packbits(np.unpackbits(indices[..., None], axis=2)[..., 8 - bits :].reshape(6, -1), axis=1)
    table = rng.integers(0, 256, 3 * 2**bits) * (full // 255)
    tags = {
        256: [16],
        257: [6],
        BITS: [bits],
        COMPRESSION: [1],
        PHOTOMETRIC: [3],
        SAMPLES: [1],
        ROWS: [6],
        COLOURMAP: table.tolist(),
    }
    content = tiff_bytes((packed.tobytes(), tags))
    frame = first(content)
    assert frame.dtype == np.uint8
    np.testing.assert_array_equal(as_rgba(frame, premultiplied=True), libtiffs_rgba(content))
    if full == 65535:
        np.testing.assert_array_equal(as_rgba(frame, premultiplied=True), pillows_rgba(content))


def test_a_palette_of_more_than_eight_bits_keeps_them() -> None:
    table = np.random.default_rng(0).integers(0, 65536, 3 * 256)
    content = tiff_bytes((INDICES, {PHOTOMETRIC: [3], COLOURMAP: table.tolist()}))
    np.testing.assert_array_equal(first(content), table.reshape(3, 256).T[INDICES])


def test_a_palette_with_alpha_keeps_it() -> None:
    pixels = np.stack([INDICES, INDICES.T.reshape(24, 32)], axis=2)
    table = 257 * EIGHT_BIT_MAP
    content = tiff_bytes((pixels, {PHOTOMETRIC: [3], COLOURMAP: table.tolist(), EXTRA: [2]}))
    np.testing.assert_array_equal(first(content), pillows_rgba(content))


def test_a_palette_that_is_too_short_is_an_error() -> None:
    content = tiff_bytes((INDICES, {PHOTOMETRIC: [3], COLOURMAP: [0, 1, 2] * 16}))
    with pytest.raises(InputError, match="its palette has fewer colours than its pixels use"):
        decode(content, "a")


@pytest.mark.parametrize("samples", ["int8", "int16", "uint32", "int32"])
def test_other_integers_come_back_as_they_were(samples: str) -> None:
    """Read as they are, and written by us for tifffile to read."""
    limits = np.iinfo(samples)
    pixels = np.linspace(limits.min, limits.max, 24 * 32).astype(samples).reshape(24, 32)
    frame = first(tiff_bytes((pixels, {})))
    np.testing.assert_array_equal(frame[..., 0], pixels)
    content = encode(Picture((frame,), TIFF), Encoding(TIFF), "a")
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(content)), pixels)
    eight = encode(Picture((frame,), TIFF), Encoding(format_named("bmp")), "a")
    expected = np.clip(pixels / (2.0 ** (8 * pixels.itemsize) - 1), 0, 1) * 255
    np.testing.assert_allclose(first(eight)[..., 0], expected, atol=0.51)


def test_subsampling_that_no_tag_gives_is_told_by_the_amount_of_data() -> None:
    """4:4:4 without the tag, as Pillow wrote it for years, and 4:2:0 as the standard means it."""
    full = np.stack([GREY[..., 0], np.full((24, 32), 90, np.uint8), np.full((24, 32), 200, np.uint8)], axis=2)
    blocks = GREY[..., 0].reshape(12, 2, 16, 2).transpose(0, 2, 1, 3).reshape(12, 16, 4)
    halved = np.concatenate([blocks, np.full((12, 16, 2), (90, 200), np.uint8)], axis=2)
    tags = {256: [32], 257: [24], BITS: [8] * 3, COMPRESSION: [1], PHOTOMETRIC: [6], SAMPLES: [3], ROWS: [24]}
    grey = GREY[..., 0].astype(float)
    red, green = grey + 1.402 * 72, grey - 0.344136 * -38 - 0.714136 * 72  # JFIF 1.02
    expected = np.clip(np.stack([red, green, grey + 1.772 * -38], axis=2), 0, 255)
    for content in (
        tiff_bytes((full.tobytes(), tags)),
        tiff_bytes((halved.tobytes(), tags)),
        tiff_bytes((full.tobytes(), {**tags, SUBSAMPLING: [1, 1]})),
        tiff_bytes((halved.tobytes(), {**tags, SUBSAMPLING: [2, 2]})),
    ):
        np.testing.assert_allclose(first(content), expected, atol=1.6)


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", [8, 9], ids=["CIELAB", "ICCLAB"])
def test_lab_of_both_kinds_and_depths(samples: str, kind: int) -> None:
    """L* 53.24, a* 80.09, b* 67.20 is sRGB's red (IEC 61966-2-1); on the scales of TIFF's supplement."""
    unit = 1 if samples == "uint8" else 256
    lightness = round(53.24 / 100 * (255 if unit == 1 else 65535))
    opponents = [round(value * unit) + (128 * unit if kind == 9 else 0) for value in (80.09, 67.20)]
    pixels = np.full((4, 4, 3), (lightness, *opponents), samples)
    frame = first(tiff_bytes((pixels, {PHOTOMETRIC: [kind]})))
    np.testing.assert_allclose(frame[0, 0], (255, 0, 0), atol=12)


def test_pages_that_say_they_are_previews_beside_one_that_does_not() -> None:
    content = tiff_bytes((GREY[..., 0], {SUBFILE: [1]}), (RGB, {}), (GREY_ALPHA, {SUBFILE: [4]}))
    assert [frame.shape for frame in decode(content, "a").frames] == [(24, 32, 3)]


def test_of_nothing_but_previews_the_largest_are_the_picture() -> None:
    content = tiff_bytes(
        (GREY[:8, :8, 0], {SUBFILE: [1]}), (RGB, {SUBFILE: [1]}), (GREY[..., 0], {SUBFILE: [1]})
    )
    assert [frame.shape for frame in decode(content, "a").frames] == [(24, 32, 3), (24, 32, 1)]


def test_a_list_of_pages_that_runs_into_itself_ends_there() -> None:
    content = bytearray(tiff_bytes((GREY[..., 0], {}), (RGB, {})))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        offsets = [page.offset for page in file.pages]
        second = file.pages[1]
        assert isinstance(second, tifffile.TiffPage)
        link = second.offset + 2 + 12 * len(second.tags)
    content[link : link + 4] = offsets[0].to_bytes(4, "little")
    picture = decode(bytes(content), "a")
    assert [frame.shape[2] for frame in picture.frames] == [1, 3]


def test_a_strip_that_is_too_short_is_an_error_whatever_it_claims() -> None:
    tags = {256: [32], 257: [24], BITS: [8], COMPRESSION: [1], PHOTOMETRIC: [1], COUNTS: [99_999]}
    with pytest.raises(InputError, match="a part of its pixels is missing"):
        decode(tiff_bytes((GREY.tobytes()[:300], tags)), "a")


def test_samples_by_the_thousand_are_refused_before_they_are_allocated() -> None:
    content = tiff_bytes((GREY[..., 0], {SAMPLES: [60_000], BITS: [8]}))
    with pytest.raises(InputError, match="60000 samples per pixel"):
        decode(content, "a", max_pixels=100_000)


def test_a_raw_file_of_a_camera_is_told_from_its_preview() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(smooth(8, 8), photometric="rgb", subfiletype=1, subifds=1)
        writer.write(smooth(24, 32, 1, "uint16")[..., 0], photometric="cfa")
    with pytest.raises(InputError, match="raw file"):
        decode(stream.getvalue(), "a")


def test_tags_that_cannot_be_read_do_not_stop_a_picture() -> None:
    """EXIF whose directory lies past the end of the file."""
    broken = tiff_bytes((GREY[..., 0], {34665: [60_000]}))
    np.testing.assert_array_equal(first(broken), GREY)


def test_a_fax_without_a_photometric_tag_is_black_on_white() -> None:
    """As libtiff takes it: in a fax, white is zero."""
    fax = io.BytesIO()
    Image.fromarray(GREY[..., 0]).convert("1").save(fax, "TIFF", compression="group4")
    with tifffile.TiffFile(io.BytesIO(fax.getvalue())) as file:
        page = file.pages.first
        strip = fax.getvalue()[page.dataoffsets[0] :][: page.databytecounts[0]]
    content = tiff_bytes((strip, {256: [32], 257: [24], BITS: [1], COMPRESSION: [4]}))
    np.testing.assert_array_equal(as_rgba(first(content), premultiplied=True), libtiffs_rgba(content))


Page = tuple[NDArray[Any] | bytes, Tags]
MASK = (GREY[..., 0] > 128).astype(np.uint8)
EIGHT_BIT_MASK = {SUBFILE: [4], PHOTOMETRIC: [4]}
ONE_BIT_MASK = {256: [32], 257: [24], BITS: [1], COMPRESSION: [1], SAMPLES: [1], ROWS: [24]} | EIGHT_BIT_MASK
MASKS: dict[str, Page] = {
    "1 bit": (np.packbits(MASK, axis=1).tobytes(), ONE_BIT_MASK),
    "8 bits": (255 * MASK, EIGHT_BIT_MASK),
}


@pytest.mark.parametrize("depth", MASKS)
def test_a_transparency_mask_is_the_alpha_of_its_page(depth: str) -> None:
    """As GDAL writes them; the second page's is behind a preview and that one's mask."""
    pixels, tags = MASKS[depth]
    preview, its_mask = (
        (GREY[::2, ::2, 0], {SUBFILE: [1]}),
        (MASK[::2, ::2], {SUBFILE: [5], PHOTOMETRIC: [4]}),
    )
    deep: Page = (smooth(24, 32, 1, "uint16")[..., 0], {})
    content = tiff_bytes(
        (RGB, {}), (pixels, tags), deep, preview, its_mask, (pixels, tags), (GREY[..., 0], {})
    )
    picture = decode(content, "a")
    assert [frame.shape[2] for frame in picture.frames] == [4, 2, 1]
    assert read_header(content, "a").channels == 4
    first_page, second_page, _ = picture.frames
    np.testing.assert_array_equal(first_page[..., :3], RGB)
    np.testing.assert_array_equal(first_page[..., 3], 255 * MASK)
    np.testing.assert_array_equal(second_page[..., 1], 65535 * MASK.astype(np.uint16))
    assert not any(page.lost for page in picture.page_metadata)
    again = decode(encode(picture, Encoding(TIFF), "a"), "a")
    np.testing.assert_array_equal(again.frames[0], first_page)


@pytest.mark.parametrize(
    ("page", "mask"),
    [
        (RGBA, MASKS["8 bits"]),  # which has transparency already
        (RGB, (MASK[::2], EIGHT_BIT_MASK)),
        (RGB, (255 * MASK, {SUBFILE: [4]})),  # one of a fax, which says where there is text
        (GREY[..., 0].astype(np.int16), MASKS["8 bits"]),
    ],
    ids=["alpha", "size", "kind", "heights"],
)
def test_a_mask_that_can_not_be_alpha_is_said(page: NDArray[Any], mask: Page) -> None:
    picture = decode(tiff_bytes((page, {}), mask), "a")
    assert len(picture.frames) == 1
    np.testing.assert_array_equal(picture.frames[0].squeeze(), page)
    assert picture.metadata.lost == ("a transparency mask",)
