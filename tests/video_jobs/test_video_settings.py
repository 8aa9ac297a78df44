"""What is asked for of a video, checked when it is made."""

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.video_jobs.video_settings import FrameOptions, VideoSettings


@pytest.mark.parametrize("segment", [0, -3])
def test_a_segment_has_a_frame_at_least(segment: int) -> None:
    with pytest.raises(UsageError, match=f"{segment} is less than 1 frame"):
        VideoSettings(segment=segment)


@pytest.mark.parametrize("options", [{"quality": 0}, {"quality": 101}, {"depth": 12}])
def test_pictures_have_a_quality_and_a_depth_that_there_are(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="is not"):
        FrameOptions(**options)  # type: ignore[arg-type]


def test_by_default_nothing_is_lost_or_converted() -> None:
    settings = VideoSettings()
    assert (settings.reading.drop, settings.reading.bad_frames) == ((), "error")
    assert settings.encoding.audio == "copy"
    assert settings.background is None
