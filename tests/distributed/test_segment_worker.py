"""Segments of a video made by workers of a local Ray cluster: the result is that of one machine."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import pytest
from support.ray_workers import ray_workers
from support.video_clips import Clip, make_clip
from support.video_facts import streams_of

from ripfdn_cli.distributed import ray_run
from ripfdn_cli.distributed.ray_run import RayCluster
from ripfdn_cli.distributed.segment_worker import SegmentJob, SegmentWorker
from ripfdn_cli.distributed.worker_pool import Fatal, Home
from ripfdn_cli.errors import InputError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video_jobs.segments import open_segments, segments_folder
from ripfdn_cli.video_jobs.video_plan import describe_job, plan_video
from ripfdn_cli.video_jobs.video_run import SegmentOrder, VideoFacts, upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings

pytestmark = [
    pytest.mark.any_precision,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Ray leaves its processes to the end of its own."""

# Not importorskip: Ray takes its way of authentication from the environment when it is imported.
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")

TWO = RayCluster(workers=2)
OPEN_GOP = {"preset": "fast", "x264-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0"}
FILM = Clip(frames=32, options=OPEN_GOP, audio="aac")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Two workers of a local cluster that is there for all tests of this module."""
    with ray_run._connected(TWO):
        yield TWO
    gc.collect()


@pytest.fixture
def network(bilinear_weights: Path) -> NetworkSettings:
    return NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)


Upscale = Callable[..., VideoFacts]


def settings_of(codec: str = "ffv1", fps: int | None = None) -> VideoSettings:
    reading = ReadingOptions(fps=None if fps is None else Fraction(fps))
    preset = "ultrafast" if codec == "x264" else None
    encoding = EncodingOptions(codec=codec, preset=preset)
    return VideoSettings(reading=reading, encoding=encoding, segment=5)


@pytest.fixture
def upscale(network: NetworkSettings) -> Upscale:
    def run(source: Path, output: Path, *, codec: str = "ffv1", fps: int | None = None, **how: Any) -> Any:
        return upscale_video([source], output, settings_of(codec, fps), network, **how)

    return run


class Killed(BaseException):
    """Stands for whatever ends a run."""


def after(count: int, act: Callable[[], None]) -> Callable[[int, int, int], None]:
    """Progress that does `act` once `count` frames are done."""
    acted = False

    def progress(done: int, total: int, written: int) -> None:
        nonlocal acted
        if done >= count and not acted:
            acted = True
            act()

    return progress


def stop() -> None:
    raise Killed


def kill_a_worker() -> None:
    os.kill(ray_workers("SegmentWorker")[0], signal.SIGKILL)


def assert_same(have: Path, want: Path) -> None:
    """Every packet of every stream, and its time; Matroska's own numbers are random."""
    assert streams_of(have) == streams_of(want)


@needs_ray
@pytest.mark.parametrize(("codec", "fps"), [("ffv1", None), ("x264", None), ("ffv1", 60)])
def test_the_result_is_that_of_one_machine(
    codec: str, fps: int | None, tmp_path: Path, upscale: Upscale, cluster: RayCluster
) -> None:
    """Also where a segment ends within the time of a frame of the source."""
    source = make_clip(tmp_path / "in.mp4", FILM)
    one = upscale(source, tmp_path / "one.mkv", codec=codec, fps=fps)
    many = upscale(source, tmp_path / "ray.mkv", codec=codec, fps=fps, cluster=cluster)
    assert_same(tmp_path / "ray.mkv", tmp_path / "one.mkv")
    assert (many.frames, many.segments, many.resumed) == (one.frames, one.segments, 0)
    assert not segments_folder(tmp_path / "ray.mkv").exists()


@needs_ray
def test_a_worker_that_dies_loses_nothing(tmp_path: Path, upscale: Upscale, cluster: RayCluster) -> None:
    source = make_clip(tmp_path / "in.mp4", FILM)
    upscale(source, tmp_path / "one.mkv")
    upscale(source, tmp_path / "ray.mkv", cluster=cluster, progress=after(5, kill_a_worker))
    assert_same(tmp_path / "ray.mkv", tmp_path / "one.mkv")


@needs_ray
@pytest.mark.parametrize("begins_on_ray", [True, False])
def test_a_run_that_was_stopped_goes_on_elsewhere(
    begins_on_ray: bool, tmp_path: Path, upscale: Upscale, cluster: RayCluster
) -> None:
    source = make_clip(tmp_path / "in.mp4", FILM)
    upscale(source, tmp_path / "one.mkv")
    first, then = (cluster, None) if begins_on_ray else (None, cluster)
    with pytest.raises(Killed):
        upscale(source, tmp_path / "out.mkv", cluster=first, progress=after(15, stop))
    facts = upscale(source, tmp_path / "out.mkv", cluster=then)
    assert facts.resumed >= 10
    assert facts.computed == facts.frames - facts.resumed
    assert_same(tmp_path / "out.mkv", tmp_path / "one.mkv")


