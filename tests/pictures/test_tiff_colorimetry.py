"""A TIFF's tags of its colour space (TIFF 6.0, section 20), written and read by tifffile."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from support.sample_pictures import smooth

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.picture import Picture, as_samples
from ripfdn_cli.pictures.tiff_colorimetry import fits_samples, without_transfer_function

CURVE, WHITE, PRIMARIES = 301, 318, 319
WHITE_POINT = (3457, 10000, 3585, 10000)
SIX = (64, 100, 33, 100, 21, 100, 71, 100, 15, 100, 6, 100)
LOST = "the tags of its colour space (white point, primaries, transfer function)"
CURVE_LOST = "the tag of its transfer function, which is for other samples"


def tiff(pixels: NDArray[Any], levels: int, curves: int = 3, **options: Any) -> bytes:
    curve = curves * np.rint(65535 * (np.arange(levels) / (levels - 1)) ** 1.8).astype(int).tolist()
    tags = [
        (WHITE, 5, 2, WHITE_POINT, True),
        (PRIMARIES, 5, 6, SIX, True),
        (CURVE, 3, len(curve), curve, True),
    ]
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, extratags=tags, metadata=None, **options)
    return stream.getvalue()


def tags_of(content: bytes, page: int = 0) -> dict[int, list[int]]:
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        found = list(file.pages)[page].aspage().tags
        codes = [code for code in (CURVE, WHITE, PRIMARIES) if code in found]
        return {code: np.ravel(found[code].value).tolist() for code in codes}


def written(picture: Picture, name: str = "tiff") -> bytes:
    return encode(picture, Encoding(format_named(name)), "a")


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}, {"curves": 1}])
def test_they_are_kept_where_the_samples_are(samples: str, options: dict[str, Any]) -> None:
    levels = 256 if samples == "uint8" else 65536
    content = tiff(smooth(8, 8, samples=samples), levels, photometric="rgb", **options)
    picture = decode(content, "a")
    assert not picture.metadata.lost
    assert tags_of(written(picture)) == tags_of(content)
    assert tags_of(written(picture)).keys() == {CURVE, WHITE, PRIMARIES}
    bare = picture.with_page_metadata([picture.metadata.colour_only()])
    assert tags_of(written(bare)) == tags_of(content)


def test_each_page_keeps_its_own() -> None:
    one, other = (tiff(smooth(8, 8, 1)[..., 0], 256), tiff(smooth(8, 8, 1, "uint16")[..., 0], 65536))
    pages = [decode(content, "a") for content in (one, other)]
    both = Picture(
        tuple(page.frames[0] for page in pages),
        format_named("tiff"),
        pages[0].metadata,
        later_metadata=(pages[1].metadata,),
    )
    assert [len(tags_of(written(both), page)[CURVE]) for page in (0, 1)] == [3 * 256, 3 * 65536]


@pytest.mark.parametrize("name", ["png", "jpeg", "bmp"])
def test_other_formats_say_that_they_lose_them(name: str, caplog: pytest.LogCaptureFixture) -> None:
    picture = decode(tiff(smooth(8, 8), 256, photometric="rgb"), "a")
    with caplog.at_level("INFO"):
        written(picture, name)
    assert f"{LOST} (not written to {name.upper()})" in caplog.text


@pytest.mark.parametrize(
    ("pixels", "levels", "options"),
    [
        (smooth(8, 8, 1)[..., 0], 256, {"photometric": "miniswhite"}),
        (smooth(8, 8, 1)[..., 0] // 16, 16, {"bitspersample": 4, "photometric": "minisblack"}),
        (smooth(8, 8, 1, "float32")[..., 0], 256, {"photometric": "minisblack"}),
    ],
    ids=["inverted", "stretched", "floats"],
)
def test_a_curve_for_other_samples_goes_and_the_rest_stays(
    pixels: NDArray[Any], levels: int, options: dict[str, Any]
) -> None:
    picture = decode(tiff(pixels, levels, **options), "a")
    assert picture.metadata.lost == (CURVE_LOST,)
    assert tags_of(written(picture)).keys() == {WHITE, PRIMARIES}


def test_a_curve_goes_where_the_depth_changes(caplog: pytest.LogCaptureFixture) -> None:
    picture = decode(tiff(smooth(8, 8), 256, photometric="rgb"), "a")
    deeper = Picture((as_samples(picture.frames[0], "uint16"),), picture.file_format, picture.metadata)
    with caplog.at_level("INFO"):
        assert tags_of(written(deeper)).keys() == {WHITE, PRIMARIES}
    assert f"a: left out: {CURVE_LOST}" in caplog.text


def test_converted_colours_have_none_of_them() -> None:
    picture = decode(tiff(smooth(8, 8, 4), 256, photometric="separated"), "a")
    assert picture.metadata.lost == (LOST,)
    assert not tags_of(written(picture))


def test_a_curve_fits_by_its_length() -> None:
    colorimetry = decode(tiff(smooth(8, 8), 256, photometric="rgb"), "a").metadata.colorimetry
    assert colorimetry is not None
    assert fits_samples(colorimetry, np.uint8)
    assert not any(fits_samples(colorimetry, dtype) for dtype in (np.uint16, np.int8, np.float32))
    rest = without_transfer_function(colorimetry)
    assert rest is not None
    assert fits_samples(rest, np.float32)
    assert without_transfer_function(rest) == rest
