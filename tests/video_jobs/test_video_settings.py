"""What is asked for of a video, checked when it is made."""

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.video_jobs.video_settings import VideoSettings


@pytest.mark.parametrize("segment", [0, -3])
def test_a_segment_has_a_frame_at_least(segment: int) -> None:
    with pytest.raises(UsageError, match=f"{segment} is less than 1 frame"):
        VideoSettings(segment=segment)


def test_by_default_nothing_is_lost_or_converted() -> None:
    settings = VideoSettings()
    assert (settings.reading.drop, settings.reading.bad_frames) == ((), "error")
    assert settings.encoding.audio == "copy"
    assert settings.background is None
