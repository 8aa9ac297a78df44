"""Colours come out as BT.601, BT.709 and BT.2020 define them, both ways; the formulas here are their own."""

import itertools
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support.video_facts import planes, tags_of

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.colour import (
    BT709,
    RGB_MATRIX,
    Colour,
    ColourTags,
    FromRgb,
    ToRgb,
    colour_of,
    output_tags,
)

LUMA = {5: (0.299, 0.114), 6: (0.299, 0.114), 1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
"""Matrix → the weights of red and blue in luma."""
SIDE = 16
PALETTE = np.array(list(itertools.product([0, 0.25, 0.5, 0.75, 1], repeat=3)))


def yuv_codes(rgb: NDArray[Any], matrix: int, full: bool, bits: int) -> list[NDArray[Any]]:
    """Codes of `rgb` (…, 3) in 0..1 by the recommendations' formulas, before rounding."""
    red, blue = LUMA[matrix]
    r, g, b = (rgb[..., channel] for channel in range(3))
    luma = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - luma) / (2 * (1 - blue)), (r - luma) / (2 * (1 - red))
    if full:
        top, middle = 2**bits - 1, 2 ** (bits - 1)
        return [luma * top, cb * top + middle, cr * top + middle]
    step = 2 ** (bits - 8)
    return [(16 + 219 * luma) * step, (128 + 224 * cb) * step, (128 + 224 * cr) * step]


