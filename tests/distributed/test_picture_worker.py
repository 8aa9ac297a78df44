"""A worker upscales pictures as one machine does, or says why it can't."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.distributed.picture_worker import PictureJob, PictureWorker
from ripfdn_cli.distributed.worker_pool import Fatal, Home
from ripfdn_cli.image_jobs.batch import BatchRequest, plan_batch
from ripfdn_cli.image_jobs.image_run import Digests
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings

pytestmark = pytest.mark.any_precision


@pytest.fixture
def network(enlarging_weights: dict[int, Path]) -> NetworkSettings:
    return NetworkSettings(weights=str(enlarging_weights[4]), engine="torch", devices=("cpu",), threads=1)


def job_in(folder: Path, network: NetworkSettings) -> PictureJob:
    weights = Digests(PictureSettings(), network).weights
    return PictureJob(PictureSettings(), network, False, folder, weights, Home(None))


def test_a_picture_is_made_once_though_a_worker_died_with_it(
    tmp_path: Path, network: NetworkSettings
) -> None:
    Image.fromarray(smooth(16, 20)).save(tmp_path / "in.png")
    request = BatchRequest((tmp_path / "in.png",), str(tmp_path / "out.png"))
    (task,) = plan_batch(request, PictureSettings(), network).tasks
    worker = PictureWorker(job_in(tmp_path, network))
    assert worker.ready() is None
    first, second = worker.work(task, again=False), worker.work(task, again=True)
    assert not isinstance(first, Fatal)
    assert first.facts is not None
    assert not isinstance(second, Fatal)
    assert (second.facts, second.error) == (None, None)  # done already, it says
    with Image.open(tmp_path / "out.png") as result:
        assert result.size == (80, 64)


def test_a_worker_that_can_not_do_the_job_says_why(tmp_path: Path, network: NetworkSettings) -> None:
    job = job_in(tmp_path, network)
    for foreign, reason in (
        (replace(job, home=Home(None, version="0.0")), "install the same version"),
        (replace(job, home=Home(str(tmp_path / "nowhere"))), "nowhere"),
        (replace(job, weights=dict.fromkeys(job.weights, "00")), "other weights"),
    ):
        answer = PictureWorker(foreign).ready()
        assert isinstance(answer, Fatal)
        assert reason in str(answer.error)
