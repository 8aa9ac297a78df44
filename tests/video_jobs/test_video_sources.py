"""Frames from videos, numbered pictures and animations, with their times."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.interlaced_clips import combing, unmarked
from support.sample_pictures import smooth
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.video_jobs.video_settings import ReadingOptions
from ripfdn_cli.video_jobs.video_sources import animation_source, sequence_source, video_source

pytestmark = pytest.mark.any_precision


def test_a_video_gives_its_frames_at_their_times(tmp_path: Path) -> None:
    times = [0, 1000, 2500, 3000, 7000]
    make_clip(tmp_path / "clip.mkv", Clip(frames=5, times=times, time_base=Fraction(1, 1000)))
    source = video_source(tmp_path / "clip.mkv", ReadingOptions(), tmp_path)
    base = source.timeline.time_base
    assert [int(pts) * base for pts in source.timeline.pts] == [Fraction(t, 1000) for t in times]
    assert [frame.index for frame in source.frames(0, {})] == [0, 1, 2, 3, 4]
    assert (source.width, source.height, source.samples) == (48, 32, "uint8")
    cut = ReadingOptions(start=Fraction(1), end=Fraction(3))
    some = video_source(tmp_path / "clip.mkv", cut, tmp_path)
    assert some.timeline.source.tolist() == [1, 2]


def test_numbered_pictures_need_a_rate_and_one_size(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(smooth(20, 30)).save(tmp_path / f"{number + 4:03}.png")
    with pytest.raises(UsageError, match="give one with `fps`"):
        sequence_source([tmp_path], ReadingOptions())
    source = sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)))
    assert source.first_number == 4
    assert [int(pts) * source.timeline.time_base for pts in source.timeline.pts] == [
        Fraction(number, 25) for number in range(3)
    ]
    np.testing.assert_array_equal(next(source.frames(1, {})).pixels, smooth(20, 30))
    Image.fromarray(smooth(20, 31)).save(tmp_path / "006.png")
    source = sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)))
    with pytest.raises(InputError, match="31×20"):
        list(source.frames(0, {}))


def test_an_animation_keeps_its_durations_and_a_still_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(smooth(20, 30)), Image.fromarray(smooth(20, 30)[::-1].copy())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[30, 250], loop=0)
    source = animation_source(tmp_path / "a.gif", ReadingOptions())
    base = source.timeline.time_base
    assert [int(duration) * base for duration in source.timeline.durations] == [
        Fraction(3, 100),
        Fraction(25, 100),
    ]
    frames[0].save(tmp_path / "b.png")
    with pytest.raises(UsageError, match="still picture"):
        animation_source(tmp_path / "b.png", ReadingOptions())


@pytest.mark.parametrize("kind", ["turned", "on a background"])
def test_frames_made_of_others_are_found_by_seeking(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gop = "keyint=8:min-keyint=8:scenecut=0"
    make_clip(tmp_path / "in.mkv", Clip(frames=30, options={"x264-params": gop}))
    source = video_source(tmp_path / "in.mkv", ReadingOptions(), tmp_path)
    made = source.turned(6) if kind == "turned" else source.without_alpha((0, 0, 0))
    whole = list(made.frames(0, {}))
    before = {frame.index: frame.checksum for frame in whole[18:20]}
    with caplog.at_level("DEBUG"):
        again = list(made.frames(20, before))
    assert "seeking" not in caplog.text
    for first, second in zip(whole[20:], again, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)
    shape = (48, 32, 3) if kind == "turned" else (32, 48, 3)
    assert again[0].pixels.shape == shape
    assert source.turned(6).reading != source.reading


@pytest.mark.parametrize(("order", "first"), [("tt", 0), ("bb", 1)])
def test_fields_that_the_file_alone_tells_of_are_made_whole(order: str, first: int, tmp_path: Path) -> None:
    """The lines of the field that shows first stay, those of the other one are made anew."""
    path = unmarked(tmp_path / "clip.mov", order)
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert not any(frame.interlaced_frame for frame in decoded)
    raw = [frame.to_ndarray(format="rgb24") for frame in decoded]
    for options in (ReadingOptions(), ReadingOptions(deinterlace=True)):
        source = video_source(path, options, tmp_path)
        whole = [frame.pixels for frame in source.frames(0, None)]
        assert len(whole) == 10
        assert combing(whole[3]) < combing(raw[3]) / 4
        assert np.abs(whole[3][first::2].astype(int) - raw[3][first::2]).max() <= 2
    untouched = video_source(path, ReadingOptions(deinterlace=False), tmp_path)
    assert np.array_equal(list(untouched.frames(0, None))[3].pixels, raw[3])


def test_frames_that_nothing_tells_of_are_made_whole_where_that_is_asked(tmp_path: Path) -> None:
    path = unmarked(tmp_path / "clip.mov", "progressive")
    as_it_is, whole = (
        list(video_source(path, ReadingOptions(deinterlace=asked), tmp_path).frames(0, None))
        for asked in (None, True)
    )
    assert combing(whole[3].pixels) < combing(as_it_is[3].pixels) / 4
