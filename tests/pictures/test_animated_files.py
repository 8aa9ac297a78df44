import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support.animated_pictures import animation, square, visible, written
from support.animations import (
    parse_gif,
    read_by_pillow,
)
from support.sample_pictures import smooth

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.picture import Animation, Picture

ANIMATED = ["gif", "png", "webp", "avif"]


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


@pytest.mark.parametrize(("duration", "count"), [(33.0, 12), (41.7083, 24), (25.0, 40)])
def test_delays_of_a_gif_add_up_to_the_duration(duration: float, count: int) -> None:
    """33 ms is 3, 3 and 4 hundredths in turn, not 30 ms each; any frame begins within 5 ms of its time."""
    frames = tuple(square(number % 16, False) for number in range(count))
    picture = Picture(frames, format_named("webp"), animation=Animation((duration,) * count, 0))
    gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
    ends = np.cumsum([frame.delay * 10 for frame in gif.frames])
    exact = duration * np.arange(1, count + 1)
    assert np.abs(ends - exact).max() <= 5.01


@pytest.mark.parametrize(("rate", "left"), [(60, 50), (120, 50), (50, 50), (1000, 50)])
def test_frames_too_short_for_a_gif_are_left_out(
    rate: int, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Browsers show what is shorter than 0.02 s for 0.1 s: 60 a second would last six times as long."""
    frames = tuple(np.full((4, 4, 3), 250 * number // rate, np.uint8) for number in range(rate))
    picture = Picture(frames, format_named("webp"), animation=Animation((1000 / rate,) * rate, 0))
    content = encode(picture, Encoding(format_named("gif")), "a")
    assert [frame.delay for frame in parse_gif(content).frames] == [2] * left
    for number, frame in enumerate(read_by_pillow(content)):
        # What shows from 0.02 s times the number on, or what did a frame before.
        assert abs(int(frame[0, 0, 0]) - 250 * number / left) <= 250 * 0.02 + 1
    said = f"a: {rate - left} of {rate} frames are left out" in caplog.text
    assert said == (rate > left)


def test_a_short_frame_is_made_up_for_by_the_next() -> None:
    picture = replace(animation(False, durations=(5.0, 100.0, 5.0, 90.0)), file_format=format_named("png"))
    gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
    assert [frame.delay for frame in gif.frames] == [2, 9, 2, 7]


def test_delays_of_a_gif_stay_what_they_are_in_a_gif() -> None:
    picture = animation(False, durations=(0.0, 10.0, 20.0, 5000.0))
    gif = parse_gif(encode(picture, Encoding(format_named("gif")), "a"))
    assert [frame.delay for frame in gif.frames] == [0, 1, 2, 500]


@pytest.mark.parametrize(
    ("name", "longest", "said"), [("gif", 655_350.0, "655.35 s"), ("webp", 16_777_215.0, "16777.215 s")]
)
def test_frames_are_cut_to_the_longest_that_a_file_can_say(
    name: str, longest: float, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """16 bits of hundredths in a GIF, 24 bits of milliseconds in a WebP; other frames keep their times."""
    picture = replace(
        animation(False, durations=(100.0, 20_000_000.0, 200.0, longest)), file_format=format_named("png")
    )
    with Image.open(io.BytesIO(encode(picture, Encoding(format_named(name)), "a"))) as image:
        found = []
        for number in range(4):
            image.seek(number)
            image.load()
            found.append(image.info["duration"])
    assert found == [100, longest, 200, longest]
    assert f"a: frames that show for longer than {said} (1 of 4)" in caplog.text


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


@pytest.mark.parametrize("name", ["png", "webp", "gif"])
def test_a_grey_animation_stays_what_it_is(name: str) -> None:
    frames = tuple(smooth(20, 24, 1) // (number + 1) for number in range(3))
    picture = Picture(frames, format_named("png"), animation=Animation((100.0,) * 3, 0))
    back = written(picture, name)
    assert back.frames[0].shape[2] == (1 if name == "png" else 3)
    for frame, expected in zip(back.frames, frames, strict=True):
        assert np.abs(frame.astype(int) - expected).max() < 16


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


@pytest.mark.parametrize("name", ["jpeg", "bmp", "ppm", "tiff"])
def test_formats_that_hold_one_frame_refuse_more(name: str) -> None:
    with pytest.raises(UsageError, match="4 frames"):
        encode(animation(True), Encoding(format_named(name)), "a")


@pytest.mark.parametrize("name", ["gif", "png", "webp", "avif"])
def test_one_frame_is_no_animation(name: str) -> None:
    picture = written(Picture((square(0, False),), format_named("png")), name)
    assert picture.animation is None
    assert len(picture.frames) == 1
