"""Videos of one command: named, made, and skipped when they are done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video_jobs.video_batch import VideoBatch, VideoTask, plan_videos
from ripfdn_cli.video_jobs.video_request import VideoRequest, find_videos
from ripfdn_cli.video_jobs.video_run import VideoProgress
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, VideoSettings

pytestmark = pytest.mark.any_precision


@contextmanager
def silent(task: VideoTask) -> Iterator[VideoProgress]:
    yield lambda done, total, written: None


def planned(weights: Path, request: VideoRequest, preset: str = "ultrafast") -> VideoBatch:
    network = NetworkSettings(weights=str(weights), devices=("cpu",), engine="torch", threads=1)
    settings = VideoSettings(encoding=EncodingOptions(preset=preset))
    return plan_videos(request, find_videos(request), settings, network)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.mp4", "b.mkv"):
        make_clip(folder / name, Clip(frames=3))
    return folder


def test_a_folder_becomes_a_folder_and_a_second_run_skips(
    enlarging_weights: dict[int, Path], clips: Path, tmp_path: Path
) -> None:
    request = VideoRequest((clips,), str(tmp_path / "out") + "/")
    first = list(planned(enlarging_weights[2], request).run(silent))
    assert [outcome.task.output.name for outcome in first] == ["a.mp4", "b.mkv"]
    for outcome in first:
        with av.open(str(outcome.task.output)) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 64)
            assert sum(1 for _ in container.decode(video=0)) == 3
    again = list(planned(enlarging_weights[2], request).run(silent))
    assert [(outcome.facts, outcome.error) for outcome in again] == [(None, None)] * 2
    (clips / "b.mkv").unlink()
    make_clip(clips / "b.mkv", Clip(frames=4))
    other = VideoRequest((clips,), request.output, overwrite=True, skip_existing=True)
    third = {
        outcome.task.output.name: outcome for outcome in planned(enlarging_weights[2], other).run(silent)
    }
    assert third["b.mkv"].error is None
    assert third["b.mkv"].facts is not None
    assert third["a.mp4"].facts is None


def test_one_that_fails_leaves_the_others(
    enlarging_weights: dict[int, Path], clips: Path, tmp_path: Path
) -> None:
    (clips / "a.mp4").write_bytes(b"not a video")
    outcomes = planned(enlarging_weights[2], VideoRequest((clips,), str(tmp_path / "out") + "/")).run(silent)
    assert [outcome.error is None for outcome in outcomes] == [False, True]


def test_names_that_collide_are_told_before_the_work(
    enlarging_weights: dict[int, Path], clips: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="would both become"):
        planned(enlarging_weights[2], VideoRequest((clips,), str(tmp_path / "out/same.mkv{folder}")))
    several = VideoRequest((clips / "a.mp4", clips / "b.mkv"), str(tmp_path / "one.mkv"))
    with pytest.raises(UsageError, match="there are several videos"):
        planned(enlarging_weights[2], several)
