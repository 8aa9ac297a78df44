import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.animations import (
    apng_of,
    composed_apng,
    composed_gif,
    parse_gif,
    read_by_ffmpeg,
    read_by_pillow,
)
from support.sample_pictures import smooth

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Animation, Picture

ANIMATED = ["gif", "png", "webp", "avif"]


def square(left: int, alpha: bool = True, size: int = 24) -> NDArray[np.uint8]:
    """A red square on nothing (or on blue) at `left`."""
    frame = np.zeros((size, size, 4), np.uint8)
    frame[..., 2] = 255
    frame[..., 3] = 0 if alpha else 255
    frame[8:16, left : left + 8] = (255, 0, 0, 255)
    return frame if alpha else frame[..., :3].copy()


def animation(alpha: bool, **changes: Any) -> Picture:
    frames = tuple(square(left, alpha) for left in (0, 4, 8, 12))
    timing = replace(Animation((100.0, 50.0, 200.0, 70.0), plays=3), **changes)
    return Picture(frames, format_named("gif"), animation=timing)


def written(picture: Picture, name: str, **options: Any) -> Picture:
    return decode(encode(picture, Encoding(format_named(name), **options), "a"), "a")


def visible(frame: NDArray[Any]) -> NDArray[Any]:
    """What a viewer shows of `frame` on black and of its outline, both coarse enough for lossy formats."""
    if frame.shape[2] == 3:
        return frame // 128
    return np.where(frame[..., 3:] >= 128, frame[..., :3], 0) // 128


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("name", ANIMATED)
def test_frames_durations_and_plays_survive(name: str, alpha: bool) -> None:
    picture = animation(alpha)
    back = written(picture, name)
    assert back.animation is not None
    assert len(back.frames) == 4
    assert back.animation.durations == (100.0, 50.0, 200.0, 70.0)
    if name != "avif":  # which has no count
        assert back.animation.plays == 3
    for frame, expected in zip(back.frames, picture.frames, strict=True):
        assert (frame.shape[2] == 4) == alpha
        assert (visible(frame) != visible(expected)).mean() < 0.02


@pytest.mark.parametrize("plays", [0, 1, 2, 7])
@pytest.mark.parametrize("target", ["gif", "png", "webp"])
@pytest.mark.parametrize("source", ["gif", "png", "webp"])
def test_plays_mean_the_same_in_every_format(source: str, target: str, plays: int) -> None:
    first = written(animation(True, plays=plays), source)
    second = written(first, target)
    assert first.animation is not None
    assert second.animation is not None
    assert first.animation.plays == second.animation.plays == plays


def test_plays_of_gif_are_counted_as_browsers_do() -> None:
    """Without the extension once; with it, so many times more; with 0, for ever."""
    frames = [Image.fromarray(square(left, False)) for left in (0, 8)]
    for loop, plays in ((None, 1), (0, 0), (4, 5)):
        stream = io.BytesIO()
        options = {} if loop is None else {"loop": loop}
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=100, **options)
        picture = decode(stream.getvalue(), "a")
        assert picture.animation is not None
        assert picture.animation.plays == plays


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


def test_an_opaque_gif_clears_nothing() -> None:
    gif = parse_gif(encode(animation(False, plays=0), Encoding(format_named("gif")), "a"))
    assert {(frame.disposal, frame.transparent) for frame in gif.frames} == {(1, None)}


@pytest.mark.parametrize(("duration", "count"), [(33.0, 12), (16.6667, 60), (41.7083, 24), (5.0 + 20, 40)])
def test_delays_of_a_gif_add_up_to_the_duration(duration: float, count: int) -> None:
    """33 ms is 3, 3 and 4 hundredths in turn, not 30 ms each; any frame begins within 5 ms of its time."""
    frames = tuple(square(number % 16, False) for number in range(count))
    picture = Picture(frames, format_named("webp"), animation=Animation((duration,) * count, 0))
    gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
    ends = np.cumsum([frame.delay * 10 for frame in gif.frames])
    exact = duration * np.arange(1, count + 1)
    allowed = 5.01 if duration >= 20 else np.inf  # shorter than any viewer shows a GIF's frame
    assert np.abs(ends - exact).max() <= allowed
    assert min(frame.delay for frame in gif.frames) >= 2


def test_frames_too_short_for_a_gif_are_said_to_be_slower(caplog: pytest.LogCaptureFixture) -> None:
    """Browsers show what is shorter than 0.02 s for 0.1 s: each of 4 ms would last 25 times as long."""
    picture = animation(False, durations=(4.0,) * 4)
    picture = replace(picture, file_format=format_named("webp"))
    gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
    assert [frame.delay for frame in gif.frames] == [2] * 4
    assert "a: lasts 0.08 s instead of 0.02" in caplog.text


def test_a_short_frame_is_made_up_for_by_the_next() -> None:
    picture = replace(animation(False, durations=(5.0, 100.0, 5.0, 90.0)), file_format=format_named("png"))
    gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
    assert [frame.delay for frame in gif.frames] == [2, 9, 2, 7]


def test_delays_of_a_gif_stay_what_they_are_in_a_gif() -> None:
    picture = animation(False, durations=(0.0, 10.0, 20.0, 5000.0))
    gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
    assert [frame.delay for frame in gif.frames] == [0, 1, 2, 500]


@pytest.mark.parametrize("name", ["webp", "avif"])
def test_fractions_of_milliseconds_add_up(name: str) -> None:
    frames = tuple(square(number % 16, False) for number in range(30))
    picture = Picture(frames, format_named("png"), animation=Animation((1000 / 30,) * 30, 0))
    back = written(replace(picture), name)
    assert back.animation is not None
    assert sum(back.animation.durations) == 1000


