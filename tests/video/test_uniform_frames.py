"""A video that changes its size, format or range on its way becomes one of the first ones."""

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.joined_files import concatenated
from support.video_clips import Clip, Tags, make_clip, picture

from ripfdn_cli.video.files import probe, scan
from ripfdn_cli.video.frames import VideoFrames
from ripfdn_cli.video.uniform_frames import FrameKind, UniformFrames

FIRST = Clip(frames=8, width=64, height=48, options={"crf": "5"})
OTHERS = {
    "smaller": Clip(frames=8, width=48, height=32, options={"crf": "5"}),
    "in 4:4:4": Clip(frames=8, width=64, height=48, pixel_format="yuv444p", options={"crf": "5"}),
    "another matrix": Clip(frames=8, width=64, height=48, tags=Tags(1, 1, 1, 1), options={"crf": "5"}),
    "full range": Clip(frames=8, width=64, height=48, tags=Tags(colour_range=2), options={"crf": "5"}),
}


def changing(folder: Path, other: Clip) -> Path:
    """Eight frames like `FIRST`, then eight like `other`."""
    parts = [make_clip(folder / f"{number}.ts", clip) for number, clip in enumerate((FIRST, other))]
    return concatenated(folder / "joined.ts", *parts)


def frames_of(path: Path) -> VideoFrames:
    info = probe(path)
    scanned = scan(path, info.index)
    return VideoFrames(path, info, scanned.times, joints=scanned.joints)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("first", [0, 12])
def test_frames_of_another_kind_show_the_same_in_the_first_ones_size(
    name: str, first: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = changing(tmp_path, OTHERS[name])
    with caplog.at_level(logging.WARNING):
        made = list(frames_of(path)(first, {}))
    assert [frame.index for frame in made] == list(range(first, 16))
    for frame in made:
        assert frame.pixels.shape == (48, 64, 3)
        wanted = picture(frame.index % 8, 64, 48)
        # The same patches, away from their edges: a wrong range would be off by 16 and more.
        for row, column in ((18, 8), (18, 24), (36, 40), (36, 56)):
            near = frame.pixels[row - 2 : row + 3, column - 2 : column + 3].reshape(-1, 3).mean(axis=0)
            assert np.abs(near - wanted[row, column]).max() < 12
    warned = [text for record in caplog.records if "converted" in (text := record.getMessage())]
    assert len(warned) == 1
    assert "frame 8 at " in warned[0]


def test_pixels_that_change_their_shape_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As broadcasts do between 4:3 and 16:9: nothing is as large as before that would show them right."""
    narrow = Clip(frames=8, width=64, height=48, aspect=Fraction(8, 9))
    parts = [
        make_clip(tmp_path / f"{number}.ts", replace(narrow, aspect=Fraction(number, 9)))
        for number in (8, 8, 32)
    ]
    list(frames_of(concatenated(tmp_path / "same.ts", *parts[:2]))())
    assert not caplog.text
    list(frames_of(concatenated(tmp_path / "joined.ts", *parts[1:]))())
    (record,) = caplog.records
    assert "frame 8 at " in record.getMessage()
    assert "pixels of another shape (32:9 instead of 8:9)" in record.getMessage()


def test_frames_of_the_first_kind_are_left_alone(tmp_path: Path) -> None:
    told: list[Any] = []
    uniform = UniformFrames(FrameKind(64, 48, "yuv420p", False, 6), lambda *what: told.append(what))
    frame = av.VideoFrame(64, 48, "yuv420p")
    assert uniform(0, frame) is frame
    assert uniform(1, av.VideoFrame(32, 16, "yuv420p")).width == 64
    assert uniform(2, av.VideoFrame(32, 16, "yuv420p")).width == 64
    assert told == [(1, FrameKind(32, 16, "yuv420p", False, 6))]
