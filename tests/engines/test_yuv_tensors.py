"""Colours converted in torch are those of the recommendations, and those that libswscale gives."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ripfdn_cli.engines.yuv_tensors import from_rgb, shrunk, to_rgb
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.pictures.resampling import resize
from ripfdn_cli.video.colour import WRITTEN_CHROMA, Colour, ColourTags, FromRgb, ToRgb
from ripfdn_cli.video.yuv import ToSamples, frame_of, yuv_format

WIDTH, HEIGHT = 48, 40
NAMES = [
    *("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p", "nv12", "p010le"),
    *("yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p12le", "yuv420p9le"),
    *("yuv422p14le", "yuv420p16le", "yuv444p16le"),
]
CASES = [
    pytest.param(name, ColourTags(matrix, 1, 1, full), id=f"{name}-{matrix}-{'full' if full else 'limited'}")
    for name in NAMES
    for matrix in ((1, 4, 5, 6, 7, 9) if name == "yuv420p" else (1, 6, 9))
    for full in (False, True)
    if full or not name.startswith("yuvj")
]
BARS = {
    # Yellow, cyan, green, magenta, red and blue of full strength: Y, Cb, Cr.
    ("yuv444p", 6): (
        255,
        [(210, 16, 146), (170, 166, 16), (145, 54, 34), (106, 202, 222), (81, 90, 240), (41, 240, 110)],
    ),
    ("yuv444p", 1): (
        255,
        [(219, 16, 138), (188, 154, 16), (173, 42, 26), (78, 214, 230), (63, 102, 240), (32, 240, 118)],
    ),
    # Of three quarters' strength, as SMPTE RP 219 has them.
    ("yuv444p10le", 1): (
        49151.25,
        [
            *((674, 176, 543), (581, 589, 176), (534, 253, 207)),
            *((251, 771, 817), (204, 435, 848), (111, 848, 481)),
        ],
    ),
}
COLOURS = [(1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1)]


def layout(
    name: str, tags: ColourTags, width: int = WIDTH, height: int = HEIGHT, chroma: str = "left"
) -> YuvFormat:
    found = yuv_format(name, width, height, tags, chroma)
    assert found is not None
    return found


def soft_picture(kind: YuvFormat) -> NDArray[np.unsignedinteger]:
    """Many colours, without edges that would ring."""
    small = np.random.default_rng(3).integers(0, 256, (kind.height // 6, kind.width // 6, 3), np.uint8)
    pixels = resize(small, kind.width, kind.height)
    return pixels.astype(np.uint16) * 257 if kind.bits > 8 else pixels


def code(kind: YuvFormat) -> int:
    """One of 8 bits in the samples of `kind`."""
    return 1 << (kind.bits - 8 + kind.shift)


@pytest.mark.parametrize(("name", "tags"), CASES)
def test_rgb_becomes_what_libswscale_makes_of_it(name: str, tags: ColourTags) -> None:
    kind = layout(name, tags, chroma=WRITTEN_CHROMA)
    pixels = soft_picture(kind)
    expected = ToSamples(kind)(FromRgb(pixels, name, tags)(pixels))
    samples = from_rgb(torch.from_numpy(pixels), kind).numpy()
    assert samples.dtype == expected.dtype
    assert np.abs(samples.astype(int) - expected).max() <= code(kind)


@pytest.mark.parametrize("chroma", ["left", "center", "topleft"])
@pytest.mark.parametrize(("name", "tags"), CASES)
def test_yuv_becomes_what_libswscale_makes_of_it(name: str, tags: ColourTags, chroma: str) -> None:
    kind = layout(name, tags, chroma=chroma)
    samples = from_rgb(torch.from_numpy(soft_picture(kind)), kind)
    frame = frame_of(samples.numpy(), kind, tags)
    expected = ToRgb(frame, Colour(tags, chroma=chroma))(frame)
    pixels = to_rgb(samples, kind).numpy()
    assert pixels.dtype == expected.dtype
    level = 257 if kind.bits > 8 else 1
    difference = np.abs(pixels.astype(int) - expected)
    assert difference[4:-4, 4:-4].max() <= level
    assert difference.max() <= 2.5 * level  # libswscale moves the filter inward at the edges


@pytest.mark.parametrize(("name", "matrix"), BARS)
def test_colour_bars_have_the_codes_that_they_are_known_by(name: str, matrix: int) -> None:
    strength, codes = BARS[name, matrix]
    kind = layout(name, ColourTags(matrix, 1, 1), width=6, height=1)
    pixels = np.round(np.array([COLOURS]) * strength).astype(np.uint16 if kind.bits > 8 else np.uint8)
    samples = from_rgb(torch.from_numpy(pixels), kind)
    np.testing.assert_array_equal(torch.stack(kind.planes(samples), dim=-1)[0].numpy(), codes)
    back = to_rgb(samples, kind).numpy().astype(int)
    assert np.abs(back - pixels).max() <= (80 if kind.bits > 8 else 1)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", ["yuv420p", "nv12", "yuv420p10le", "p010le", "yuv420p12le", "yuv420p16le"])
def test_each_grey_keeps_its_code(name: str, full: bool) -> None:
    """So that ten bits stay ten bits."""
    kind = layout(name, ColourTags(1, 1, 1, full), width=512, height=2)
    black, white = kind.luma_codes
    greys = np.linspace(black, black + white, 1024).round().astype(kind.dtype)
    samples = np.full(kind.samples, (1 << (kind.bits - 1)) << kind.shift, kind.dtype)
    samples[:1024] = greys << kind.shift
    again = from_rgb(to_rgb(torch.from_numpy(samples), kind), kind).numpy()
    np.testing.assert_array_equal(again, samples)


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_is_at_most_a_code_off(name: str) -> None:
    kind = layout(name, ColourTags(6, 1, 1, full_range=True))
    pixels = soft_picture(kind)
    muted = (pixels // 2 + (np.iinfo(pixels.dtype).max // 4)).astype(
        pixels.dtype
    )  # so that nothing is clipped
    samples = from_rgb(torch.from_numpy(muted), kind)
    again = from_rgb(to_rgb(samples, kind), kind)
    luma, again_luma = (kind.planes(part)[0].int() for part in (samples, again))
    assert (luma - again_luma).abs().max() <= code(kind)
    if kind.subsampling == (0, 0):
        assert (samples.int() - again.int()).abs().max() <= code(kind)


@pytest.mark.parametrize("size", [(15, 15), (16, 17), (33, 24), (3, 2), (1, 1)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "nv12", "yuv444p"])
@pytest.mark.parametrize("chroma", ["left", "center", "topleft"])
def test_a_ramp_of_chroma_is_where_it_should_be_at_odd_sizes(
    name: str, size: tuple[int, int], chroma: str
) -> None:
    """The chroma of column x is that of sample (x − siting) / 2, by a filter that keeps straight lines."""
    width, height = size
    kind = layout(name, ColourTags(1, 1, 1), width, height, chroma)
    samples = np.full(kind.samples, 112 << (kind.bits - 8), kind.dtype)
    ramp = 100 + 2 * np.arange(kind.chroma_shape[1])
    kind.planes(samples)[1][:] = 128 << (kind.bits - 8)
    kind.planes(samples)[2][:] = ramp << (kind.bits - 8)
    pixels = to_rgb(torch.from_numpy(samples), kind).numpy()
    assert pixels.shape == (height, width, 3)
    red = pixels[..., 0] / np.iinfo(pixels.dtype).max
    found = (red - 96 / 219) / (2 * (1 - 0.2126)) * 224 + 128
    step = 1 << kind.subsampling[0]
    siting = kind.siting[0] if step == 2 else 0
    expected = 100 + 2 * (np.arange(width) - siting) / step
    inner = slice(2 * step, width - 2 * step)
    assert np.abs(found[:, inner] - expected[inner]).max(initial=0) < 0.4
    again = kind.planes(from_rgb(torch.from_numpy(pixels), kind))[2].numpy() / 2 ** (kind.bits - 8)
    assert again.shape == kind.chroma_shape
    assert np.abs(again - ramp)[:, 3:-3].max(initial=0) <= 1


def test_colours_beyond_rgb_are_clipped() -> None:
    kind = layout("yuv444p", ColourTags(1, 1, 1), width=2, height=1)
    samples = torch.tensor([255, 0, 128, 128, 128, 128], dtype=torch.uint8)
    assert to_rgb(samples, kind).tolist() == [[[255] * 3, [0] * 3]]


def test_what_is_shrunk_are_means_in_the_type_that_is_asked_for() -> None:
    pixels = torch.tensor([[[10], [20]], [[30], [41]]], dtype=torch.uint8).expand(2, 2, 3)
    assert shrunk(pixels, 2, torch.uint8).tolist() == [[[25, 25, 25]]]
    deep = shrunk(pixels, 2, torch.uint16)
    assert (deep.dtype, deep[0, 0, 0].item()) == (torch.uint16, round(25.25 * 257))
    assert shrunk(deep, 1, torch.uint8).tolist() == [[[25, 25, 25]]]
