"""The layout of YUV samples is FFmpeg's."""

import av
import numpy as np
import pytest
from support.yuv_layouts import NAMES, TAGS

from ripfdn_cli.video.pixel_formats import bits_of
from ripfdn_cli.video.yuv import ToSamples, frame_of, yuv_format


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