def test_avif_of_30_frames_a_second_lasts_as_long_as_it_says() -> None:
    """33 of 990 parts of a second each: read as 33 ms each, it would be a hundredth too short."""
    frames = [Image.fromarray(square(number % 16, False)) for number in range(30)]
    stream = io.BytesIO()
    frames[0].save(stream, "AVIF", save_all=True, append_images=frames[1:], duration=33)
    content = bytearray(stream.getvalue())
    at = content.index(b"mdhd") + 4
    at += 4 + (16 if content[at] == 1 else 8)  # after two times of 64 or 32 bits (ISO/IEC 14496-12, 8.4.2)
    assert content[at : at + 4] == (1000).to_bytes(4, "big")
    content[at : at + 4] = (990).to_bytes(4, "big")
    animation = decode(bytes(content), "a").animation
    assert animation is not None
    assert sum(animation.durations) == 1000


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


@pytest.mark.parametrize("name", ["png", "webp", "gif"])
def test_a_grey_animation_stays_what_it_is(name: str) -> None:
    frames = tuple(smooth(20, 24, 1) // (number + 1) for number in range(3))
    picture = Picture(frames, format_named("png"), animation=Animation((100.0,) * 3, 0))
    back = written(picture, name)
    assert back.frames[0].shape[2] == (1 if name == "png" else 3)
    for frame, expected in zip(back.frames, frames, strict=True):
        assert np.abs(frame.astype(int) - expected).max() < 16


def test_colour_chunks_of_an_animated_png_stay() -> None:
    entry = format_named("png")
    colour = ((b"gAMA", (45455).to_bytes(4, "big")), (b"mDCV", bytes(24)), (b"cLLI", bytes(8)))
    picture = replace(animation(False), metadata=Metadata(png_colour=colour))
    back = decode(encode(picture, Encoding(entry), "a"), "a")
    assert back.animation is not None
    assert back.metadata.png_colour == colour


@pytest.mark.parametrize("name", ["gif", "png"])
def test_equal_neighbours_stay_frames_of_their_own(name: str) -> None:
    """Pillow's writers join them."""
    frames = (square(0), square(0), square(0), square(8), square(8))
    picture = Picture(frames, format_named("gif"), animation=Animation((10.0, 20.0, 30.0, 40.0, 50.0), 0))
    back = written(picture, name)
    assert back.animation is not None
    assert back.animation.durations == (10.0, 20.0, 30.0, 40.0, 50.0)
    for frame, expected in zip(back.frames, frames, strict=True):
        np.testing.assert_array_equal(visible(frame), visible(expected))


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


def test_partial_frames_are_composed() -> None:
    """Two frames of 6×6 px on a canvas of 16×16: the second adds to the first."""
    canvas = Image.new("P", (16, 16))
    canvas.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    first, second = canvas.copy(), canvas.copy()
    first.paste(1, (0, 0, 6, 6))
    second.paste(1, (0, 0, 6, 6))
    second.paste(2, (8, 8, 14, 14))
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=[second], duration=100, disposal=1)
    picture = decode(stream.getvalue(), "a")
    assert picture.frames[1][0, 0].tolist() == [255, 0, 0]
    assert picture.frames[1][10, 10].tolist() == [0, 255, 0]
    assert picture.frames[0][10, 10].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["jpeg", "bmp", "ppm", "tiff"])
def test_formats_that_hold_one_frame_refuse_more(name: str) -> None:
    with pytest.raises(UsageError, match="4 frames"):
        encode(animation(True), Encoding(format_named(name)), "a")


@pytest.mark.parametrize("name", ["gif", "png", "webp", "avif"])
def test_one_frame_is_no_animation(name: str) -> None:
    picture = written(Picture((square(0, False),), format_named("png")), name)
    assert picture.animation is None
    assert len(picture.frames) == 1


def gif(*frames: tuple[int, int, int, int]) -> bytes:
    """A GIF with a canvas of 8×8 px and black frames at these (left, top, width, height)."""
    parts = [b"GIF89a\x08\0\x08\0\x80\0\0" + bytes(6)]
    for extent in frames:
        parts.append(
            b"!\xf9\4\0\x0a\0\0\0" + b"," + b"".join(side.to_bytes(2, "little") for side in extent) + b"\0"
        )
        codes = b"\x02" + bytes((2, 0x44, 0x01)) + b"\0"
        pixels = Image.new("P", extent[2:])
        stream = io.BytesIO()
        pixels.save(stream, "GIF")
        content = stream.getvalue()
        parts.append(content[content.rindex(b",") + 10 : -1] or codes)
    return b"".join(parts) + b";"


def test_a_frame_that_reaches_past_the_canvas_enlarges_it() -> None:
    picture = decode(gif((0, 0, 8, 8), (4, 4, 12, 8), (0, 0, 8, 8)), "a")
    assert [frame.shape[:2] for frame in picture.frames] == [(12, 16)] * 3
    again = written(picture, "gif")
    assert again.animation is not None
    assert again.animation.durations == (100, 100, 100)


def test_frames_that_reach_too_far_are_refused() -> None:
    content = gif((0, 0, 8, 8), (4, 4, 12, 8))
    huge = content.replace(bytes((4, 0, 4, 0, 12, 0, 8, 0)), b"\4\0\4\0\xff\xff\xff\xff")
    assert huge != content
    with pytest.raises(InputError, match=r"can't read a"):
        decode(huge, "a", max_pixels=100_000)
