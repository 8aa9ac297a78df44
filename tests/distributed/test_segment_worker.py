"""A worker that makes segments: any of them, in any order, as one machine does; or it says why it can't."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from support.joined_files import concatenated
from support.segment_runs import LastFirst, assert_same, in_fives, with_broken_packets, with_false_keyframes
from support.video_clips import Clip, make_clip

from ripfdn_cli.distributed.segment_worker import SegmentJob, SegmentWorker
from ripfdn_cli.distributed.worker_pool import Fatal, Home
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video_jobs.segment_schedule import MadeSegment, SegmentTask
from ripfdn_cli.video_jobs.segments import open_segments, segments_folder
from ripfdn_cli.video_jobs.video_plan import describe_job, plan_video
from ripfdn_cli.video_jobs.video_run import SegmentOrder, upscale_video
from ripfdn_cli.video_jobs.video_settings import VideoSettings

pytestmark = pytest.mark.any_precision

OPEN_GOP = {"preset": "fast", "x264-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0"}
FILMS = {
    "b_frames.mkv": Clip(frames=32, options={"preset": "fast", "bf": "3", "g": "12"}),
    "open_gop.mp4": Clip(frames=32, options=OPEN_GOP, audio="aac"),
    "counted.avi": Clip(frames=32, codec="mpeg4", time_base=Fraction(1, 24)),
    "fields.mkv": Clip(frames=32, options={"g": "8", "flags": "+ildct", "x264-params": "tff=1"}),
    "transport.ts": Clip(
        frames=32, codec="mpeg2video", time_base=Fraction(1, 24), options={"bf": "2", "g": "12"}
    ),
}


@pytest.fixture
def network(bilinear_weights: Path) -> NetworkSettings:
    return NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)


def both(source: Path, settings: VideoSettings, network: NetworkSettings) -> LastFirst:
    """The results of one machine and of the last segments first are the same."""
    cluster = LastFirst()
    one, many = source.with_name("one.mkv"), source.with_name("many.mkv")
    upscale_video([source], one, settings, network)
    upscale_video([source], many, settings, network, cluster=cluster)
    assert_same(many, one)
    return cluster


@pytest.mark.parametrize("name", FILMS)
def test_segments_made_in_any_order_are_those_of_one_machine(
    name: str, tmp_path: Path, network: NetworkSettings
) -> None:
    cluster = both(make_clip(tmp_path / name, FILMS[name]), in_fives(), network)
    assert [task.number for task in cluster.tasks] == [6, 5, 4, 3, 2, 1, 0]  # none twice


def test_a_clock_that_starts_anew_leaves_no_place_to_seek_to(
    tmp_path: Path, network: NetworkSettings
) -> None:
    clip = Clip(frames=16, codec="mpeg2video", time_base=Fraction(1, 24))
    parts = [make_clip(tmp_path / name, clip) for name in ("a.ts", "b.ts")]
    cluster = both(concatenated(tmp_path / "in.ts", *parts), in_fives(), network)
    assert [task.number for task in cluster.tasks] == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("fps", [10, 60])
def test_segments_may_end_within_the_time_of_a_frame(
    fps: int, tmp_path: Path, network: NetworkSettings
) -> None:
    cluster = both(make_clip(tmp_path / "in.mp4", FILMS["open_gop.mp4"]), in_fives(fps=fps), network)
    assert len(cluster.tasks) == len({task.number for task in cluster.tasks}) > 2


def test_segments_that_began_at_a_wrong_place_are_made_again(
    tmp_path: Path, network: NetworkSettings
) -> None:
    clip = Clip(frames=60, codec="mpeg4", options={"g": "100", "bf": "0"})
    source = with_false_keyframes(make_clip(tmp_path / "clip.mkv", clip), tmp_path / "in.mkv")
    cluster = both(source, in_fives(), network)
    again = [task.number for task in cluster.tasks[12:]]
    assert 0 < len(again) == len(set(again))
    assert all(task.before for task in cluster.tasks[12:])


def test_what_is_missing_is_repeated_over_the_end_of_a_segment(
    tmp_path: Path, network: NetworkSettings
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=24, codec="mjpeg", pixel_format="yuvj420p"))
    source = with_broken_packets(clip, tmp_path / "in.mkv", 9, 10, 11, 15)
    both(source, in_fives(bad_frames="repeat"), network)


def test_a_video_becomes_numbered_frames_or_an_animation(tmp_path: Path, network: NetworkSettings) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=12))
    settings = replace(in_fives(), encoding=VideoSettings().encoding)
    for name, cluster in (("one", None), ("many", LastFirst())):
        for output in ("%03d.png", "film.webp"):
            upscale_video([source], tmp_path / name / output, settings, network, cluster=cluster)
    one, many = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "many"))
    assert many == one
    assert len(one) == 13


def order_of(
    source: Path, output: Path, network: NetworkSettings, settings: VideoSettings | None = None
) -> SegmentOrder:
    settings = settings or in_fives()
    job = describe_job(plan_video([source], output, settings, network), network)
    return SegmentOrder((source,), output, settings, network, job)


def test_warnings_go_with_the_segment_that_they_are_of(tmp_path: Path, network: NetworkSettings) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=15, codec="mjpeg", pixel_format="yuvj420p"))
    source = with_broken_packets(clip, tmp_path / "in.mkv", 7)
    order = order_of(source, tmp_path / "out.mkv", network, in_fives(bad_frames="repeat"))
    with open_segments(segments_folder(order.output), order.job, restart=False):
        worker = SegmentWorker(SegmentJob(order, Home(None)))
        first, second = (worker.work(SegmentTask(number, {}), again=False) for number in (0, 1))
    assert isinstance(first, MadeSegment)
    assert isinstance(second, MadeSegment)
    assert first.warnings == ()
    assert len(second.warnings) == 1
    assert "a frame from frame 7 at 0.292 s on can't be decoded" in second.warnings[0]


def refusal(order: SegmentOrder, home: Home) -> str:
    answer = SegmentWorker(SegmentJob(order, home)).ready()
    assert isinstance(answer, Fatal)
    return str(answer.error)


def test_a_worker_that_can_not_do_the_job_says_why(
    tmp_path: Path, network: NetworkSettings, small_weights: Path
) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=6))
    order, home = order_of(source, tmp_path / "out.mkv", network), Home(None)
    assert "out.mkv.parts isn't there; input and output must be at the same path" in refusal(order, home)
    with open_segments(segments_folder(order.output), order.job, restart=False):
        assert SegmentWorker(SegmentJob(order, home)).ready() is None
        assert "install the same version" in refusal(order, Home(None, version="0.0"))
        assert "nowhere" in refusal(order, Home(str(tmp_path / "nowhere")))
        foreign = replace(order, network=replace(network, weights=str(small_weights)))
        assert "other weights" in refusal(foreign, home)
        make_clip(source, Clip(frames=7))
        assert "would make other segments (input.sha256 was" in refusal(order, home)
        source.unlink()
        assert "in.mkv" in refusal(order, home)
        assert "at the same path on every machine" in refusal(order, home)
