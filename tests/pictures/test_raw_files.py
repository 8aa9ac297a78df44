"""Camera files, made here as DNGs; judged by what was put into them."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from support.sample_pictures import png_of

from ripfdn_cli import upscale_folder
from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode, read_header, read_picture

pytest.importorskip("rawpy")

WIDTH, HEIGHT = 60, 40
PHOTOGRAPHER = "A. Phötographer".encode()


def make_dng(path: Path, *, orientation: int = 1, neutral: tuple[int, int, int] = (10, 10, 10)) -> None:
    """A picture whose left half is red and whose right half is grey, as an RGGB sensor sees them where a
    neutral tone gives `neutral` tenths of the white in its red, green and blue pixels.
    """
    red, grey = np.array([0.8, 0.05, 0.05]), np.array([0.3, 0.3, 0.3])
    scene = np.empty((HEIGHT, WIDTH, 3))
    scene[:, : WIDTH // 2], scene[:, WIDTH // 2 :] = red, grey
    seen = scene * np.array(neutral) / 10
    rows, columns = np.indices((HEIGHT, WIDTH)) % 2
    colour = rows + columns  # 0 red, 1 green, 2 blue
    mosaic = (np.take_along_axis(seen, colour[..., None], 2)[..., 0] * 4095).astype(np.uint16)
    identity = [part for row in np.eye(3).astype(int) for value in row for part in (int(value), 1)]
    tags: list[Any] = [
        (50706, "B", 4, bytes([1, 4, 0, 0])),
        (50708, "s", 0, "Test Camera"),
        (33421, "H", 2, (2, 2)),
        (33422, "B", 4, bytes([0, 1, 1, 2])),
        (50714, "H", 1, 0),
        (50717, "H", 1, 4095),
        (50721, "2i", 9, identity),
        (50778, "H", 1, 21),
        (50728, "2I", 3, [part for value in neutral for part in (value, 10)]),
        (271, "s", 0, "Test"),
        (272, "s", 0, "Camera"),
        (315, "s", 0, PHOTOGRAPHER),
        (274, "H", 1, orientation),
    ]
    extra = [(*tag, True) for tag in tags]
    tifffile.imwrite(path, mosaic, photometric=32803, planarconfig=None, extratags=extra, metadata=None)


def test_sixteen_bits_upright_with_exif(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", orientation=6)
    picture = read_picture(tmp_path / "a.dng")
    (frame,) = picture.frames
    assert (frame.shape, frame.dtype) == ((WIDTH, HEIGHT, 3), np.dtype(np.uint16))
    top, bottom = frame[: WIDTH // 2 - 4].mean((0, 1)), frame[WIDTH // 2 + 4 :].mean((0, 1))
    assert top[0] > 3 * top[1:].max()  # the left half, turned to the right, is on top
    assert np.ptp(bottom) < 0.1 * bottom.max()
    header = read_header((tmp_path / "a.dng").read_bytes(), "a.dng")
    assert (header.width, header.height, header.sample_bytes) == (HEIGHT, WIDTH, 2)
    assert picture.metadata.exif is not None
    exif = Image.Exif()
    exif.load(picture.metadata.exif)
    assert (exif[271], exif.get(274)) == ("Test", None)
    assert picture.metadata.exif.count(PHOTOGRAPHER + b"\0") == 1


def test_the_cameras_white_balance_makes_grey_grey(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", neutral=(5, 10, 7))
    (frame,) = read_picture(tmp_path / "a.dng").frames
    grey = frame[4:-4, WIDTH // 2 + 4 : -4].reshape(-1, 3).mean(0)
    assert np.ptp(grey) < 0.1 * grey.max()


@pytest.mark.parametrize("name", ["a.dng", "A.NEF", "a.cr3"])
def test_damaged_files_are_told_in_a_line(name: str) -> None:
    for data in (b"II*\0" + bytes(100), png_of(4, 4)):
        with pytest.raises(InputError, match=rf"can't read {name}: LibRaw can't"):
            decode(data, name)


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng")
    with pytest.raises(InputError, match="over the limit of 100 pixels"):
        read_picture(tmp_path / "a.dng", max_pixels=100)


def test_a_folder_of_them_becomes_tiffs(tmp_path: Path, bilinear_weights: Path) -> None:
    (tmp_path / "in").mkdir()
    make_dng(tmp_path / "in" / "a.dng", orientation=6)
    (outcome,) = upscale_folder(
        tmp_path / "in",
        tmp_path / "out",
        weights=bilinear_weights,
        engine="torch",
        device="cpu",
        precision="fp32",
    )
    assert outcome.error is None, outcome.error
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as tiff:
        page = tiff.pages.first
        assert (page.shape, page.dtype) == ((4 * WIDTH, 4 * HEIGHT, 3), np.dtype(np.uint16))
        assert page.tags["Artist"].value == PHOTOGRAPHER.decode()


def make_sixteen_bit_output(tmp_path: Path, bilinear_weights: Path, output: str) -> bytes:
    make_dng(tmp_path / "a.dng")
    command = [sys.executable, "-m", "ripfdn_cli", "upscale", "-", "-o", "-", "--format", output]
    network = ["--weights", str(bilinear_weights), "--engine", "torch", "--device", "cpu"]
    data = (tmp_path / "a.dng").read_bytes()
    return subprocess.run([*command, *network], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("output", ["tiff", "png", "jxl"])
def test_from_stdin_to_sixteen_bits_in_each_format(
    tmp_path: Path, bilinear_weights: Path, output: str
) -> None:
    """Read back by imagecodecs: the mean colour of each half is that of what LibRaw developed."""
    if output == "jxl":
        pytest.importorskip("pillow_jxl")
    content = make_sixteen_bit_output(tmp_path, bilinear_weights, output)
    decode_with = {
        "tiff": imagecodecs.tiff_decode,
        "png": imagecodecs.png_decode,
        "jxl": imagecodecs.jpegxl_decode,
    }
    pixels = decode_with[output](content)
    assert (pixels.shape, pixels.dtype) == ((4 * HEIGHT, 4 * WIDTH, 3), np.dtype(np.uint16))
    (source,) = read_picture(tmp_path / "a.dng").frames
    for half in (slice(0, WIDTH // 2), slice(WIDTH // 2, WIDTH)):
        large = pixels[:, 4 * half.start : 4 * half.stop].mean((0, 1))
        np.testing.assert_allclose(large, source[:, half].mean((0, 1)), atol=0.02 * 65535)
    assert len(np.unique(pixels % 257)) > 100  # not 8 bits that were stretched


@pytest.mark.parametrize(
    "head",
    [b"FUJIFILMCCD-RAW 0201", b"\0MRM", b"IIU\0", b"IIRO", b"II*\0\x10\0\0\0CR\2\0", b"\0\0\0\x18ftypcrx "],
)
def test_files_without_a_suffix_are_known_by_their_content(head: bytes) -> None:
    with pytest.raises(InputError, match=r"can't read stdin: LibRaw can't"):
        decode(head + bytes(200), "stdin")


@pytest.mark.parametrize(("maker", "reader"), [("NIKON", "LibRaw can't"), (None, "CFA")])
def test_a_sensors_pixels_are_developed_where_a_camera_made_them(maker: str | None, reader: str) -> None:
    stream = io.BytesIO()
    tags = [(271, "s", 0, maker, True)] if maker else []
    sensor = np.full((9, 8), 500, np.uint16)
    tifffile.imwrite(stream, sensor, photometric="cfa", extratags=tags)
    with pytest.raises(InputError, match=reader):
        decode(stream.getvalue(), "stdin")


def test_ordinary_tiffs_without_a_suffix_are_no_raw_files() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.full((9, 7, 3), 5, np.uint8), photometric="rgb")
    assert decode(stream.getvalue(), "stdin").frames[0].dtype == np.uint8
