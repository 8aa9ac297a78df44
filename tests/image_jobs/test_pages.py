"""TIFFs of several pages: what each says holds for itself, as tifffile and libtiff read the result."""

import io
import logging
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from support.sample_pictures import cmyk_profile, profile, smooth, swapped_profile
from support.tiff_bytes import tiff_bytes

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_jobs.image_run import ImageRun
from ripfdn_cli.image_jobs.picture_job import PictureSettings, bytes_held
from ripfdn_cli.pictures.decoding import read_header
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pipeline.devices import NetworkSettings


@pytest.fixture
def network() -> NetworkSettings:
    return NetworkSettings(engine="torch", devices=("cpu",), threads=1, precision="fp32")


def tiff(*pages: tuple[NDArray[Any], dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for pixels, options in pages:
            writer.write(pixels, metadata=None, software=False, **options)
    return stream.getvalue()


def upscaled(data: bytes, network: NetworkSettings, file_format: str | None = None, **settings: Any) -> bytes:
    entry = None if file_format is None else format_named(file_format)
    return ImageRun(PictureSettings(**settings), network).run_bytes(data, "a.tif", entry)[0]


def results(data: bytes) -> list[tifffile.TiffPage]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return [page for page in file.pages if isinstance(page, tifffile.TiffPage)]


PAGES: tuple[tuple[NDArray[Any], dict[str, Any]], ...] = (
    (
        smooth(16, 20),
        {"photometric": "rgb", "iccprofile": profile(), "resolution": (300, 300), "resolutionunit": 2},
    ),
    (
        smooth(16, 20, 1, "uint16")[..., 0],
        {"resolution": (150, 75), "resolutionunit": 2, "description": "second"},
    ),
    (smooth(24, 12, 3, "float32"), {"photometric": "rgb", "iccprofile": swapped_profile()}),
    (255 - smooth(16, 20, 4), {"photometric": "separated"}),
    (255 - smooth(16, 20, 4), {"photometric": "separated", "iccprofile": cmyk_profile()}),
    (smooth(16, 20, 4, "uint16"), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    (smooth(16, 20, 1)[..., 0], {"photometric": "miniswhite", "extratags": [(274, 3, 1, 6, True)]}),
)


def test_depth_profile_and_resolution_are_those_of_each_page(network: NetworkSettings) -> None:
    content = upscaled(tiff(*PAGES), network)
    pages = results(content)
    assert [page.dtype for page in pages] == [
        "uint8",
        "uint16",
        "float32",
        "uint8",
        "uint8",
        "uint16",
        "uint8",
    ]
    assert [page.samplesperpixel for page in pages] == [3, 1, 3, 3, 3, 4, 1]
    assert [(page.imagewidth, page.imagelength) for page in pages] == [
        (80, 64), (80, 64), (48, 96), (80, 64), (80, 64), (80, 64), (64, 80)
    ]  # fmt: skip
    assert [page.iccprofile for page in pages[:4]] == [profile(), None, swapped_profile(), None]
    assert [page.get_resolution(2) for page in pages[:2]] == [(300, 300), (150, 75)]
    assert [page.description for page in pages[:2]] == ["", "second"]
    for number, (pixels, _) in enumerate(PAGES[:3]):
        shown = imagecodecs.tiff_decode(content, number)
        small = shown.reshape(pixels.shape[0], 4, pixels.shape[1], 4, -1).mean((1, 3)).reshape(pixels.shape)
        top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
        assert np.abs(small - pixels.astype(float)).mean() < 0.03 * top


def test_cmyk_without_a_profile_is_not_read_through_that_of_another_page(network: NetworkSettings) -> None:
    """The profile makes cyan red; by the plain rule it is green and blue."""
    cyan = np.zeros((16, 16, 4), np.uint8)
    cyan[..., 0] = 255
    content = upscaled(
        tiff(
            (cyan, {"photometric": "separated", "iccprofile": cmyk_profile()}),
            (cyan, {"photometric": "separated"}),
        ),
        network,
    )
    first, second = (imagecodecs.tiff_decode(content, number)[32, 32] for number in (0, 1))
    np.testing.assert_allclose(first, (255, 0, 0), atol=30)
    np.testing.assert_allclose(second, (0, 255, 255), atol=30)


def test_stripped_pages_keep_their_profiles_and_nothing_else(network: NetworkSettings) -> None:
    pages = results(upscaled(tiff(*PAGES), network, strip_metadata=True))
    assert [page.iccprofile for page in pages[:3]] == [profile(), None, swapped_profile()]
    assert all(page.description == "" for page in pages)
    assert all(282 not in page.tags or page.get_resolution(1) == (1, 1) for page in pages[:2])


def test_equal_pages_of_another_kind_are_not_taken_for_each_other(network: NetworkSettings) -> None:
    grey = np.zeros((16, 20), np.uint8)
    content = upscaled(
        tiff((grey, {}), (np.stack([grey] * 3, 2), {"photometric": "rgb"}), (grey.astype(np.uint16), {})),
        network,
    )
    kinds = [(page.samplesperpixel, str(page.dtype)) for page in results(content)]
    assert kinds == [(1, "uint8"), (3, "uint8"), (1, "uint16")]


def test_the_memory_of_all_pages_is_counted() -> None:
    data = tiff(
        (smooth(8, 8), {"photometric": "rgb"}), (smooth(100, 100, 4, "uint16"), {"photometric": "rgb"})
    )
    header = read_header(data, "a")
    assert (header.width, header.height, header.all_pixels) == (8, 8, 64 + 10_000)
    assert bytes_held(header, (4,)) > 10_000 * 4 * 2 * 16


def test_what_describes_the_old_size_is_left_out_and_said(
    network: NetworkSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """tifffile takes such a description for the shape of the whole file."""
    pixels = smooth(16, 20)
    for imagej, ome in ((False, None), (True, None), (False, True)):
        stream = io.BytesIO()
        tifffile.imwrite(stream, pixels, photometric="rgb", imagej=imagej, ome=ome)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            content = upscaled(stream.getvalue(), network)
        assert tifffile.imread(io.BytesIO(content)).shape == (64, 80, 3)
        (page,) = results(content)
        assert not page.description
        assert "a.tif: left out: the description of the file's structure" in caplog.text


def test_values_that_are_no_numbers_are_counted_and_the_file_named(network: NetworkSettings) -> None:
    heights = smooth(16, 20, 1, "float32")[..., 0] * 1000
    heights[3, 4:9] = np.nan
    heights[5, 5] = np.inf
    with pytest.raises(
        InputError, match=r"a\.tif: 6 of 320 pixels are NaN or infinite; give them values first"
    ):
        upscaled(tiff((heights, {})), network)


@pytest.mark.parametrize("samples", ["int16", "uint16", "uint32", "float32"])
def test_heights_keep_their_unit(network: NetworkSettings, samples: str) -> None:
    heights = (100 + 5100 * smooth(24, 32, 1, "float32")[..., 0]).astype(samples)
    result = tifffile.imread(io.BytesIO(upscaled(tiff((heights, {})), network)))
    assert result.dtype == samples
    assert heights.min() <= result.min()
    assert result.max() <= heights.max()
    assert np.abs(result.reshape(24, 4, 32, 4).mean((1, 3)) - heights).mean() < 0.03 * 5100


def test_what_a_format_clips_is_said(network: NetworkSettings, caplog: pytest.LogCaptureFixture) -> None:
    bright = 2 * smooth(16, 20, 3, "float32")
    share = 100 * float((bright > 1).mean())
    upscaled(tiff((bright, {"photometric": "rgb"})), network, "png")
    assert f"a.tif: {share:.3g} % of its samples lie outside the range of PNG" in caplog.text
    caplog.clear()
    upscaled(tiff((bright, {"photometric": "rgb"})), network)
    upscaled(tiff((bright / 2, {"photometric": "rgb"})), network, "png")
    assert not caplog.records


def test_a_fax_keeps_its_two_resolutions(network: NetworkSettings) -> None:
    bits = Image.fromarray(smooth(16, 20, 1)[..., 0]).convert("1")
    stream = io.BytesIO()
    bits.save(stream, "TIFF", compression="group4", dpi=(204, 98), save_all=True, append_images=[bits])
    pages = results(upscaled(stream.getvalue(), network))
    assert [page.get_resolution(2) for page in pages] == [(204, 98)] * 2
    assert [page.samplesperpixel for page in pages] == [1, 1]


def test_transparency_written_without_its_tag_comes_along(network: NetworkSettings) -> None:
    (page,) = results(upscaled(tiff_bytes((smooth(16, 20, 4), {})), network))
    assert (page.samplesperpixel, page.extrasamples) == (4, (tifffile.EXTRASAMPLE.UNASSALPHA,))


def test_values_that_stand_for_none_are_told(
    network: NetworkSettings, caplog: pytest.LogCaptureFixture
) -> None:
    heights = 1000 + 500 * smooth(16, 20, 1, "float32")[..., 0]
    heights[2:5, 4:9] = -9999
    for marked in (True, False):
        caplog.clear()
        upscaled(tiff((heights, {"extratags": [(42113, 2, 6, "-9999", True)] * marked})), network)
        assert ("15 pixels of page 0 have the value -9999, which the file marks" in caplog.text) == marked


@pytest.mark.parametrize("unit", [1000, 1, 1e-3])
@pytest.mark.parametrize("none", [-3.4028235e38, -9.99e37, -1.7976931348623157e308, 1e300])
def test_a_number_that_stands_for_none_disturbs_no_others(
    network: NetworkSettings, unit: float, none: float
) -> None:
    """Where there is no data, GDAL writes -3.4e38, and -1.8e308 in 64 bits."""
    samples = np.float32 if abs(none) < 1e39 else np.float64
    heights = (unit * (1 + 0.5 * smooth(16, 20, 1, "float32")[..., 0])).astype(samples)
    heights[2:6, 4:9] = none
    result = tifffile.imread(io.BytesIO(upscaled(tiff((heights, {})), network)))
    assert np.isfinite(result).all()
    assert np.abs(result[40:, 48:].reshape(6, 4, 8, 4).mean((1, 3)) - heights[10:, 12:]).mean() < 0.05 * unit


def test_digits_that_32_bits_do_not_hold_are_said(
    network: NetworkSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    heights = 5_000_000 + smooth(16, 20, 1, "float32")[..., 0].astype(np.float64)
    upscaled(tiff((heights, {})), network)
    assert "digits of its 64-bit samples beyond those of 32 bits" in caplog.text
    caplog.clear()
    upscaled(tiff((np.floor(heights), {})), network)
    assert "64-bit" not in caplog.text


def on_earth(page: tifffile.TiffPage, column: float, row: float) -> tuple[float, float]:
    """Where a corner of a pixel lies (OGC GeoTIFF 1.1, annex B.6)."""
    tags = {tag.code: tag.value for tag in page.tags}
    shift = 0.5 if tags[34735][4 + 3] == 2 else 0  # the keys here have the raster type first
    if 34264 in tags:
        matrix = np.array(tags[34264]).reshape(4, 4)
        x, y, *_ = matrix @ (column - shift, row - shift, 0, 1)
        return float(x), float(y)
    i, j, _, x, y, _ = tags[33922]
    return x + (column - shift - i) * tags[33550][0], y - (row - shift - j) * tags[33550][1]


@pytest.mark.parametrize("raster_type", [1, 2], ids=["area", "point"])
@pytest.mark.parametrize("by_matrix", [False, True])
def test_a_map_stays_where_it_is_on_the_earth(
    network: NetworkSettings, raster_type: int, by_matrix: bool
) -> None:
    """Corners of the picture, by the formula of the standard, before and after."""
    keys = (34735, 3, 8, (1, 1, 0, 1, 1025, 0, 1, raster_type), True)
    tags = [(33550, 12, 3, (30.0, 25.0, 0.0), True), (33922, 12, 6, (3.0, 5.0, 0.0, 4e5, 5e6, 0.0), True)]
    if by_matrix:
        tags = [(34264, 12, 16, (30.0, 2.0, 0, 4e5, 1.0, -25.0, 0, 5e6, *[0] * 4, 0, 0, 0, 1.0), True)]
    heights = 1000 + 500 * smooth(16, 20, 1, "float32")[..., 0]
    data = tiff((heights, {"extratags": [*tags, keys]}))
    (before,), (after,) = results(data), results(upscaled(data, network))
    for column, row in ((0, 0), (20, 0), (20, 16), (7, 3)):
        assert on_earth(after, 4 * column, 4 * row) == pytest.approx(on_earth(before, column, row), abs=1e-6)
