import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.animated_pictures import square, written
from support.animations import GifFrame, gif_of, read_by_ffmpeg

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import decode

KEEP, CLEAR, RESTORE = 1, 2, 3
KEY = 5
PALETTE = [(2 * i, 255 - i, 3 * i % 256) for i in range(128)]
OTHER = [(i, i // 2, 255 - 2 * i) for i in range(128)]


def indices(height: int, width: int, *, holes: bool = False) -> NDArray[np.uint8]:
    """Numbers of colours from 6; `KEY` in every third place of some rows with `holes`."""
    found = (np.arange(height)[:, None] * 7 + np.arange(width) * 3) % 120 + 6
    found[::2, ::3] = KEY if holes else 6
    return found.astype(np.uint8)


def frame(
    pixels: NDArray[np.uint8],
    corner: tuple[int, int],
    disposal: int,
    *,
    transparent: bool = True,
    palette: list[tuple[int, int, int]] = PALETTE,
) -> GifFrame:
    return GifFrame(pixels, corner, palette, KEY if transparent else None, disposal, 10)


def colours(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.array([(*colour, 255) for colour in PALETTE], np.uint8)[pixels]


@pytest.mark.parametrize("disposals", [(CLEAR, CLEAR, KEEP), (RESTORE, KEEP, CLEAR), (KEEP, RESTORE, KEEP)])
@pytest.mark.parametrize("opaque_first", [False, True])
def test_gif_frames_show_as_in_ffmpeg(opaque_first: bool, disposals: tuple[int, ...]) -> None:
    """Sprites over a first frame that may have no transparent entry, cleared and restored."""
    content = gif_of(
        (24, 20),
        [
            frame(indices(20, 24), (0, 0), KEEP, transparent=not opaque_first),
            frame(indices(8, 9, holes=True), (2, 3), disposals[0]),
            frame(indices(7, 6, holes=True), (5, 4), disposals[1], palette=OTHER),
            frame(indices(5, 5, holes=True), (19, 15), disposals[2]),
        ],
        KEY,
    )
    found, expected = decode(content, "a").frames, np.array(read_by_ffmpeg(content, "gif"))
    visible = expected[..., 3] > 0
    assert (found[0].shape[2] == 3) == visible.all()
    np.testing.assert_array_equal(np.array(found)[visible], expected[visible][:, : found[0].shape[2]])
    if not visible.all():
        np.testing.assert_array_equal(np.array(found)[..., 3], expected[..., 3])


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("disposal", [CLEAR, RESTORE])
def test_a_first_frame_that_is_taken_away_leaves_nothing(disposal: int, transparent: bool) -> None:
    """As in browsers; FFmpeg has the background's colour there where the first frame is opaque."""
    first, sprite = indices(8, 10), indices(4, 4)
    content = gif_of(
        (10, 8),
        [frame(first, (0, 0), disposal, transparent=transparent), frame(sprite, (3, 2), KEEP)],
    )
    expected = np.zeros((8, 10, 4), np.uint8)
    expected[2:6, 3:7] = colours(sprite)
    np.testing.assert_array_equal(decode(content, "a").frames[1], expected)


@pytest.mark.parametrize("transparent", [False, True])
def test_a_still_gif_is_transparent_where_nothing_is_drawn(transparent: bool) -> None:
    part = indices(4, 5)
    content = gif_of((10, 8), [frame(part, (3, 2), KEEP, transparent=transparent)])
    picture = decode(content, "a")
    expected = np.zeros((8, 10, 4), np.uint8)
    expected[2:6, 3:8] = colours(part)
    assert picture.animation is None
    np.testing.assert_array_equal(picture.frames[0], expected)


def test_a_transparent_entry_that_no_pixel_has_makes_no_alpha() -> None:
    whole = indices(8, 10)
    found = decode(gif_of((10, 8), [frame(whole, (0, 0), KEEP)]), "a").frames[0]
    np.testing.assert_array_equal(found, colours(whole)[..., :3])


@pytest.mark.parametrize("holes", [False, True])
def test_a_still_gif_in_greys_stays_grey(holes: bool) -> None:
    greys = [(2 * i, 2 * i, 2 * i) for i in range(128)]
    pixels = indices(8, 10, holes=holes)
    found = decode(gif_of((10, 8), [frame(pixels, (0, 0), KEEP, palette=greys)]), "a").frames[0]
    shown = pixels != KEY
    assert found.shape == (8, 10, 2 if holes else 1)
    np.testing.assert_array_equal(found[..., 0][shown], 2 * pixels[shown])


@pytest.mark.parametrize("interlace", [False, True])
def test_interlaced_rows_are_where_they_belong(interlace: bool) -> None:
    image = Image.fromarray(indices(17, 13)).convert("P")
    stream = io.BytesIO()
    image.save(stream, "GIF", interlace=interlace)
    assert (decode(stream.getvalue(), "a").frames[0][..., 0] == indices(17, 13)).all()


@pytest.mark.parametrize("at", ["before", "after"])
def test_comments_are_read_wherever_they_are(at: str) -> None:
    content = gif_of((10, 8), [frame(indices(8, 10), (0, 0), KEEP), frame(indices(4, 4), (0, 0), KEEP)])
    comment, place = b"!\xfe\3one\0!\xfe\3two\0", 13 + 3 * 128 if at == "before" else len(content) - 1
    picture = decode(content[:place] + comment + content[place:], "a")
    assert picture.metadata.comment == b"one\ntwo"


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
