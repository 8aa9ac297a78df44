"""Damaged files by the thousand: each is decoded or refused, in time, without a crash."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import exif_block, profile, saved, smooth, xmp_packet

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode, read_header
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import FORMATS, format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Animation, Picture

LIMIT = 200_000
"""Pixels: damaged headers ask for more, and every one of those is refused quickly."""


def seeds() -> list[bytes]:
    """One small file of each kind of each core format, metadata included."""
    metadata = Metadata(profile(), exif_block(3), xmp_packet(3), (300.0, 300.0), (("Title", "a"),))
    files = []
    for entry in FORMATS:
        if entry.extra is not None:
            continue
        for samples in entry.samples:
            for channels in (1, 4):
                picture = Picture((smooth(12, 16, channels, samples),), entry, metadata)
                files.append(encode(picture, Encoding(entry), "a"))
        if entry.animated:
            frames = tuple(np.roll(smooth(12, 16, 4), i, axis=1) for i in range(3))
            moving = Picture(frames, entry, animation=Animation((10.0,) * 3, 0))
            files.append(encode(moving, Encoding(entry), "a"))
    image = Image.fromarray(smooth(12, 16))
    files += [
        saved(image, "JPEG", progressive=True, icc_profile=profile()),
        saved(image.convert("CMYK"), "JPEG"),
        saved(image.convert("P"), "PNG", transparency=1),
        saved(image, "TIFF", compression="tiff_lzw"),
        saved(image, "TIFF", compression="jpeg"),
        saved(image.convert("1"), "TIFF", compression="group4"),
        saved(image.convert("P"), "BMP"),
        saved(image, "WEBP", lossless=True),
        b"P3\n3 2\n255\n" + b"1 2 3 4 5 6 " * 3,
        encode(
            Picture((smooth(12, 16), smooth(8, 8, 1, "uint16")), format_named("tiff")),
            Encoding(format_named("tiff")),
            "a",
        ),
    ]
    return files


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """`content` with bytes changed, cut off, cut out, doubled or filled with extreme numbers."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(data)))
        if rng.random() < 0.4:
            place = min(place, int(rng.integers(64)))  # headers are where the lies are
        length = int(rng.integers(1, 9))
        match rng.integers(7):
            case 0:
                data[place] ^= 1 << int(rng.integers(8))
            case 1:
                data[place : place + length] = rng.bytes(length)
            case 2:
                del data[place + 1 :]
            case 3:
                del data[place : place + length]
            case 4:
                data[place:place] = data[place : place + length]
            case 5:
                extreme = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f")[
                    rng.integers(4)
                ]
                data[place : place + 4] = extreme
            case 6:
                other = int(rng.integers(len(data)))
                data[place : place + length] = data[other : other + length]
        if not data:
            return b""
    return bytes(data)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def late(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def decode_damaged(count: int, seed: int) -> tuple[int, int]:
    """How many of `count` damaged files were decoded, and how many refused."""
    rng, files = np.random.default_rng(seed), seeds()
    decoded = refused = 0
    for number in range(count):
        content = damaged(files[number % len(files)], rng)
        try:
            with at_most(10):
                read_header(content, "a", max_pixels=LIMIT)
                picture = decode(content, "a", max_pixels=LIMIT)
        except InputError as error:
            message = str(error)
            refused += 1
        else:
            samples = {name for entry in FORMATS for name in entry.samples}
            assert all(frame.size and frame.dtype.name in samples for frame in picture.frames)
            message = ""
            decoded += 1
        assert "\n" not in message
    return decoded, refused


@pytest.mark.filterwarnings("ignore")  # decoders have much to say, which the command silences
def test_twenty_thousand_damaged_files_are_decoded_or_refused() -> None:
    decoded, refused = decode_damaged(20_000, seed=1)
    assert decoded > 2_000
    assert refused > 8_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(3600)
def test_half_a_million_damaged_files_are_decoded_or_refused() -> None:
    decoded, refused = decode_damaged(500_000, seed=2)
    assert decoded > 50_000
    assert refused > 200_000
