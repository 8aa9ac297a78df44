import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ripfdn_cli.training import optimizers
from ripfdn_cli.training.learner import start_network
from ripfdn_cli.training.optimizers import make_optimizer, optimizer_tensors, restore_optimizer
from ripfdn_cli.training.settings import TrainingSettings

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=10, channels=8, blocks=1, patch=(16,))
RATE = 1e-2


def network() -> nn.Module:
    return start_network(SETTINGS)[0]


def give_gradients(subject: nn.Module, step: int) -> None:
    random = torch.Generator().manual_seed(step)
    for parameter in subject.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)


def steps(subject: nn.Module, optimizer: torch.optim.Optimizer, numbers: range) -> list[Tensor]:
    """The parameters after these steps, each with gradients of its own."""
    for number in numbers:
        give_gradients(subject, number)
        optimizer.param_groups[0]["lr"] = RATE
        optimizer.step()
    return [parameter.detach().clone() for parameter in subject.parameters()]


@pytest.fixture(autouse=True)
def bases_renewed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "SOAP_FREQUENCY", 2)


def test_soap_is_the_packages() -> None:
    """Up to rounding, as the bases lie in another order in memory. Of statistics without full rank, such as a
    wide 1×1 convolution's, rounding chooses the bases: there is none here.
    """
    from pytorch_optimizer import SOAP

    start = nn.Conv2d(3, 8, 3)
    ours, theirs = copy.deepcopy(start), copy.deepcopy(start)
    plain = SOAP(
        theirs.parameters(),
        lr=RATE,
        betas=(0.9, 0.99),
        shampoo_beta=optimizers.SOAP_STATISTICS_DECAY,
        weight_decay=0.0,
        precondition_frequency=2,
    )
    made = make_optimizer(ours, replace(SETTINGS, optimizer="soap"), CPU)
    results = zip(steps(ours, made, range(5)), steps(theirs, plain, range(5)), strict=True)
    for (mine, expected), before in zip(results, start.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-3, atol=RATE / 1000)
        assert (mine - before).abs().max() > RATE / 2


@pytest.mark.parametrize("name", ["adam", "adamw", "soap"])
@pytest.mark.parametrize("saved_after", [0, 1, 2, 3, 5])
def test_a_restored_optimizer_goes_on_to_the_bit(name: str, saved_after: int) -> None:
    """Before its first step, between renewals of SOAP's bases, and at them."""
    settings = replace(SETTINGS, optimizer=name, weight_decay=0.01)
    whole = network()
    optimizer = make_optimizer(whole, settings, CPU)
    steps(whole, optimizer, range(saved_after))
    resumed = copy.deepcopy(whole)
    saved = {key: tensor.clone() for key, tensor in optimizer_tensors(optimizer, whole).items()}
    other = make_optimizer(resumed, settings, CPU)
    restore_optimizer(other, resumed, saved)
    expected = steps(whole, optimizer, range(saved_after, 8))
    for mine, theirs in zip(steps(resumed, other, range(saved_after, 8)), expected, strict=True):
        assert torch.equal(mine, theirs)
    left = optimizer_tensors(optimizer, whole)
    again = optimizer_tensors(other, resumed)
    assert left.keys() == again.keys()
    assert all(torch.equal(left[key], again[key]) for key in left)
