from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.reference_network import ReferenceNetwork
from support.small_inputs import small_network
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ripfdn_cli.errors import CheckpointError
from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import RIPFDN, bilinear_start, build_network, to_checkpoint


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(15, 15), (16, 23), (37, 20)])
def test_network_is_the_published_definition(scale: int, size: tuple[int, int]) -> None:
    network = small_network(scale)
    reference = ReferenceNetwork(network.config, network.state_dict())
    x = torch.rand(2, 3, *size)
    with torch.inference_mode():
        expected, result = reference(x.double()), network(x)
    assert result.shape == (2, 3, scale * size[0], scale * size[1])
    torch.testing.assert_close(result.double(), expected, atol=1e-5, rtol=0)


def test_published_size_is_that_of_the_challenge() -> None:
    with torch.device("meta"):
        network = RIPFDN(NetworkConfig())
        x = torch.empty(1, 3, 256, 256)
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    counter = FlopCounterMode(display=False)
    rows, columns = torch.empty(256, 41, device="meta"), torch.empty(256, 41, device="meta")
    with counter:
        network(x, rows, columns)
    convolution_flops = counter.get_flop_counts()["Global"][torch.ops.aten.convolution]
    assert sum(parameter.numel() for parameter in network.parameters()) == 261_868
    assert len(convolutions) == 84
    assert round(convolution_flops / 2 / 1e9, 2) == 15.52


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bilinear_start_is_bilinear_up_to_damped_noise(scale: int) -> None:
    torch.manual_seed(0)
    network = RIPFDN(NetworkConfig(scale=scale))
    bilinear_start(network)
    ramp = torch.linspace(0, 1, 40)
    x = torch.stack((ramp.expand(40, 40), ramp.expand(40, 40).T, torch.full((40, 40), 0.5)))[None]
    expected = functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    # With everything but interpolation silenced, no channel or sub-pixel may be swapped.
    with torch.inference_mode():
        near = (network(x) - expected)[..., 8:-8, 8:-8].abs().mean()
        network.deep.weight.zero_()
        network.upsample.weight[:, 3:].zero_()
        exact = (network(x) - expected)[..., 8:-8, 8:-8].abs().max()
    assert exact < 1e-6
    assert near < 0.05


def test_checkpoint_round_trip_gives_the_same_network() -> None:
    network = small_network(scale=3)
    rebuilt = build_network(to_checkpoint(network, {}))
    x = torch.rand(1, 3, 20, 20)
    with torch.inference_mode():
        assert torch.equal(network(x), rebuilt(x))
    assert rebuilt.config == network.config


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.pop("fuse.bias"), "fuse.bias is missing"),
        (lambda t: t.update({"extra.weight": t["fuse.bias"]}), "extra.weight is unexpected"),
        (lambda t: t.update({"fuse.bias": t["fuse.bias"][:-1]}), "fuse.bias has shape"),
        (lambda t: t.update({"fuse.bias": t["fuse.bias"].astype(np.float16)}), "fuse.bias is float16"),
        (
            lambda t: t.update({"fuse.bias": t["fuse.bias"] * np.nan}),
            "fuse.bias has values that are not finite",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    small_checkpoint: Checkpoint, change: Callable[[dict[str, NDArray[Any]]], object], word: str
) -> None:
    tensors = dict(small_checkpoint.tensors)
    change(tensors)
    with pytest.raises(CheckpointError, match=word):
        build_network(Checkpoint(small_checkpoint.config, tensors))


def test_weights_that_are_not_finite_are_never_saved() -> None:
    network = small_network()
    assert network.fuse.bias is not None
    with torch.no_grad():
        network.fuse.bias[0] = float("inf")
    with pytest.raises(CheckpointError, match="not finite"):
        to_checkpoint(network, {})
