"""The loss by VGG19's features, with random weights where torchvision keeps its own: those can't be had
everywhere.
"""

from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from types import ModuleType

import pytest
import torch
from support.learners import learner_of, pixels
from support.spandrel_import import fitting_torchvision
from torch import Tensor, nn
from torch.nn import functional

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.evaluation.backbones import backbone_file
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.training.vgg_loss import VggLoss

CONVOLUTIONS = (2, 2, 4, 4, 4)
"""Of each level of configuration E in the paper of VGG (Simonyan and Zisserman, ICLR 2015), table 1."""
WEIGHTS = (0.1, 0.1, 1.0, 1.0, 1.0)
"""Of each level's last convolution, in the settings file of Real-ESRGAN's training."""


@pytest.fixture(scope="module")
def torchvision() -> ModuleType:
    return fitting_torchvision()


@pytest.fixture(scope="module")
def home(torchvision: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With weights of VGG19."""
    home = tmp_path_factory.mktemp("torch")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setenv("TORCH_HOME", str(home))
        torch.manual_seed(4)
        path = backbone_file("vgg19")
        path.parent.mkdir(parents=True)
        torch.save(torchvision.models.vgg19(weights=None).state_dict(), path)
    return home


@pytest.fixture
def loss(home: Path, monkeypatch: pytest.MonkeyPatch) -> VggLoss:
    monkeypatch.setenv("TORCH_HOME", str(home))
    return VggLoss()


def pictures() -> tuple[Tensor, Tensor]:
    one, other = torch.rand(2, 2, 3, 32, 48, generator=torch.Generator().manual_seed(5))
    return one, other


def features_by_the_paper(pictures: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    """Of each level's last convolution, by the kernels in their order in the file."""
    kernels = [tensor for name, tensor in weights.items() if name.startswith("features.")]
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    x, found = (pictures - mean) / deviation, []
    last = {count - 1 for count in accumulate(CONVOLUTIONS)}
    for number, (kernel, bias) in enumerate(zip(kernels[::2], kernels[1::2], strict=True)):
        x = functional.conv2d(x, kernel, bias, padding=1)
        if number in last:
            found.append(x)
        x = x.relu()
        if number in last:
            x = functional.max_pool2d(x, 2)
    return found


def test_it_is_the_distance_of_the_features_in_the_paper(loss: VggLoss) -> None:
    weights = torch.load(backbone_file("vgg19"), weights_only=True)
    one, other = (features_by_the_paper(picture, weights) for picture in pictures())
    expected = sum(w * (a - b).abs().mean().item() for w, a, b in zip(WEIGHTS, one, other, strict=True))
    assert expected > 0
    assert loss(*pictures()).item() == pytest.approx(expected, rel=1e-4)


def test_only_the_result_learns(loss: VggLoss) -> None:
    result, target = (picture.requires_grad_() for picture in pictures())
    loss(result, target).backward()
    assert result.grad is not None
    assert result.grad.abs().max() > 0
    assert target.grad is None
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_a_stage_adds_it_times_its_weight(loss: VggLoss) -> None:
    settings = TrainingSettings(
        steps=2, channels=8, blocks=1, patch=(16,), batch=(4,), share=(1, 1), vgg=(0.0, 0.5), precision="fp32"
    )
    without, with_features = settings.stages
    learner = learner_of(settings)
    lr, hr = pixels()
    with torch.no_grad():
        result = learner.network(lr.float() / 255)
        added = learner.loss(lr, hr, with_features) - learner.loss(lr, hr, without)
        assert added.item() == pytest.approx(0.5 * loss(result, hr.float() / 255).item(), rel=1e-3)
    learned = learner.gradients([(lr, hr, 1.0, True)], with_features)
    assert learned.item() == pytest.approx(learner.loss(lr, hr, with_features).item(), rel=1e-5)
    assert not [name for name in learner.state() if "vgg" in name]  # it never changes


def test_without_its_weights_the_line_that_fetches_them_is_told(
    torchvision: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    settings = TrainingSettings(steps=1, channels=8, blocks=1, vgg=(0.1,), precision="fp32")
    fetch = r"`vgg` needs .*torchvision\.models\.vgg19\(weights='DEFAULT'\)"
    with pytest.raises(UnavailableError, match=fetch):
        learner_of(settings)
    assert isinstance(learner_of(replace(settings, vgg=(0.0,))).network, nn.Module)