def yuv_frame(rgb: NDArray[Any], pixel_format: str, matrix: int, full: bool) -> av.VideoFrame:
    """Patches of the colours `rgb` (N, 3), each SIDE px wide."""
    bits = 10 if "10" in pixel_format else 8
    frame = av.VideoFrame(len(rgb) * SIDE, SIDE, pixel_format)
    patches = np.repeat(rgb, SIDE, axis=0)[None].repeat(SIDE, axis=0)
    for plane, codes in zip(frame.planes, yuv_codes(patches, matrix, full, bits), strict=True):
        step_x, step_y = frame.width // plane.width, frame.height // plane.height
        samples = np.clip(np.round(codes[::step_y, ::step_x]), 0, 2**bits - 1)
        samples = samples.astype(np.uint16 if bits > 8 else np.uint8)
        lines = np.zeros((plane.height, plane.line_size), np.uint8)
        lines[:, : samples.shape[1] * samples.itemsize] = samples.view(np.uint8).reshape(plane.height, -1)
        plane.update(lines.tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


CASES = [
    pytest.param(pixel_format, matrix, full, id=f"{pixel_format}-{matrix}-{'full' if full else 'limited'}")
    for pixel_format in ("yuv420p", "yuv444p", "yuv420p10le", "yuv422p10le")
    for matrix in (1, 6, 9)
    for full in (False, True)
]


@pytest.mark.parametrize(("pixel_format", "matrix", "full"), CASES)
def test_yuv_becomes_the_rgb_it_was_made_of(pixel_format: str, matrix: int, full: bool) -> None:
    frame = yuv_frame(PALETTE, pixel_format, matrix, full)
    pixels = ToRgb(frame, colour_of(frame, "h264"))(frame)
    assert pixels.dtype == (np.uint16 if "10" in pixel_format else np.uint8)
    middles = pixels[SIDE // 2, SIDE // 2 :: SIDE] / np.iinfo(pixels.dtype).max * 255
    assert np.abs(middles - PALETTE * 255).max() < 2


@pytest.mark.parametrize(("pixel_format", "matrix", "full"), CASES)
def test_rgb_becomes_the_yuv_that_the_formulas_give(pixel_format: str, matrix: int, full: bool) -> None:
    bits = 10 if "10" in pixel_format else 8
    top = 65535 if bits > 8 else 255
    patches = np.repeat(PALETTE, SIDE, axis=0)[None].repeat(SIDE, axis=0)
    pixels = np.round(patches * top).astype(np.uint16 if bits > 8 else np.uint8)
    tags = ColourTags(matrix, 9 if matrix == 9 else 1, 1, full)
    frame = FromRgb(pixels, pixel_format, tags)(pixels)
    assert tags_of(frame) == (matrix, tags.primaries, 1, 2 if full else 1)
    for plane, codes in zip(planes(frame), yuv_codes(PALETTE, matrix, full, bits), strict=True):
        step = SIDE * plane.shape[1] // frame.width
        found = plane[plane.shape[0] // 2, step // 2 :: step].astype(float)
        assert np.abs(found - np.clip(codes, 0, 2**bits - 1)).max() <= 1.5 * 2 ** (bits - 8)


@pytest.mark.parametrize(("pixel_format", "matrix", "full"), CASES)
def test_rounding_leans_to_no_side(pixel_format: str, matrix: int, full: bool) -> None:
    """Half a code on average, as libswscale has it, gives all of a video a tint."""
    bits = 10 if "10" in pixel_format else 8
    top = 65535 if bits > 8 else 255
    levels = np.random.default_rng(0).integers(0, top + 1, (600, 3))
    patches = np.repeat(levels, SIDE, axis=0)[None].repeat(SIDE, axis=0)
    pixels = patches.astype(np.uint16 if bits > 8 else np.uint8)
    frame = FromRgb(pixels, pixel_format, ColourTags(matrix, 1, 1, full))(pixels)
    for plane, codes in zip(planes(frame), yuv_codes(levels / top, matrix, full, bits), strict=True):
        step = SIDE * plane.shape[1] // frame.width
        found = plane[plane.shape[0] // 2, step // 2 :: step].astype(float)
        assert abs(np.mean(found - codes)) < 0.1


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("pixel_format", "bits"), [("yuv420p10le", 10), ("yuv444p12le", 12)])
def test_deep_greys_come_back_as_they_were_and_white_is_white(
    pixel_format: str, bits: int, full: bool
) -> None:
    codes = np.arange(2**bits) if full else np.arange(16 << (bits - 8), (235 << (bits - 8)) + 1)
    frame = av.VideoFrame(2 * len(codes), 2, pixel_format)
    for plane, levels in zip(frame.planes, (codes, 2 ** (bits - 1), 2 ** (bits - 1)), strict=True):
        lines = np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)
        lines[:, : plane.width] = np.repeat(np.broadcast_to(levels, codes.shape), plane.width // len(codes))
    frame.colorspace, frame.color_range = 1, 2 if full else 1
    tags = ColourTags(1, 1, 1, full)
    pixels = ToRgb(frame, Colour(tags))(frame)
    assert (pixels[0, 0] == 0).all()
    assert (pixels[0, -1] == 65535).all()
    luma, *_ = planes(FromRgb(pixels, pixel_format, tags)(pixels))
    assert np.array_equal(luma[0, ::2], codes)


def test_the_wrong_matrix_would_be_noticed() -> None:
    frame = yuv_frame(PALETTE, "yuv444p", matrix=6, full=False)
    pixels = ToRgb(frame, Colour(ColourTags(BT709, 1, 1)))(frame)
    assert np.abs(pixels[SIDE // 2, SIDE // 2 :: SIDE] - PALETTE * 255).max() > 20


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("codec", "across"), [("ffv1", 0.0), ("h264", 0.0), ("hevc", 0.0), ("mpeg2video", 0.0), ("mjpeg", 0.25)]
)
def test_chroma_lies_where_the_codec_has_it(axis: int, codec: str, across: float) -> None:
    """On a ramp of chroma the position can be read off: left means over the left one of two columns of luma,
    and in the middle of two lines; of JPEG in the middle of four pixels.
    """
    side = 64
    frame = av.VideoFrame(side, side, "yuv420p")
    ramp = 96 + 2 * np.arange(side // 2)
    chroma = np.broadcast_to(ramp if axis else ramp[:, None], (side // 2, side // 2)).astype(np.uint8)
    for plane, samples in zip(frame.planes, (None, None, chroma), strict=True):
        lines = np.full((plane.height, plane.line_size), 128, np.uint8)
        if samples is not None:
            lines[:, : samples.shape[1]] = samples
        plane.update(lines.tobytes())
    frame.colorspace, frame.color_range = 1, 1
    pixels = ToRgb(frame, colour_of(frame, codec))(frame).astype(float) / 255
    cr = (pixels[..., 0] - 112 / 219) / 1.5748 * 224 + 128
    line = cr[side // 2] if axis else cr[:, side // 2]
    position = (line - 96) / 2
    offset = (np.arange(side) / 2 - position)[16:48].mean()
    assert offset == pytest.approx(across if axis else 0.25, abs=0.05)


@pytest.mark.parametrize("axis", [0, 1])
def test_chroma_is_put_to_the_left_of_its_pixels(axis: int) -> None:
    """The other way round: chroma i is that of the ramp at column 2i, or between two lines."""
    side = 64
    cr = (96 + np.arange(side) - 128) / 224
    line = np.stack([112 / 219 + 1.5748 * cr, 112 / 219 - 0.4681 * cr, np.full(side, 112 / 219)], axis=-1)
    picture = np.broadcast_to(line[None] if axis else line[:, None], (side, side, 3))
    pixels = np.ascontiguousarray(np.round(np.clip(picture, 0, 1) * 65535).astype(np.uint16))
    plane = planes(FromRgb(pixels, "yuv420p10le", ColourTags(1, 1, 1))(pixels))[2] / 4 - 96
    position = plane[side // 4] if axis else plane[:, side // 4]
    offset = (position - 2 * np.arange(side // 2))[8:24].mean()
    assert offset == pytest.approx(0.0 if axis else 0.5, abs=0.15)


def test_the_range_is_the_one_that_was_decided_on() -> None:
    frame = yuv_frame(PALETTE, "yuv444p", matrix=1, full=True)
    frame.color_range = 0  # the file doesn't say
    pixels = ToRgb(frame, Colour(ColourTags(1, 1, 1, full_range=True)))(frame)
    assert np.abs(pixels[SIDE // 2, SIDE // 2 :: SIDE] - PALETTE * 255).max() < 2


def test_untagged_colours_are_taken_for_what_their_size_suggests() -> None:
    for size, matrix in (((720, 480), 6), ((720, 576), 5), ((1280, 720), 1), ((640, 360), 6)):
        colour = colour_of(av.VideoFrame(*size, "yuv420p"), "h264")
        assert (colour.tags.matrix, colour.tags.full_range) == (matrix, False)
        assert colour.guessed == ("matrix", "range")


def test_colours_that_would_come_out_wrong_are_refused() -> None:
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    frame.colorspace = 14  # ICtCp
    with pytest.raises(InputError, match="matrix 14"):
        colour_of(frame, "hevc")


def test_grey_has_no_matrix() -> None:
    """FFmpeg gives that of RGB to grey PNGs in QuickTime."""
    frame = av.VideoFrame.from_ndarray(np.full((48, 64), 77, np.uint8), format="gray")
    frame.colorspace, frame.color_range = RGB_MATRIX, 2
    colour = colour_of(frame, "png")
    assert (ToRgb(frame, colour)(frame) == 77).all()


def test_rgb_that_becomes_yuv_is_tagged_as_bt709() -> None:
    tags = output_tags(ColourTags(RGB_MATRIX, full_range=True), "yuv420p")
    assert tags == ColourTags(1, 1, 1, full_range=False)
    source = ColourTags(9, 9, 16, full_range=False)
    assert output_tags(source, "yuv420p10le") == source


def test_a_format_that_says_its_range_has_it() -> None:
    """FFmpeg's older names for formats of full range."""
    for source in (ColourTags(6, 6, 6), ColourTags(RGB_MATRIX, full_range=True)):
        assert output_tags(source, "yuvj420p").full_range
        assert not output_tags(source, "yuv420p").full_range


def test_codecs_that_can_not_state_the_range_have_the_limited_one() -> None:
    full = ColourTags(6, 6, 6, full_range=True)
    assert not output_tags(full, "yuv422p10le", states_range=False).full_range
    assert output_tags(full, "yuv422p10le").full_range
    assert output_tags(full, "gbrp", states_range=False).full_range


def test_alpha_is_a_fourth_channel() -> None:
    frame = av.VideoFrame(32, 32, "yuva444p")
    for plane, value in zip(frame.planes, (126, 128, 128, 77), strict=True):
        plane.update(bytes([value]) * (plane.height * plane.line_size))
    frame.colorspace, frame.color_range = 1, 1
    pixels = ToRgb(frame, colour_of(frame, "ffv1"))(frame)
    assert pixels.shape == (32, 32, 4)
    assert (pixels[..., 3] == 77).all()


def test_a_change_of_size_on_the_way_is_an_error() -> None:
    first = av.VideoFrame(64, 48, "yuv420p")
    convert = ToRgb(first, colour_of(first, "h264"))
    with pytest.raises(InputError, match=r"change from 64×48 .* to 32×48"):
        convert(av.VideoFrame(32, 48, "yuv420p"))
