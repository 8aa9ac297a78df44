"""What a batch would take, held against what it takes when it is done."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.errors import InputError, UnavailableError
from ripfdn_cli.image_jobs.batch import Batch, BatchRequest, plan_batch
from ripfdn_cli.image_jobs.batch_estimate import Estimate, Estimator
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.output_size import SizeRequest


def batch(weights: Path, folder: Path, device: str = "cpu") -> Batch:
    network = NetworkSettings(
        weights=str(weights), devices=(device,), engine="torch", precision="fp32", threads=1
    )
    picture = PictureSettings(size=SizeRequest(long_side=100))
    return plan_batch(BatchRequest((folder,), str(folder / "out") + "/"), picture, network)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (height, width) in {"a.png": (24, 40), "b.png": (48, 40), "c.png": (24, 120)}.items():
        Image.fromarray(smooth(height, width)).save(tmp_path / name)
    (tmp_path / "d.png").write_bytes(b"not a picture")
    return tmp_path


def estimates(planned: Batch) -> dict[str, Estimate]:
    with closing(Estimator(planned)) as estimator:
        return {Path(str(task.source.path)).stem: estimator.estimate(task) for task in planned.tasks}


def test_sizes_are_those_of_the_results(enlarging_weights: dict[int, Path], folder: Path) -> None:
    planned = batch(enlarging_weights[3], folder)
    found = estimates(planned)
    done = {Path(str(outcome.source)).stem: outcome for outcome in planned.run()}
    for name in "abc":
        facts = done[name].facts
        assert facts is not None
        assert (found[name].size, found[name].output_size) == (facts.size, facts.output_size)


def test_time_goes_by_pixels_and_a_picture_that_only_shrinks_takes_none(
    enlarging_weights: dict[int, Path], folder: Path
) -> None:
    found = estimates(batch(enlarging_weights[3], folder))
    assert found["b"].seconds == pytest.approx(2 * found["a"].seconds, rel=0.3)
    assert found["c"].seconds == 0


@pytest.mark.parametrize("output", ["jpeg", "tiff", "webp", "png"])
def test_what_a_run_would_refuse_is_told_before(
    enlarging_weights: dict[int, Path], tmp_path: Path, output: str
) -> None:
    """Pages, frames, and sides that a format doesn't have; the same for every format that does."""
    pages = [Image.fromarray(smooth(24, 20)), Image.fromarray(smooth(24, 20)[::-1])]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "moving.gif", save_all=True, append_images=pages[1:])
    Image.fromarray(smooth(2, 6000)).save(tmp_path / "wide.png")
    network = NetworkSettings(weights=str(enlarging_weights[3]), engine="torch", devices=("cpu",), threads=1)
    request = BatchRequest((tmp_path,), str(tmp_path / "out") + "/", file_format=format_named(output))
    planned = plan_batch(request, PictureSettings(size=SizeRequest(scale=Fraction(3))), network)
    found = estimates(planned)
    for outcome in planned.run():
        assert str(found[Path(str(outcome.source)).stem].error) == str(outcome.error)


def test_a_bad_header_is_the_estimate_of_its_picture_alone(
    enlarging_weights: dict[int, Path], folder: Path
) -> None:
    found = estimates(batch(enlarging_weights[3], folder))
    assert isinstance(found["d"].error, InputError)
    assert found["d"].record()["exit_code"] == 4
    assert all(found[name].error is None for name in "abc")


def test_a_missing_device_concerns_them_all(enlarging_weights: dict[int, Path], folder: Path) -> None:
    with pytest.raises(UnavailableError, match="cuda:9"):
        estimates(batch(enlarging_weights[3], folder, device="cuda:9"))
