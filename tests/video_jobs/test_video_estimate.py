"""What a video would take grows with what there is to do."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest
from support.video_clips import Clip, make_clip

from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video_jobs.video_estimate import VideoEstimator, frames_held
from ripfdn_cli.video_jobs.video_plan import plan_video
from ripfdn_cli.video_jobs.video_settings import ReadingOptions, VideoSettings


@pytest.fixture
def network(bilinear_weights: Path) -> NetworkSettings:
    return NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)


def test_time_goes_by_the_frames_to_compute(tmp_path: Path, network: NetworkSettings) -> None:
    short, long = (make_clip(tmp_path / f"{n}.mkv", Clip(frames=n)) for n in (4, 12))
    twice = VideoSettings(reading=ReadingOptions(fps=Fraction(48)))
    with closing(VideoEstimator(network)) as estimator:
        seconds = [
            estimator.estimate(plan_video([path], tmp_path / "out.mkv", settings, network)).seconds
            for path, settings in ((short, VideoSettings()), (long, VideoSettings()), (long, twice))
        ]
    assert seconds[0] > 0
    assert seconds[1] == pytest.approx(3 * seconds[0])
    assert seconds[2] == seconds[1]  # frames shown twice are computed once


def test_memory_is_for_the_frames_that_wait(tmp_path: Path, network: NetworkSettings) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=4))
    plan = plan_video([source], tmp_path / "out.mkv", VideoSettings(), network)
    frame, result = 48 * 32 * 3, 192 * 128 * 3
    # 8 ahead; 5 at the network or behind, with results; 2 on their way to the encoder, which has 60 in 4:2:0.
    assert frames_held(plan, 1) == (8 + 5) * frame + (5 + 2) * result + 60 * 192 * 128 * 3 // 2
    with closing(VideoEstimator(network)) as estimator:
        assert estimator.estimate(plan).memory > frames_held(plan, 1)
    pictures = plan_video([source], tmp_path / "%d.png", VideoSettings(), network)
    assert frames_held(pictures, 1) == (8 + 5) * frame + (5 + 2) * result
    animation = plan_video([source], tmp_path / "out.webp", VideoSettings(), network)
    assert frames_held(animation, 1) - frames_held(pictures, 1) == 2 * 4 * 4 * 192 * 128