def with_false_keyframes(clip: Path, path: Path) -> Path:
    """`clip` with every packet marked as a keyframe: decoding from most of them gives wrong pictures."""
    with av.open(str(clip)) as whole, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(whole.streams.video[0], opaque=True)
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream, packet.is_keyframe = stream, True
                target.mux(packet)
    return path


@needs_ray
def test_a_place_that_seeking_finds_wrongly_is_noticed(
    tmp_path: Path, upscale: Upscale, cluster: RayCluster, caplog: pytest.LogCaptureFixture
) -> None:
    clip = Clip(frames=32, codec="mpeg4", time_base=Fraction(1, 24), options={"g": "100", "bf": "0"})
    source = with_false_keyframes(make_clip(tmp_path / "clip.mkv", clip), tmp_path / "in.mkv")
    upscale(source, tmp_path / "one.mkv")
    caplog.set_level("DEBUG")
    upscale(source, tmp_path / "ray.mkv", cluster=cluster)
    assert "begins at a wrong place" in caplog.text
    assert_same(tmp_path / "ray.mkv", tmp_path / "one.mkv")


def with_a_broken_packet(clip: Path, path: Path, number: int) -> Path:
    with av.open(str(clip)) as whole, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(whole.streams.video[0], opaque=True)
        for count, packet in enumerate(packet for packet in whole.demux(video=0) if packet.size):
            new = av.Packet(bytes(packet)[:200] if count == number else bytes(packet))
            new.pts, new.dts, new.time_base, new.stream = packet.pts, packet.pts, packet.time_base, stream
            new.is_keyframe = True
            target.mux(new)
    return path


@needs_ray
def test_damage_is_said_as_on_one_machine_and_costs_nothing_before_it(
    tmp_path: Path, upscale: Upscale, cluster: RayCluster
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=32, codec="mjpeg", pixel_format="yuvj420p"))
    source = with_a_broken_packet(clip, tmp_path / "in.mkv", 17)
    with pytest.raises(InputError) as one:
        upscale(source, tmp_path / "one.mkv")
    with pytest.raises(InputError) as many:
        upscale(source, tmp_path / "ray.mkv", cluster=cluster)
    assert "frame 17 at 0.708 s" in str(one.value)
    assert str(many.value) == str(one.value)
    names = {path.name for path in segments_folder(tmp_path / "ray.mkv").iterdir()}
    assert {path.name for path in segments_folder(tmp_path / "one.mkv").iterdir()} <= names


@needs_ray
def test_what_is_missing_is_repeated_over_the_end_of_a_segment(
    tmp_path: Path, network: NetworkSettings, cluster: RayCluster
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=24, codec="mjpeg", pixel_format="yuvj420p"))
    source = with_a_broken_packet(clip, tmp_path / "in.mkv", 15)
    repeating = replace(settings_of(), reading=ReadingOptions(bad_frames="repeat"))
    upscale_video([source], tmp_path / "one.mkv", repeating, network)
    upscale_video([source], tmp_path / "ray.mkv", repeating, network, cluster=cluster)
    assert_same(tmp_path / "ray.mkv", tmp_path / "one.mkv")


@needs_ray
def test_a_video_becomes_numbered_frames(tmp_path: Path, upscale: Upscale, cluster: RayCluster) -> None:
    source = make_clip(tmp_path / "in.mp4", replace(FILM, frames=12))
    upscale(source, tmp_path / "one" / "%03d.png")
    upscale(source, tmp_path / "ray" / "%03d.png", cluster=cluster)
    one, many = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "ray"))
    assert many == one
    assert len(one) == 12


def order_of(source: Path, output: Path, network: NetworkSettings) -> SegmentOrder:
    settings = settings_of()
    job = describe_job(plan_video([source], output, settings, network), network)
    return SegmentOrder((source,), output, settings, network, job)


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
        assert "other weights" in refusal(
            replace(order, network=replace(network, weights=str(small_weights))), home
        )
        make_clip(source, Clip(frames=7))
        assert "would make other segments (input.sha256 was" in refusal(order, home)
        source.unlink()
        assert "in.mkv" in refusal(order, home)
        assert "at the same path on every machine" in refusal(order, home)
