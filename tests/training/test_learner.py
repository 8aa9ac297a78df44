import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.learners import CPU, learner_of, pixels
from support.small_inputs import small_network
from support.training_runs import Watcher, make_pictures, tiny_settings

from ripfdn_cli.errors import CheckpointError, UnavailableError
from ripfdn_cli.model.network import to_checkpoint, whole_image_geometry
from ripfdn_cli.training.cuda_graph import captured_body, put_back
from ripfdn_cli.training.learner import Learner, start_network
from ripfdn_cli.training.losses import pixel_loss, sharpened, spectrum_loss
from ripfdn_cli.training.patches import PackedPictures, Request
from ripfdn_cli.training.settings import Stage, TrainingSettings
from ripfdn_cli.training.sources import open_source

SETTINGS = TrainingSettings(
    steps=10,
    channels=8,
    blocks=1,
    patch=(16,),
    batch=(4,),
    fft=(0.05,),
    clip=0.1,
    ema=0.9,
    precision="fp32",
)
STAGE = SETTINGS.stages[0]


def learner(settings: TrainingSettings = SETTINGS) -> Learner:
    return learner_of(settings)


def step(subject: Learner, rate: float = 1e-2, decay: float = 0.75, stage: Stage = STAGE) -> float:
    lr, hr = pixels()
    loss = subject.gradients([(lr, hr, 1.0, True)], stage)
    subject.set_rates(rate, decay)
    subject.update()
    return float(loss)


def test_a_step_is_that_of_a_plain_loop() -> None:
    """Against PyTorch's own Adam and an average written out, in the plainest form: closer than a thousandth
    of a step, which Adam makes as long for gradients that are little more than rounding.
    """
    ours = learner()
    network = start_network(SETTINGS)[0]
    averaged = [p.detach().clone() for p in network.parameters()]
    first, second = SETTINGS.betas
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, betas=(first, second))
    lr, hr = pixels()
    for _ in range(3):
        optimizer.zero_grad()
        result, target = network(lr / 255), hr / 255
        loss = pixel_loss("l1", result, target) + 0.05 * spectrum_loss(result - target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.1)
        optimizer.step()
        averaged = [0.75 * a + 0.25 * p.detach() for a, p in zip(averaged, network.parameters(), strict=True)]
        assert step(ours) == pytest.approx(loss.item(), rel=1e-5)
    assert ours.average is not None
    for theirs, mine in zip(network.parameters(), ours.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    for expected, mine in zip(averaged, ours.average.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)


def test_without_its_package_soap_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(UnavailableError, match=r"pip install 'ripfdn-cli\[train\]'"):
        learner(replace(SETTINGS, optimizer="soap"))


def test_micro_batches_add_up_to_the_batch() -> None:
    whole, parts = learner(), learner()
    lr, hr = pixels()
    loss = whole.gradients([(lr, hr, 1.0, True)], STAGE)
    split = [(lr[:1], hr[:1], 0.25, False), (lr[1:], hr[1:], 0.75, True)]
    assert parts.gradients(split, STAGE).item() == pytest.approx(loss.item(), rel=1e-6)
    for a, b in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-7)


def test_micro_batches_are_of_the_size_that_was_asked_for_or_that_suits_a_cpu() -> None:
    assert learner(replace(SETTINGS, micro_batch=3)).micro_batch(STAGE, 16) == 3
    assert learner(replace(SETTINGS, micro_batch=32)).micro_batch(STAGE, 16) == 16
    torch.set_num_threads(1)
    assert learner().micro_batch(replace(STAGE, patch=64), 16) == 4
    assert learner().micro_batch(replace(STAGE, patch=256), 16) == 1
    torch.set_num_threads(2)
    assert learner().micro_batch(replace(STAGE, patch=64), 16) == 4
    assert learner().micro_batch(replace(STAGE, patch=64), 5) == 3  # two threads have one each
    torch.set_num_threads(6)  # of which a batch of 4 makes use of 4
    assert learner().micro_batch(replace(STAGE, patch=16), 4) == 1
    assert learner().micro_batch(replace(STAGE, patch=16), 12) == 3  # six would take 2 each


def test_gradients_lie_in_memory_as_their_parameters_do() -> None:
    """DDP reduces them in the strides of the parameters, and copies each that has others."""
    subject = learner()
    lr, hr = pixels()
    parameters = list(subject.network.parameters())
    gradients = torch.autograd.grad(subject.loss(lr, hr, STAGE), parameters)
    names = [name for name, _ in subject.network.named_parameters()]
    for name, parameter, gradient in zip(names, parameters, gradients, strict=True):
        assert gradient.stride() == parameter.stride(), name
    assert subject.network.deep.weight.is_contiguous(memory_format=torch.channels_last)
    assert not subject.network.deep.weight.is_contiguous()


