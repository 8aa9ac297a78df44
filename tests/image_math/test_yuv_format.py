"""The layout of YUV samples is FFmpeg's."""

import av
import numpy as np
import pytest

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.colour import ColourTags
from ripfdn_cli.video.pixel_formats import bits_of
from ripfdn_cli.video.yuv import ToSamples, frame_of, yuv_format

TAGS = ColourTags(1, 1, 1, full_range=True)
NAMES = [
    *(
        f"yuv{chroma}p{suffix}"
        for chroma in (420, 422, 444)
        for suffix in ("", "9le", "10le", "12le", "14le", "16le")
    ),
    *("yuvj420p", "yuvj422p", "yuvj444p", "nv12", "p010le"),
]


@pytest.mark.parametrize("size", [(64, 48), (71, 55), (1, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_planes_are_as_ffmpeg_has_them(name: str, size: tuple[int, int]) -> None:
    layout = yuv_format(name, *size, TAGS, "left")
    assert layout is not None
    described = av.VideoFormat(name, *size)
    assert layout.bits == bits_of(described)
    assert layout.chroma_shape == (described.chroma_height(), described.chroma_width())
    frame = av.VideoFrame(*size, name)
    samples = np.arange(layout.samples).astype(layout.dtype)
    stored = layout.stored(samples)
    assert len(stored) == len(frame.planes)
    assert sum(lines.size for lines in stored) == samples.size
    assert sum(plane.size for plane in layout.planes(samples)) == samples.size
    assert all(np.shares_memory(plane, samples) for plane in layout.planes(samples))


@pytest.mark.parametrize("size", [(64, 48), (71, 55), (1, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_a_frame_are_what_it_is_made_of(name: str, size: tuple[int, int]) -> None:
    layout = yuv_format(name, *size, TAGS, "left")
    assert layout is not None
    top = 2**layout.bits
    samples = np.random.default_rng(2).integers(0, top, layout.samples).astype(layout.dtype) << layout.shift
    frame = frame_of(samples, layout, TAGS)
    assert (frame.width, frame.height, frame.format.name) == (*size, name)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 2)
    np.testing.assert_array_equal(ToSamples(layout)(frame), samples)


def test_interleaved_chroma_is_the_same_chroma() -> None:
    """By FFmpeg's own way from one layout to the other."""
    for planar, interleaved in (("yuv420p", "nv12"), ("yuv420p10le", "p010le")):
        one, other = (yuv_format(name, 18, 10, TAGS, "left") for name in (planar, interleaved))
        assert one is not None
        assert other is not None
        samples = np.random.default_rng(4).integers(0, 2**one.bits, one.samples).astype(one.dtype)
        frame = frame_of(samples, one, TAGS).reformat(format=interleaved)
        for a, b in zip(one.planes(samples), other.planes(ToSamples(other)(frame)), strict=True):
            np.testing.assert_array_equal(a << other.shift, b)


@pytest.mark.parametrize(
    "name", ["rgb24", "yuva420p", "gray", "yuv410p", "yuv420p10be", "gbrp", "yuyv422", "p016le"]
)
def test_other_formats_are_none_of_ours(name: str) -> None:
    assert yuv_format(name, 64, 48, TAGS, "left") is None


def test_what_tags_can_not_say_is_none_of_ours() -> None:
    assert yuv_format("yuv420p", 64, 48, ColourTags(8), "left") is None  # YCgCo
    assert (
        yuv_format("yuvj420p", 64, 48, ColourTags(1), "left") is None
    )  # full by its name, limited by its tags


def test_a_change_on_the_way_is_an_error() -> None:
    layout = yuv_format("yuv420p", 64, 48, TAGS, "left")
    assert layout is not None
    with pytest.raises(InputError, match=r"change from 64×48 yuv420p to 32×48 nv12"):
        ToSamples(layout)(av.VideoFrame(32, 48, "nv12"))
