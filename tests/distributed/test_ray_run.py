"""Pictures and a video on a local Ray cluster, whose workers die; with -m slow 500 pictures and 10 kills."""

import gc
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.commands import QUICK
from support.ray_workers import ray_workers
from support.sample_pictures import smooth
from support.segment_runs import Killed, after, assert_same, in_fives, stop, with_broken_packets
from support.video_clips import Clip, make_clip

from ripfdn_cli.distributed import ray_run
from ripfdn_cli.distributed.ray_run import RayCluster, fitting, share_of
from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.files.durable_log import read_log
from ripfdn_cli.files.storage import Location, location, publish, read_objects, walk_objects
from ripfdn_cli.image_jobs.batch import Batch, BatchRequest, plan_batch
from ripfdn_cli.image_jobs.image_run import Outcome
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.journal import JOURNAL_NAME
from ripfdn_cli.video_jobs.segments import segments_folder
from ripfdn_cli.video_jobs.video_run import upscale_video

pytestmark = [
    pytest.mark.any_precision,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Ray leaves its processes to the end of its own."""

# Not importorskip: Ray takes its way of authentication from the environment when it is imported.
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from ripfdn_cli.cli.main import main
main(["upscale", *sys.argv[1:], "--on", "ray"])
"""


@pytest.fixture
def network(enlarging_weights: dict[int, Path]) -> NetworkSettings:
    return NetworkSettings(weights=str(enlarging_weights[4]), engine="torch", devices=("cpu",), threads=1)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What Ray leaves is warned of in the test that left it."""
    yield
    gc.collect()


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 8, (16, 20, 3), np.uint8)
        Image.fromarray(smooth(16, 20) // 2 + noise).save(folder / f"{number:03d}.png")
    return folder


def planned(network: NetworkSettings, source: Location, output: Location | str) -> Batch:
    return plan_batch(BatchRequest((source,), str(output)), PictureSettings(), network)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != JOURNAL_NAME}


def run_with_kills(batch: Batch, kills: int, seed: int) -> list[Outcome]:
    """The outcomes of `batch` on two workers, of which one dies at random times."""
    chance, outcomes = random.Random(seed), list[Outcome]()
    moments = set(chance.sample(range(1, len(batch) - 10), kills))
    for outcome in batch.run(cluster=RayCluster(workers=2)):
        outcomes.append(outcome)
        if len(outcomes) in moments:
            os.kill(chance.choice(ray_workers("PictureWorker")), signal.SIGKILL)
    return outcomes


def check_storm(network: NetworkSettings, folder: Path, count: int, kills: int) -> None:
    source = pictures(folder / "in", count)
    (source / "bad.png").write_bytes(b"no picture")
    one = list(planned(network, source, folder / "one").run())
    many = run_with_kills(planned(network, source, folder / "ray"), kills, seed=kills)
    assert contents(folder / "ray") == contents(folder / "one")
    assert len(contents(folder / "one")) == count
    # Bad pictures are listed as on one machine, and nothing was done twice or is left to do.
    failed = [[(str(o.source), str(o.error)) for o in run if o.error] for run in (one, many)]
    assert failed[0] == failed[1]
    assert sorted(str(o.source) for o in many) == sorted(str(o.source) for o in one)
    done, to_do = planned(network, source, folder / "ray").look()
    assert (len(done), [task.source.path.name for task in to_do]) == (count, ["bad.png"])


@needs_ray
def test_workers_that_die_lose_nothing(network: NetworkSettings, tmp_path: Path) -> None:
    check_storm(network, tmp_path, count=40, kills=2)


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_kills_in_five_hundred_pictures(network: NetworkSettings, tmp_path: Path) -> None:
    check_storm(network, tmp_path, count=500, kills=10)


@needs_ray
def test_a_store_is_read_and_written_by_workers(
    network: NetworkSettings, tmp_path: Path, s3_server: str
) -> None:
    folder, base = pictures(tmp_path / "in", 6), location("s3://bucket/ray")
    for path in folder.iterdir():
        publish(base / "in" / path.name, path.read_bytes(), overwrite=True)
    list(planned(network, folder, tmp_path / "one").run())
    found = list(planned(network, base / "in", f"{base}/out/").run(cluster=RayCluster(workers=2)))
    assert not [outcome.error for outcome in found if outcome.error]
    names = [name for name in walk_objects(base / "out") if name.endswith(".png")]
    assert read_objects(base / "out", names) == contents(tmp_path / "one")
    assert len(planned(network, base / "in", f"{base}/out/").look()[0]) == 6


@needs_ray
def test_what_concerns_all_pictures_ends_the_run(network: NetworkSettings, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", 3)
    settings: dict[str, Any] = {"weights": network.weights, "threads": 1}
    with pytest.raises(UsageError, match="Ray gives each worker its device"):
        list(
            planned(NetworkSettings(devices=("cuda:1",), **settings), source, tmp_path / "a").run(
                cluster=RayCluster()
            )
        )
    unknown = NetworkSettings(devices=("cpu",), engine="nosuch", **settings)
    with pytest.raises(UsageError, match="nosuch"):
        list(planned(unknown, source, tmp_path / "b").run(cluster=RayCluster(workers=1)))
    with pytest.raises(InputError):
        planned(NetworkSettings(weights="nosuch"), source, tmp_path / "c")


OPEN_GOP = {"preset": "fast", "x264-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0"}
FILM = Clip(frames=32, options=OPEN_GOP, audio="aac")
LONG_FILM = Clip(frames=240, options=OPEN_GOP)


@pytest.fixture(scope="module")
def two_workers() -> Iterator[RayCluster]:
    """Of a cluster that is there for all tests that ask for it."""
    with ray_run._connected(RayCluster()):
        yield RayCluster(workers=2)


def frames_in(output: Path) -> int:
    """How many frames the segments of `output` have."""
    lines = read_log(segments_folder(output) / "journal.jsonl")[1:]
    return sum(line["segment"]["frames"] for line in lines)


def kill_a_worker() -> None:
    os.kill(ray_workers("SegmentWorker")[0], signal.SIGKILL)


@needs_ray
@pytest.mark.parametrize("codec", ["ffv1", "x264"])
def test_a_video_is_that_of_one_machine_though_a_worker_dies(
    codec: str, tmp_path: Path, network: NetworkSettings, two_workers: RayCluster
) -> None:
    source, settings = make_clip(tmp_path / "in.mp4", FILM), in_fives(codec)
    one = upscale_video([source], tmp_path / "one.mkv", settings, network)
    kill = after(5, kill_a_worker)
    many = upscale_video(
        [source], tmp_path / "ray.mkv", settings, network, progress=kill, cluster=two_workers
    )
    assert_same(tmp_path / "ray.mkv", tmp_path / "one.mkv")
    assert (many.frames, many.segments, many.computed) == (one.frames, one.segments, one.computed)
    assert not segments_folder(tmp_path / "ray.mkv").exists()


@needs_ray
def test_a_video_that_was_stopped_goes_on_elsewhere(
    tmp_path: Path, network: NetworkSettings, two_workers: RayCluster
) -> None:
    """Begun by the command on Ray, which is terminated, then by this machine, and ended on Ray."""
    source, output = make_clip(tmp_path / "in.mp4", LONG_FILM), tmp_path / "out.mkv"
    upscale_video([source], tmp_path / "one.mkv", in_fives(), network)
    command = [sys.executable, "-m", "ripfdn_cli", "upscale", str(source), "-o", str(output), *QUICK]
    options = ["--segment", "5", "--codec", "ffv1", "--weights", str(network.weights)]
    process = subprocess.Popen([*command, *options, "--on", "ray", "--workers", "1"])
    while not (begun := frames_in(output)):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    assert process.wait(60) == 143
    with pytest.raises(Killed):
        upscale_video([source], output, in_fives(), network, progress=after(begun + 60, stop))
    done = frames_in(output)
    facts = upscale_video([source], output, in_fives(), network, cluster=two_workers)
    assert begun < done == facts.resumed < facts.frames
    assert facts.computed == facts.frames - facts.resumed
    assert_same(output, tmp_path / "one.mkv")


@needs_ray
def test_damage_is_said_as_on_one_machine_and_loses_nothing_that_is_done(
    tmp_path: Path, network: NetworkSettings, two_workers: RayCluster
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=32, codec="mjpeg", pixel_format="yuvj420p"))
    source = with_broken_packets(clip, tmp_path / "in.mkv", 17)
    with pytest.raises(InputError, match=r"frame 17 at 0\.708 s.*`bad_frames=repeat`") as one:
        upscale_video([source], tmp_path / "one.mkv", in_fives(), network)
    with pytest.raises(InputError) as many:
        upscale_video([source], tmp_path / "ray.mkv", in_fives(), network, cluster=two_workers)
    assert str(many.value) == str(one.value)
    made = [
        {path.name for path in segments_folder(tmp_path / name).iterdir()} for name in ("one.mkv", "ray.mkv")
    ]
    assert made[0] <= made[1]


@pytest.mark.parametrize(
    ("nodes", "threads", "workers"),
    [
        ([{"CPU": 8.0}], 4, 2),
        ([{"CPU": 2.0}] * 4, 2, 4),
        ([{"CPU": 3.0}] * 2, 3, 2),
        ([{"CPU": 16.0}, {"CPU": 2.0}], 2, 9),
        ([{"memory": 1e9}, {"CPU": 0.0}, {"CPU": 4.0}], 4, 1),
        ([{"CPU": 0.5}], 1, 0),
        ([{}], 1, 0),
    ],
)
def test_a_worker_needs_no_more_cores_than_one_node_has(
    nodes: list[dict[str, float]], threads: int, workers: int
) -> None:
    share, needs = share_of(NetworkSettings(), nodes)
    assert (share.devices, share.threads, needs) == (("cpu",), threads, {"num_cpus": threads})
    assert fitting(needs, nodes) == workers


def test_threads_that_are_asked_for_are_what_a_worker_needs() -> None:
    nodes = [{"CPU": 8.0}, {"CPU": 4.0}]
    share, needs = share_of(NetworkSettings(threads=6), nodes)
    assert (share.threads, needs, fitting(needs, nodes)) == (6, {"num_cpus": 6}, 1)


def test_a_gpu_and_a_core_for_it_are_of_one_node() -> None:
    nodes = [{"GPU": 4.0, "CPU": 2.0}, {"GPU": 1.0}, {"CPU": 64.0}]
    share, needs = share_of(NetworkSettings(), nodes)
    assert (share.devices, needs) == (("cuda",), {"num_gpus": 1, "num_cpus": 1})
    assert fitting(needs, nodes) == 2


def test_without_ray_the_pip_line_is_said(network: NetworkSettings, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", 1)
    arguments = [str(source), "-o", str(tmp_path / "out"), "--weights", str(network.weights)]
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY, *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "pip install 'ripfdn-cli[ray]'" in result.stderr