@pytest.mark.parametrize("threads", [2, 3])
def test_side_by_side_gives_the_gradients_of_one_after_another(threads: int) -> None:
    lr, hr = pixels(8)
    batches = [(lr[i : i + 2], hr[i : i + 2], 0.25, i == 6) for i in range(0, 8, 2)]
    torch.set_num_threads(1)
    one = learner()
    expected = one.gradients(batches, STAGE)
    torch.set_num_threads(threads)
    several = learner()
    assert several.gradients(iter(batches), STAGE).item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.get_num_threads() == threads
    for a, b in zip(one.network.parameters(), several.network.parameters(), strict=True):
        assert b.grad is not None
        assert b.grad.stride() == b.stride()
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-7)


def test_side_by_side_is_the_same_to_the_bit_each_time() -> None:
    lr, hr = pixels(8)
    batches = [(lr[i : i + 2], hr[i : i + 2], 0.25, i == 6) for i in range(0, 8, 2)]
    torch.set_num_threads(2)
    found = []
    for _ in range(5):
        subject = learner()
        subject.gradients(batches, STAGE)
        found.append([parameter.grad for parameter in subject.network.parameters()])
    for again in found[1:]:
        for a, b in zip(found[0], again, strict=True):
            if a is not None:
                assert b is not None
                assert torch.equal(a, b)
        assert len(again) == len(found[0])


def test_an_error_in_one_micro_batch_ends_the_step() -> None:
    lr, hr = pixels(4)
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match="to have 3 channels"):
        learner().gradients([(lr, hr, 0.5, False), (lr[:, :2], hr, 0.5, True)], STAGE)


def test_no_average_is_kept_where_none_is_wanted() -> None:
    subject = learner(replace(SETTINGS, ema=0.0))
    step(subject)
    assert subject.average is None
    assert subject.best_guess is subject.network
    assert not any(name.startswith("average.") for name in subject.state())


def test_a_restored_learner_goes_on_to_the_bit() -> None:
    first = learner()
    step(first)
    saved = {name: tensor.clone() for name, tensor in first.state().items()}
    losses = [step(first), step(first)]
    second = learner(replace(SETTINGS, seed=9))
    second.restore(saved)
    assert [step(second), step(second)] == losses
    for name, tensor in first.state().items():
        assert torch.equal(second.state()[name], tensor), name


def test_a_state_of_another_network_is_refused() -> None:
    other = learner(replace(SETTINGS, channels=16)).state()
    with pytest.raises(CheckpointError, match="another network"):
        learner().restore(other)


def test_what_is_captured_is_a_step(tmp_path: Path) -> None:
    """The body of the CUDA graph, run plainly, does what an ordinary step does."""
    torch.set_num_threads(1)
    settings = tiny_settings(make_pictures(tmp_path), fft=0.05, ema=0.9, precision="fp32")
    stage = settings.stages[0]
    source = open_source(settings, [], CPU, Watcher()).source
    assert isinstance(source, PackedPictures)
    plain, captured = learner(settings), learner(settings)
    for index in range(3):
        request = Request(index, stage.patch, stage.batch, 0, stage.batch)
        loss = plain.gradients([(*source.patches(request), 1.0, True)], stage)
        plain.set_rates(1e-3, 0.9)
        plain.update()
        captured.set_rates(1e-3, 0.9)
        assert torch.equal(captured_body(captured, source, source.drawn(request), stage), loss)
    for name, tensor in plain.state().items():
        assert torch.equal(captured.state()[name], tensor), name


def test_warming_up_for_a_capture_leaves_no_trace() -> None:
    fresh, warmed = learner(), learner()
    before = {name: tensor.clone() for name, tensor in warmed.state().items()}
    step(warmed)
    put_back(warmed, before)
    assert [step(warmed), step(warmed)] == [step(fresh), step(fresh)]
    before = {name: tensor.clone() for name, tensor in warmed.state().items()}
    step(warmed)
    put_back(warmed, before)
    assert step(warmed) == step(fresh)


def test_weights_of_the_same_scale_are_taken_whole(small_weights: Path) -> None:
    settings = replace(SETTINGS, blocks=2, init_from=str(small_weights))
    network, provenance = start_network(settings)
    for name, tensor in small_network().state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    assert provenance["init_from"] == small_weights.name
    assert len(provenance["init_from_sha256"]) == 64


