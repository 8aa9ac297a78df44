import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support.animated_pictures import animation, square, visible, written
from support.animations import (
    apng_of,
    composed_apng,
    read_by_ffmpeg,
)
from support.sample_pictures import smooth

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Animation, Picture


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("has_still", [False, True])
def test_animated_png_is_exact_at_any_depth(samples: str, channels: int, has_still: bool) -> None:
    """Read back by the specification's chunks and composed by hand, and by FFmpeg."""
    frames = [smooth(20, 24, channels, samples) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame[2 : 2 + 3 * number, 5:9] = np.iinfo(frame.dtype).max
    frames[2] = frames[1].copy()  # an equal neighbour
    durations = (1000 / 30, 100.0, 1000 / 24, 70_000.0)
    entry = format_named("png")
    picture = Picture(tuple(frames), entry, animation=Animation(durations, 3, has_still))
    content = encode(picture, Encoding(entry), "a")
    still, moving, delays, plays = composed_apng(content)
    first = 1 if has_still else 0
    np.testing.assert_array_equal(still, frames[0])
    assert plays == 3
    assert len(moving) == 4 - first
    for frame, expected in zip(moving, frames[first:], strict=True):
        np.testing.assert_array_equal(frame, expected)
    assert [float(1000 * delay) for delay in delays] == pytest.approx(durations[first:], rel=1e-6)
    back = decode(content, "a")
    assert back.frames[0].dtype == samples
    for frame, expected in zip(back.frames, frames, strict=True):
        np.testing.assert_array_equal(frame, expected)
    if samples == "uint8" and channels == 4:
        for frame, expected in zip(read_by_ffmpeg(content, "apng"), frames[first:], strict=False):
            np.testing.assert_array_equal(frame, expected)


@pytest.mark.parametrize("blend", [0, 1])
@pytest.mark.parametrize("disposal", [0, 1, 2])
def test_animated_png_is_composed_as_specified(disposal: int, blend: int) -> None:
    """Frames that lie on a part of the canvas, blended and disposed of, as FFmpeg composes the same at 8
    bits.
    """
    frames = [square(2), square(7)[4:20, 3:19].copy(), square(1)[2:18, :20].copy()]
    frames[1][..., 3] = np.maximum(frames[1][..., 3], 100)
    corners = [(0, 0), (3, 4), (0, 2)]
    eight_bit = apng_of(frames, corners, disposal, blend, 1)
    for times in (1, 257):
        found = decode(apng_of(frames, corners, disposal, blend, times), "a").frames
        assert found[0].dtype == (np.uint8 if times == 1 else np.uint16)
        for frame, expected in zip(found, read_by_ffmpeg(eight_bit, "apng"), strict=True):
            shown = expected[..., 3] > 0
            difference = np.abs(frame.astype(int) - expected.astype(int) * times)
            assert difference[shown].max() <= times
            assert difference[..., 3].max() <= times


def test_colour_chunks_of_an_animated_png_stay() -> None:
    entry = format_named("png")
    colour = ((b"gAMA", (45455).to_bytes(4, "big")), (b"mDCV", bytes(24)), (b"cLLI", bytes(8)))
    picture = replace(animation(False), metadata=Metadata(png_colour=colour))
    back = decode(encode(picture, Encoding(entry), "a"), "a")
    assert back.animation is not None
    assert back.metadata.png_colour == colour


def test_the_still_of_an_animated_png_is_none_of_its_frames() -> None:
    still, *frames = (Image.fromarray(square(left)) for left in (2, 0, 8))
    stream = io.BytesIO()
    still.save(stream, "PNG", save_all=True, default_image=True, append_images=frames, duration=[30, 60])
    picture = decode(stream.getvalue(), "a")
    assert picture.animation is not None
    assert picture.animation.has_still
    again = written(picture, "png")
    assert again.animation is not None
    assert again.animation.has_still
    assert again.animation.durations[1:] == (30, 60)
    np.testing.assert_array_equal(visible(again.frames[0]), visible(square(2)))
    elsewhere = written(picture, "webp")
    assert elsewhere.animation is not None
    assert elsewhere.animation.durations == (30, 60)
