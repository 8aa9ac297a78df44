import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.learners import CPU, learner_of, pixels
from torch import nn
from torch.nn import functional

from ripfdn_cli.errors import CheckpointError, UsageError
from ripfdn_cli.training.adversary import (
    Adversary,
    Discriminator,
    deceiving_loss,
    feature_loss,
    telling_loss,
)
from ripfdn_cli.training.learner import Learner, start_network
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.settings import TrainingSettings

pytestmark = pytest.mark.any_precision

SETTINGS = TrainingSettings(
    steps=10,
    channels=8,
    blocks=1,
    patch=(16,),
    batch=(4,),
    clip=0.1,
    ema=0.9,
    precision="fp32",
    gan=(0.1,),
    gan_features=(0.2,),
    gan_channels=4,
    gan_ramp=2,
    gan_rate=0.5,
)
STAGE = SETTINGS.stages[0]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def learner(settings: TrainingSettings = SETTINGS) -> Learner:
    return learner_of(settings)


def step(subject: Learner, parts: int = 1, rate: float = 1e-2) -> float:
    lr, hr = pixels()
    size = 4 // parts
    batches = [(lr[i : i + size], hr[i : i + size], 1 / parts, i + size == 4) for i in range(0, 4, size)]
    loss = subject.gradients(batches, STAGE)
    subject.set_rates(rate, 0.75)
    subject.update()
    return float(loss)


def adversary_of(subject: Learner) -> Adversary:
    assert subject.adversary is not None
    return subject.adversary


def normalised(discriminator: Discriminator) -> list[nn.Conv2d]:
    found = [
        m for m in discriminator.modules() if isinstance(m, nn.Conv2d) and hasattr(m, "parametrizations")
    ]
    assert len(found) == 7
    return found


def test_the_norms_of_inner_convolutions_come_to_one() -> None:
    """By NumPy's singular values; also of weights that a step has made larger."""
    discriminator = Discriminator(4)
    with torch.no_grad():
        for convolution in normalised(discriminator):
            convolution.get_parameter("parametrizations.weight.original").mul_(3).add_(0.1)
    for _ in range(200):
        discriminator.renew_norms()
    for convolution in normalised(discriminator):
        matrix = convolution.weight.detach().numpy().reshape(convolution.out_channels, -1)
        assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=1e-3)


def test_looking_at_pictures_changes_nothing() -> None:
    discriminator = Discriminator(4)
    before = copy.deepcopy(discriminator.state_dict())
    x = torch.rand(1, 3, 40, 40)
    assert torch.equal(discriminator(x)[0], discriminator(x)[0])
    assert all(torch.equal(tensor, before[name]) for name, tensor in discriminator.state_dict().items())


@pytest.mark.parametrize(("height", "width"), [(64, 64), (51, 54), (8, 9)])
def test_every_pixel_gets_a_verdict(height: int, width: int) -> None:
    logits, features = Discriminator(4)(torch.rand(2, 3, height, width))
    assert logits.shape == (2, 1, height, width)
    assert [f.shape[1:] for f in features] == [
        (4 << level, height >> level, width >> level) for level in range(4)
    ]


def test_the_losses_are_those_of_their_papers() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 1.5])
    # max(0, 1 − real): 0, 0.5, 2; max(0, 1 + fake): 0, 1, 2.5
    assert telling_loss("hinge", real, fake).item() == pytest.approx(2.5 / 3 + 3.5 / 3)
    assert deceiving_loss("hinge", fake).item() == pytest.approx(0.5)
    entropy = functional.binary_cross_entropy
    ones, zeros = torch.ones(3), torch.zeros(3)
    expected = entropy(real.sigmoid(), ones) + entropy(fake.sigmoid(), zeros)
    assert telling_loss("bce", real, fake).item() == pytest.approx(expected.item(), rel=1e-5)
    assert deceiving_loss("bce", fake).item() == pytest.approx(entropy(fake.sigmoid(), ones).item(), rel=1e-5)
    levels = feature_loss(
        [torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 2, 2)],
        [torch.ones(1, 2, 4, 4)] * 1 + [3 * torch.ones(1, 1, 2, 2)],
    )
    assert levels.item() == pytest.approx(2)


