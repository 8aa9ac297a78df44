import av
import numpy as np
import pytest
from support.yuv_layouts import NAMES, TAGS

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.colour import ColourTags
from ripfdn_cli.video.yuv import ToSamples, frame_of, yuv_format


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
