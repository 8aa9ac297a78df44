"""Files that only plugins of imageio read: written by Pillow or by hand, judged by what was put into them."""

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ripfdn_cli import upscale_file, upscale_folder
from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode, read_header

pytest.importorskip("imageio")

WIDTH, HEIGHT = 30, 20
FLI_LEVELS, FLI_DURATION = (10, 120, 250), 100


def noise(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def saved_as(image_format: str, pixels: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, image_format, **options)
    return stream.getvalue()


def fli() -> bytes:
    """An animation of even greys, after the description of Autodesk's FLC format."""
    frames = b""
    ramp = bytes(level for number in range(256) for level in (number,) * 3)
    for level in FLI_LEVELS:
        chunks = _chunk(4, struct.pack("<HBB", 1, 0, 0) + ramp) + _chunk(
            16, bytes([level]) * (WIDTH * HEIGHT)
        )
        frames += struct.pack("<IHH8x", 16 + len(chunks), 0xF1FA, 2) + chunks
    head = struct.pack("<IHHHHHHI", 128 + len(frames), 0xAF12, 3, WIDTH, HEIGHT, 8, 0, FLI_DURATION)
    return head.ljust(128, b"\0") + frames


def _chunk(kind: int, content: bytes) -> bytes:
    return struct.pack("<IH", 6 + len(content), kind) + content


@pytest.mark.parametrize(
    ("name", "image_format", "options"),
    [("a.jp2", "JPEG2000", {"irreversible": False}), ("a.TGA", "TGA", {}), ("folder/a.pcx", "PCX", {})],
)
def test_stills_are_what_was_written(name: str, image_format: str, options: dict[str, Any]) -> None:
    pixels = noise(HEIGHT, WIDTH, 3)
    data = saved_as(image_format, pixels, **options)
    (frame,) = decode(data, name).frames
    np.testing.assert_array_equal(frame, pixels)
    header = read_header(data, name)
    assert (header.width, header.height, header.channels, header.sample_bytes) == (WIDTH, HEIGHT, 3, 1)


@pytest.mark.parametrize(("name", "image_format"), [("a.jp2", "JPEG2000"), ("a.tga", "TGA")])
def test_the_limit_of_pixels_is_not_that_of_the_picture_before(name: str, image_format: str) -> None:
    data = saved_as(image_format, noise(HEIGHT, WIDTH, 3))
    assert decode(saved_as("PNG", noise(4, 4, 3)), "a.png", max_pixels=16).width == 4
    assert decode(data, name).width == WIDTH
    with pytest.raises(InputError, match="over the limit of 599 pixels"):
        decode(data, name, max_pixels=WIDTH * HEIGHT - 1)


def sgi(samples: Any, bits: int) -> bytes:
    """Not compressed, after SGI's description: a channel after the other, from the bottom to the top."""
    height, width, channels = samples.shape
    head = struct.pack(">HBBHHHHII", 474, 0, bits // 8, 3, width, height, channels, 0, 2**bits - 1)
    planes: bytes = np.moveaxis(samples[::-1], -1, 0).astype(f">u{bits // 8}").tobytes()
    return head.ljust(512, b"\0") + planes


@pytest.mark.parametrize("bits", [8, 16])
def test_sixteen_bits_that_become_eight_are_told(bits: int) -> None:
    pixels = noise(HEIGHT, WIDTH, 3)
    picture = decode(sgi(pixels.astype(np.uint16) * (257 if bits == 16 else 1), bits), "a.sgi")
    np.testing.assert_array_equal(picture.frames[0], pixels)
    assert picture.metadata.lost == (("8 of its 16 bits",) if bits == 16 else ())


def test_sixteen_bits_stay() -> None:
    grey = (np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) * 100).astype(np.uint16)
    (frame,) = decode(saved_as("JPEG2000", grey, irreversible=False), "a.j2k").frames
    np.testing.assert_array_equal(frame, grey[..., None])


def test_animations_keep_their_times() -> None:
    picture = decode(fli(), "a.fli")
    assert [np.unique(frame).tolist() for frame in picture.frames] == [[level] for level in FLI_LEVELS]
    assert picture.animation is not None
    assert list(picture.animation.durations) == 3 * [FLI_DURATION]
    assert read_header(fli(), "a.fli").frames == 3


def test_what_a_file_holds_counts_for_more_than_its_name() -> None:
    pixels = noise(HEIGHT, WIDTH, 3)
    picture = decode(saved_as("PNG", pixels), "a.tga")
    assert picture.file_format.name == "png"
    np.testing.assert_array_equal(picture.frames[0], pixels)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jp2", b"no picture" * 9, r"can't read a\.jp2: imageio's plugins for \.jp2 can't read it"),
        (
            "a.eps",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            r"can't read a\.eps: it is not a pic",
        ),
        ("a.mp4", b"\0\0\0\x18ftypmp42", r"can't read a\.mp4: it is not a picture"),
        ("stdin", saved_as("TGA", noise(4, 4, 3)), r"can't read stdin: it is not a picture"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(name: str, data: bytes, message: str) -> None:
    for read in (decode, read_header):
        with pytest.raises(InputError, match=message) as caught:
            read(data, name)
        assert "\n" not in str(caught.value)


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="over the limit of 100 pixels"):
        decode(saved_as("TGA", noise(HEIGHT, WIDTH, 3)), "a.tga", max_pixels=100)


def test_results_are_png_unless_said_otherwise(tmp_path: Path, bilinear_weights: Path) -> None:
    network: Any = {"weights": bilinear_weights, "engine": "torch", "device": "cpu", "precision": "fp32"}
    given = tmp_path / "in" / "a.jp2"
    given.parent.mkdir()
    given.write_bytes(saved_as("JPEG2000", noise(HEIGHT, WIDTH, 3)))
    (outcome,) = upscale_folder(given, tmp_path / "out", **network)
    assert outcome.error is None, outcome.error
    upscale_file(given, tmp_path / "b.tif", **network)
    for path in (tmp_path / "out" / "a.png", tmp_path / "b.tif"):
        with Image.open(path) as image:
            assert image.size == (4 * WIDTH, 4 * HEIGHT)


def test_imageio_stays_unloaded_for_formats_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved_as("PNG", noise(4, 4, 3)))
    code = (
        "import sys; from pathlib import Path; from ripfdn_cli.pictures.decoding import read_picture; "
        "read_picture(Path(sys.argv[1])); print('imageio' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip() == "False"