@pytest.mark.parametrize("loss", ["hinge", "bce"])
def test_a_step_is_that_of_a_plain_loop(loss: str) -> None:
    """Both networks by pictures of the same weights, with PyTorch's own optimizers, in the plainest form."""
    settings = replace(SETTINGS, gan_loss=loss)
    ours = learner(settings)
    with torch.no_grad():  # else slopes cancel to rounding, of which Adam's first step takes the sign
        adversary_of(ours).discriminator.get_parameter("last.weight").mul_(20)
        adversary_of(ours).discriminator.get_parameter("last.bias").fill_(0.7)
    network, critic = start_network(settings)[0], copy.deepcopy(adversary_of(ours).discriminator)
    first, second = settings.betas
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, betas=(first, second))
    critics = torch.optim.Adam(critic.parameters(), lr=5e-3, betas=(first, second))
    lr, hr = pixels()
    for ramp in (0, 0.5, 1, 1):
        result, target = network(lr / 255), hr / 255
        seen, features = critic(result)
        matched = [(a - b.detach()).abs().mean() for a, b in zip(features, critic(target)[1], strict=True)]
        deceived = -seen.mean() if loss == "hinge" else -functional.logsigmoid(seen).mean()
        total = (result - target).abs().mean() + ramp * (0.1 * deceived + 0.2 * sum(matched) / 4)
        optimizer.zero_grad()
        total.backward(inputs=list(network.parameters()))
        nn.utils.clip_grad_norm_(network.parameters(), 0.1)
        on_target, on_result = critic(target)[0], critic(result.detach())[0]
        if loss == "hinge":
            told = (1 - on_target).clamp(min=0).mean() + (1 + on_result).clamp(min=0).mean()
        else:
            told = -functional.logsigmoid(on_target).mean() - functional.logsigmoid(-on_result).mean()
        critics.zero_grad()
        told.backward()
        optimizer.step()
        critics.step()
        critic.renew_norms()
        assert step(ours) == pytest.approx(total.item(), rel=1e-5)
    for theirs, mine in zip(network.parameters(), ours.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)
    for theirs, mine in zip(critic.parameters(), adversary_of(ours).parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_micro_batches_add_up_to_the_batch() -> None:
    whole, parts = learner(), learner()
    for _ in range(3):
        assert step(parts, 4) == pytest.approx(step(whole), rel=1e-4)
    for a, b in zip(adversary_of(whole).parameters, adversary_of(parts).parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_side_by_side_gives_what_one_after_another_does() -> None:
    one = learner()
    torch.set_num_threads(2)
    several = learner()
    for _ in range(3):
        assert step(several, 2) == pytest.approx(step(one, 2), rel=1e-4)
    for a, b in zip(adversary_of(one).parameters, adversary_of(several).parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_the_discriminator_learns_to_tell() -> None:
    settings = replace(SETTINGS, gan_features=(0.0,), gan_rate=1.0)
    subject = Adversary(settings, CPU, Ranks())
    subject.set_rate(2e-3)
    random = torch.Generator().manual_seed(0)
    sharp = torch.rand(4, 3, 32, 32, generator=random)
    soft = functional.avg_pool2d(sharp, 3, 1, 1)
    for _ in range(40):
        subject.add(subject.gradients((soft, sharp), 1.0))
        subject.update()
    fresh = torch.rand(4, 3, 32, 32, generator=random)
    of_sharp = subject.discriminator(fresh)[0].mean()
    of_soft = subject.discriminator(functional.avg_pool2d(fresh, 3, 1, 1))[0].mean()
    assert of_sharp > of_soft + 0.5


def test_in_bf16_it_learns_nearly_the_same_and_its_weights_stay_fp32() -> None:
    random = torch.Generator().manual_seed(0)
    dark, light = (shift + 0.5 * torch.rand(2, 3, 32, 32, generator=random) for shift in (0, 0.5))
    pictures = dark, light  # far apart: what both share cancels to rounding
    plain, fast = Adversary(SETTINGS, CPU, Ranks()), Adversary(SETTINGS, CPU, Ranks(), bf16=True)
    expected, found = (each.gradients(pictures, 1.0) for each in (plain, fast))
    whole, wanted = (torch.cat([gradient.flatten() for gradient in each]) for each in (found, expected))
    assert whole.dtype == torch.float32
    assert 0.99 < functional.cosine_similarity(whole, wanted, dim=0) < 1 - 1e-7
    fast.add(found)
    fast.update()
    assert all(parameter.dtype == torch.float32 for parameter in fast.parameters)


def test_a_stage_without_one_leaves_it_as_it_is() -> None:
    settings = replace(SETTINGS, share=(1, 1), gan=(0.0, 0.1), gan_features=(0.0,))
    subject, plain = learner(settings), learner(replace(SETTINGS, gan=(0.0,), gan_features=(0.0,)))
    assert plain.adversary is None
    before = {name: tensor.clone() for name, tensor in adversary_of(subject).state().items()}
    lr, hr = pixels()
    for each in (subject, plain):
        each.gradients([(lr, hr, 1.0, True)], settings.stages[0])
        each.set_rates(1e-2, 0.75)
        each.update()
    for a, b in zip(subject.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(a, b)
    after = adversary_of(subject).state()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_step_that_is_broken_off_changes_nothing() -> None:
    """As by a signal, which comes when it likes: the state saved then is that of the last whole step."""
    whole, broken = learner(), learner()
    step(whole)
    step(broken)
    lr, hr = pixels()
    broken.gradients([(lr[:2], hr[:2], 0.5, False)], STAGE)
    state, expected = broken.state(), whole.state()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    assert step(broken) == step(whole)
    assert all(torch.equal(broken.state()[name], tensor) for name, tensor in whole.state().items())


def test_it_starts_alike_on_every_rank_and_moves_no_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = Adversary(SETTINGS, CPU, Ranks(0, 2))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    other = Adversary(SETTINGS, CPU, Ranks(1, 2))
    for name, tensor in one.state().items():
        assert torch.equal(other.state()[name], tensor), name


def test_a_state_of_another_discriminator_is_told() -> None:
    subject = Adversary(SETTINGS, CPU, Ranks())
    other = Adversary(replace(SETTINGS, gan_channels=8), CPU, Ranks())
    for state in (other.state(), {}):
        with pytest.raises(CheckpointError, match="no discriminator of this size"):
            subject.restore(state)


def test_no_graph_is_captured_with_one() -> None:
    with pytest.raises(UsageError, match="`capture` on does not work with a discriminator"):
        replace(SETTINGS, capture="on")
