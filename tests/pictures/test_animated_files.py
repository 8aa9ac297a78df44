import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.pictures.files import Encoding, decode, encode
from ripfdn_cli.pictures.formats import format_named
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
    timing = {"durations": (100.0, 50.0, 200.0, 70.0), "disposals": (2, 2, 2, 2), "plays": 3} | changes
    return Picture(frames, format_named("gif"), animation=Animation(**timing))


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
    assert back.animation.durations == (100, 50, 200, 70)
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


@pytest.mark.parametrize("name", ["gif", "png"])
def test_disposals_survive_where_they_can_be_told(name: str) -> None:
    """All frames are opaque, so that any disposal shows the same."""
    picture = animation(False, disposals=(2, 1, 3, 2))
    assert (back := written(picture, name)).animation is not None
    assert back.animation.disposals == (2, 1, 3, 2)


def test_a_frame_that_would_show_through_the_next_is_cleared() -> None:
    """What was made of frames that replace each other, as in WebP, must not smear in a GIF."""
    picture = animation(True, disposals=(1, 1, 1, 1))
    back = written(picture, "gif")
    assert back.animation is not None
    assert back.animation.disposals[:3] == (2, 2, 2)
    for frame, expected in zip(back.frames, picture.frames, strict=True):
        np.testing.assert_array_equal(frame[..., 3], expected[..., 3])


def test_a_frame_that_the_next_covers_keeps_its_disposal() -> None:
    frames = tuple(np.maximum(square(0), square(left)) for left in (0, 4, 8))
    growing = Picture(frames, format_named("gif"), animation=Animation((10.0,) * 3, (1, 1, 1), 0))
    back = written(growing, "gif")
    assert back.animation is not None
    assert back.animation.disposals == (1, 1, 1)
    for frame, expected in zip(back.frames, frames, strict=True):
        np.testing.assert_array_equal(visible(frame), visible(expected))


@pytest.mark.parametrize("name", ["gif", "png"])
def test_equal_neighbours_stay_frames_of_their_own(name: str) -> None:
    """Pillow's writers join them."""
    frames = (square(0), square(0), square(0), square(8), square(8))
    picture = Picture(
        frames, format_named("gif"), animation=Animation((10.0, 20.0, 30.0, 40.0, 50.0), (1,) * 5, 0)
    )
    back = written(picture, name)
    assert back.animation is not None
    assert back.animation.durations == (10, 20, 30, 40, 50)
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
