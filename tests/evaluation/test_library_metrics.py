import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.io import savemat
from skimage.data import astronaut
from support.spandrel_import import fitting_torchvision

from ripfdn_cli.errors import InputError, UnavailableError, UsageError
from ripfdn_cli.evaluation.backbones import backbone_file
from ripfdn_cli.evaluation.benchmark import Method, Network, PictureResult, Row, evaluate, evaluate_sets
from ripfdn_cli.evaluation.datasets import find_data_set
from ripfdn_cli.evaluation.differences import bootstrap_interval, differences
from ripfdn_cli.evaluation.library_metrics import METRICS, metrics_named
from ripfdn_cli.image_math.metrics import PAPERS, Score
from ripfdn_cli.training.losses import ms_ssim_loss

pytestmark = pytest.mark.any_precision

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photo() -> Pixels:
    """208×240 px, so that no half pixel is met on the way down four scales of what is left within 4 px."""
    return np.ascontiguousarray(astronaut()[:216, 100:348])


def blurred(pixels: Pixels, radius: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def compressed(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "jpeg", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(stream).convert("RGB"))


@pytest.mark.parametrize(("name", "perfect"), [("ms-ssim", 1), ("ssimulacra2", 100)])
def test_equal_pictures_are_perfect_and_blur_makes_them_worse(
    photo: Pixels, name: str, perfect: float
) -> None:
    compare = METRICS[name].load(4)
    values = [compare(blurred(photo, radius) if radius else photo, photo) for radius in (0, 0.5, 1, 2, 4)]
    assert values[0] == pytest.approx(perfect, abs=1e-9)
    assert values == sorted(values, reverse=True)
    assert METRICS[name].best(values) == values[0]


def test_ms_ssim_is_that_of_the_loss_on_the_protocols_luma(photo: Pixels) -> None:
    result = compressed(blurred(photo, 1), 60)
    planes = [
        torch.from_numpy(PAPERS.values(pixels)[4:-4, 4:-4] / 255).float().expand(1, 3, -1, -1)
        for pixels in (result, photo)
    ]
    assert METRICS["ms-ssim"].load(4)(result, photo) == pytest.approx(
        1 - float(ms_ssim_loss(*planes)), abs=1e-5
    )


@pytest.mark.parametrize("name", ["ms-ssim", "ssimulacra2"])
def test_jpegs_of_higher_quality_score_better(photo: Pixels, name: str) -> None:
    compare = METRICS[name].load(4)
    values = [compare(compressed(photo, quality), photo) for quality in (10, 30, 60, 95)]
    assert values == sorted(values)


def test_ssimulacra2_knows_the_result_from_its_reference(photo: Pixels) -> None:
    compare = METRICS["ssimulacra2"].load(4)
    soft = blurred(photo, 1)
    assert compare(soft, photo) != pytest.approx(compare(photo, soft), abs=0.1)
    rows = [Image.fromarray(soft), Image.fromarray(photo)]
    files = [io.BytesIO(), io.BytesIO()]
    for image, file in zip(rows, files, strict=True):
        image.save(file, "png")
    from ssimulacra2 import compute_ssimulacra2

    assert compare(soft, photo) == compute_ssimulacra2(files[1], files[0])  # the original is first there


def test_pictures_are_scored_and_small_ones_refused(small_data_set: Path) -> None:
    data_set = find_data_set(small_data_set, 4)
    nearest = Method("nearest", 4, lambda pixels: pixels.repeat(4, axis=0).repeat(4, axis=1))
    ssimulacra2 = METRICS["ssimulacra2"]
    (row,) = evaluate(data_set, [nearest], [PAPERS], metrics=[ssimulacra2])
    mean = row.mean_value(ssimulacra2)
    assert mean == pytest.approx(np.mean([picture.values["ssimulacra2"] for picture in row.pictures]))
    assert mean is not None
    assert mean < 100
    with pytest.raises(InputError, match=r"too small to score by ms-ssim \(at least 184 px"):
        evaluate(data_set, [nearest], [PAPERS], metrics=[METRICS["ms-ssim"]])


def test_differences_have_intervals(photo: Pixels) -> None:
    def row(name: str, values: list[float]) -> Row:
        pictures = tuple(
            PictureResult("p", 8, 8, 0.1, {"Y": Score(30, 0.9)}, {"ssimulacra2": value}) for value in values
        )
        network = Network(name, "", "torch", "fp32", "cpu", None)
        return Row("set", Method(name, 4, lambda p: p, network), pictures, None, (METRICS["ssimulacra2"],))

    first, second = row("a", [60, 61, 70, 65, 50, 40]), row("b", [62, 62, 71, 69, 50, 43])
    found = differences([first, second], [PAPERS])[1]
    assert found is not None
    assert found.values == {"ssimulacra2": bootstrap_interval([2, 1, 1, 4, 0, 3])}


def test_an_unknown_metric_is_told() -> None:
    with pytest.raises(
        UsageError, match="`metric` vmaf is not one of ms-ssim, ssimulacra2, lpips, dists, niqe"
    ):
        metrics_named(["ssimulacra2", "vmaf"])


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """With no weights on the machine."""
    module = fitting_torchvision()
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return module


LEARNED = [("lpips", "alexnet"), ("dists", "vgg16")]


@pytest.mark.parametrize(("name", "backbone"), LEARNED)
def test_nothing_is_downloaded(torchvision: ModuleType, name: str, backbone: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        METRICS[name].load(4)
    assert f"torchvision.models.{backbone}(weights='DEFAULT')" in str(caught.value)
    assert str(backbone_file(backbone)) in str(caught.value)


@pytest.mark.parametrize(("name", "backbone"), LEARNED)
def test_features_are_of_the_weights_on_the_machine(
    torchvision: ModuleType, photo: Pixels, name: str, backbone: str
) -> None:
    """The real weights can't be had everywhere; features of random ones tell equal from blurred, too."""
    values = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        path = backbone_file(backbone)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(getattr(torchvision.models, backbone)(weights=None).state_dict(), path)
        compare = METRICS[name].load(4)
        values.append([compare(blurred(photo, radius), photo) for radius in (0, 1, 3)])
        assert compare(photo, photo) == pytest.approx(0, abs=1e-5)
        assert values[-1] == sorted(values[-1])
        assert METRICS[name].best(values[-1]) == values[-1][0]
    assert values[0][2] != pytest.approx(values[1][2], rel=1e-3)


def test_dists_is_that_of_torchmetrics(torchvision: ModuleType, photo: Pixels) -> None:
    from torchmetrics.image import DeepImageStructureAndTextureSimilarity

    path = backbone_file("vgg16")
    path.parent.mkdir(parents=True)
    torch.save(torchvision.models.vgg16(weights=None).state_dict(), path)
    compare = METRICS["dists"].load(4)
    for radius in (1, 3):
        pair = [
            torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
            for pixels in (blurred(photo, radius), photo)
        ]
        wanted = DeepImageStructureAndTextureSimilarity()(*pair).item()
        assert compare(blurred(photo, radius), photo) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("name", "backbone"), LEARNED)
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04" + bytes(400)])
def test_a_damaged_file_of_weights_is_told(
    torchvision: ModuleType, name: str, backbone: str, content: bytes
) -> None:
    path = backbone_file(backbone)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UnavailableError) as caught:
        METRICS[name].load(4)
    message = str(caught.value)
    assert message.startswith(
        f"`metric` {name} needs the weights of torchvision's {backbone}, and {path} is damaged"
    )
    assert f"torchvision.models.{backbone}(weights='DEFAULT')" in message