def test_of_another_scale_the_trunk_is_taken_and_the_upsampler_starts_bilinear(small_weights: Path) -> None:
    settings = replace(SETTINGS, blocks=2, scale=2, init_from=str(small_weights))
    network, _ = start_network(settings)
    fresh, _ = start_network(replace(settings, init_from=""))
    for name, tensor in small_network().state_dict().items():
        if not name.startswith("upsample."):
            assert torch.equal(network.state_dict()[name], tensor), name
    assert torch.equal(network.upsample.weight, fresh.upsample.weight)
    assert network.upsample.weight.shape[0] == 12


def test_blocks_after_those_of_the_weights_change_nothing_before_they_learn(small_weights: Path) -> None:
    settings = replace(SETTINGS, blocks=4, init_from=str(small_weights))
    network, _ = start_network(settings)
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(x), small_network()(x))
    subject = learner(settings)
    for _ in range(3):  # first what is made of a block, then what it adds, then its inside
        step(subject)
    for before, after in zip(network.blocks[2:], subject.network.blocks[2:], strict=True):
        for layer in ("project", "refine1.spatial"):
            name = f"{layer}.weight"
            assert not torch.equal(before.get_parameter(name), after.get_parameter(name)), name
    assert subject.network.fuse.weight[:, 16:].all()


def test_deeper_networks_of_another_scale_start_with_the_trunk_alone(small_weights: Path) -> None:
    settings = replace(SETTINGS, blocks=3, scale=2, init_from=str(small_weights))
    deeper, _ = start_network(settings)
    of_two_blocks, _ = start_network(replace(settings, blocks=2))
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = of_two_blocks.deep_features(of_two_blocks.shallow(x), *whole_image_geometry(x))
        ours = deeper.deep_features(deeper.shallow(x), *whole_image_geometry(x))
    torch.testing.assert_close(ours, theirs)
    assert deeper.upsample.weight.shape[0] == 12


@pytest.mark.parametrize(("channels", "blocks"), [(8, 1), (16, 2), (16, 3)])
def test_weights_of_another_width_or_of_more_blocks_are_refused(
    small_weights: Path, channels: int, blocks: int
) -> None:
    settings = replace(SETTINGS, init_from=str(small_weights), channels=channels, blocks=blocks)
    with pytest.raises(CheckpointError, match="8 channels and 2 blocks, but the run's network has"):
        start_network(settings)


def test_the_bilinear_start_is_bilinear_and_the_seed_makes_the_rest() -> None:
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    network, _ = start_network(replace(SETTINGS, channels=52, blocks=4))
    expected = torch.nn.functional.interpolate(x, scale_factor=4, mode="bilinear")
    with torch.no_grad():
        assert (network(x) - expected)[..., 8:-8, 8:-8].abs().mean() < 0.02
    a, b, c = (to_checkpoint(start_network(replace(SETTINGS, seed=s))[0], {}).to_bytes() for s in (1, 1, 2))
    assert a == b != c


def test_bf16_only_where_it_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    from ripfdn_cli.training import learner as module

    auto = replace(SETTINGS, precision="auto")
    monkeypatch.setenv("RIPFDN_CPU_BF16", "off")
    assert not learner(auto).bf16
    with pytest.raises(UnavailableError, match="`precision` bf16: RIPFDN_CPU_BF16=off in the environment"):
        learner(replace(SETTINGS, precision="bf16"))
    monkeypatch.setattr(module, "native_bf16", lambda: True)
    subject = learner(auto)
    assert subject.bf16
    assert subject.micro_batch(replace(STAGE, patch=64), 16) == 8  # twice as many as in fp32
    step(subject)
    assert all(p.dtype == torch.float32 for p in subject.network.parameters())
    assert not learner(replace(SETTINGS, precision="fp32")).bf16


def test_the_network_is_shown_sharpened_targets() -> None:
    made = learner()
    lr, hr = pixels()
    stage = replace(SETTINGS.stages[0], loss="mse", fft=0.0, luma=0.0, sharpen=0.8, overshoot=0.5)
    with torch.no_grad():
        result = made.network(lr.float() / 255)
        loss = made.loss(lr, hr, stage)
    target = sharpened(hr.float() / 255, 0.8, 0.5)
    assert loss.item() == pytest.approx((result - target).square().mean().item(), rel=1e-4)
    assert loss.item() != pytest.approx(made.loss(lr, hr, replace(stage, sharpen=0.0)).item(), rel=1e-2)
