from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from support.animated_pictures import animation, square, visible
from support.animations import (
    composed_gif,
    parse_gif,
    read_by_ffmpeg,
    read_by_pillow,
)

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.gif_files import gif_delays
from ripfdn_cli.pictures.picture import Animation, Picture


@pytest.mark.parametrize("plays", [0, 1])
def test_a_frame_that_would_show_through_the_next_is_cleared(plays: int) -> None:
    """What was made of frames that replace each other, as in WebP, must not smear in a GIF; nor the last one
    into the first, where it plays again.
    """
    content = encode(animation(True, plays=plays), Encoding(format_named("gif")), "a")
    assert [frame.disposal for frame in parse_gif(content).frames] == [2, 2, 2, 1 if plays else 2]


def test_a_frame_that_the_next_covers_is_not_cleared() -> None:
    frames = tuple(np.maximum(square(0), square(left)) for left in (0, 4, 8))
    growing = Picture(frames, format_named("gif"), animation=Animation((10.0,) * 3, 1))
    content = encode(growing, Encoding(format_named("gif")), "a")
    assert [frame.disposal for frame in parse_gif(content).frames] == [1, 1, 1]
    for frame, expected in zip(decode(content, "a").frames, frames, strict=True):
        np.testing.assert_array_equal(visible(frame), visible(expected))


def few_colours(number: int) -> NDArray[np.uint8]:
    """A bar on nothing, as in a spinner: two colours, of which one is black."""
    frame = np.zeros((24, 24, 4), np.uint8)
    frame[8:16, 3 * number : 3 * number + 6] = (255, 0, 0, 255)
    frame[0:4] = (0, 0, 0, 255)
    return frame


def many_colours(number: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:24, 0:24]
    ramp = np.stack([rows * 10, columns * 10, rows + columns, np.where(rows > number, 255, 0)], axis=2)
    return ramp.astype(np.uint8)


@pytest.mark.parametrize("make", [few_colours, many_colours])
def test_three_readers_see_the_same_transparent_gif(make: Callable[[int], NDArray[np.uint8]]) -> None:
    """Pillow, FFmpeg and one written after the specification, which share no code."""
    frames = tuple(make(number) for number in range(5))
    picture = Picture(frames, format_named("gif"), animation=Animation((100.0,) * 5, 0))
    content = encode(picture, Encoding(format_named("gif")), "a")
    for read in (composed_gif(content), read_by_pillow(content), read_by_ffmpeg(content, "gif")):
        assert len(read) == 5
        for frame, expected in zip(read, frames, strict=True):
            np.testing.assert_array_equal(frame[..., 3], expected[..., 3])
            shown = expected[..., 3] > 0
            assert np.abs(frame[shown].astype(int) - expected[shown]).max() < 40


@pytest.mark.parametrize("make", [few_colours, many_colours])
def test_the_transparent_entry_of_a_gif_lies_in_every_palette_and_is_its_background(
    make: Callable[[int], NDArray[np.uint8]],
) -> None:
    """What ImageMagick (a transparent entry past the palette is opaque black) and FFmpeg (a frame is cleared
    to nothing only where its transparent entry is the background) go by.
    """
    frames = tuple(make(number) for number in range(5))
    moving = Picture(frames, format_named("gif"), animation=Animation((100.0,) * 5, 0))
    still = Picture(frames[:1], format_named("gif"))
    for picture in (moving, still):
        gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
        assert {frame.transparent for frame in gif.frames} == {gif.background}
        assert all(gif.background < len(frame.palette) for frame in gif.frames)


def test_a_frame_of_a_gif_without_holes_leaves_room_for_those_of_the_others() -> None:
    """256 colours and the transparent entry don't fit in one palette."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 4), np.uint8)
    noise[..., 3] = 255
    noise[1, 4:12, 4:12, 3] = 0
    picture = Picture(tuple(noise), format_named("gif"), animation=Animation((100.0, 100.0), 0))
    content = encode(picture, Encoding(format_named("gif")), "a")
    for read in (composed_gif(content), read_by_pillow(content), read_by_ffmpeg(content, "gif")):
        for frame, expected in zip(read, noise, strict=True):
            np.testing.assert_array_equal(frame[..., 3], expected[..., 3])
            shown = expected[..., 3] > 0
            assert np.abs(frame[shown].astype(int) - expected[shown]).mean() < 16


def test_an_opaque_gif_clears_nothing() -> None:
    gif = parse_gif(encode(animation(False, plays=0), Encoding(format_named("gif")), "a"))
    assert {(frame.disposal, frame.transparent) for frame in gif.frames} == {(1, None)}


@pytest.mark.parametrize(
    ("durations", "delays"),
    [
        ((4.0,) * 4, {0: 2}),
        ((10.0, 100.0), {0: 2, 1: 9}),
        ((100.0, 0.0, 100.0), {0: 10, 1: 0, 2: 10}),
        ((30.0, 5.0, 5.0, 60.0), {0: 3, 1: 2, 3: 5}),
        ((5.0,), {0: 2}),
    ],
)
def test_short_frames_have_the_time_of_others(durations: tuple[float, ...], delays: dict[int, int]) -> None:
    assert gif_delays(durations) == delays
    assert gif_delays([10.0 * delay for delay in delays.values()]) == dict(enumerate(delays.values()))