def test_several_data_sets_load_a_metric_once_a_scale(small_data_set: Path, tmp_path: Path) -> None:
    """A network of 500 MB takes seconds."""
    loaded: list[int] = []

    def load(scale: int) -> Callable[[Pixels, Pixels], float]:
        loaded.append(scale)
        return lambda result, reference: 0.0

    metric = replace(METRICS["ssimulacra2"], load=load)
    sets = [
        find_data_set(copytree(small_data_set, tmp_path / name), scale)
        for name, scale in (("one", 4), ("other", 4), ("third", 2))
    ]
    rows = evaluate_sets(sets, [], [PAPERS], metrics=[metric])
    assert loaded == [4, 2]
    assert {row.mean_value(metric) for row in rows} == {0.0}


@pytest.fixture
def niqe_statistics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where pyiqa would keep them; not there."""
    fitting_torchvision()
    folder = pytest.importorskip("pyiqa", reason="pyiqa is not installed").utils.download_util
    monkeypatch.setattr(folder, "DEFAULT_CACHE_DIR", str(tmp_path))
    return tmp_path / "niqe_modelparameters.mat"


def test_without_its_statistics_niqe_says_how_to_fetch_them(niqe_statistics: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        METRICS["niqe"].load(4)
    assert "python -c \"import pyiqa; pyiqa.create_metric('niqe')\"" in str(caught.value)
    assert str(niqe_statistics) in str(caught.value)


def test_without_its_package_niqe_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    with pytest.raises(UnavailableError, match=r"pip install 'ripfdn-cli\[niqe\]'"):
        METRICS["niqe"].load(4)


def test_niqe_is_a_distance_from_the_statistics_in_the_file(niqe_statistics: Path, photo: Pixels) -> None:
    """Of natural pictures they can't be had everywhere. The distance is Mahalanobis', so that statistics with
    four times the covariance, where the picture's own is small beside them, halve it; HR makes no difference.
    """
    picture = np.tile(photo, (2, 2, 1))[:288, :288]
    values = []
    for factor in (1e4, 4e4):
        found = {"mu_prisparam": np.zeros((1, 36)), "cov_prisparam": factor * np.eye(36)}
        savemat(niqe_statistics, found)
        compare = METRICS["niqe"].load(4)
        values.append(compare(picture, picture))
        assert compare(picture, picture // 2) == values[-1]
    assert values[0] > 0
    assert values[1] == pytest.approx(values[0] / 2, rel=1e-2)
