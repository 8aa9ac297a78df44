import numpy as np
import pytest
import torch
from conftest import small_network
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ripfdn_cli.architecture import NetworkConfig
from ripfdn_cli.checkpoint import Checkpoint
from ripfdn_cli.errors import CheckpointError
from ripfdn_cli.network import RIPFDN, bilinear_start, build_network, to_checkpoint


def reference_forward(state: dict[str, Tensor], x: Tensor, blocks: int, scale: int) -> Tensor:
    """The published definition written a second time, plainly, in float64 and with torch's own resize."""

    def conv(name: str, v: Tensor, **options: int) -> Tensor:
        return functional.conv2d(v, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    def pcrb(name: str, u: Tensor) -> Tensor:
        c = state[f"{name}.spatial.weight"].shape[0]
        joined = torch.cat((conv(f"{name}.spatial", u[:, :c], padding=1), u[:, c:]), 1)
        return functional.gelu(conv(f"{name}.mix", joined) + u)

    def esa(name: str, v: Tensor) -> Tensor:
        a = conv(f"{name}.reduce", v)
        q = functional.max_pool2d(conv(f"{name}.stride", a, stride=2), 7, 3)
        q = functional.relu(conv(f"{name}.pooled1", q, padding=1))
        q = functional.relu(conv(f"{name}.pooled2", q, padding=1))
        q = conv(f"{name}.pooled3", q, padding=1)
        up = functional.interpolate(q, v.shape[-2:], mode="bilinear", align_corners=False)
        return v * torch.sigmoid(conv(f"{name}.expand", up + conv(f"{name}.skip", a)))

    def block(name: str, v: Tensor) -> Tensor:
        r1 = pcrb(f"{name}.refine1", v)
        d1 = functional.gelu(conv(f"{name}.distill1", v))
        r2 = pcrb(f"{name}.refine2", r1)
        d2 = functional.gelu(conv(f"{name}.distill2", r1))
        f = conv(f"{name}.interact", torch.cat((d1, d2, r2), 1))
        r3 = pcrb(f"{name}.refine3", f)
        d3 = functional.gelu(conv(f"{name}.distill3", f))
        d4 = functional.gelu(conv(f"{name}.distill4", r3, padding=1))
        attended = esa(f"{name}.attention", conv(f"{name}.merge", torch.cat((d1, d2, d3, d4), 1)))
        return conv(f"{name}.project", state[f"{name}.channel_scale"] * attended) + v

    f0 = conv("shallow", x, padding=1)
    outputs = [f0]
    for i in range(blocks):
        outputs.append(block(f"blocks.{i}", outputs[-1]))
    m = functional.gelu(conv("fuse", torch.cat(outputs[1:], 1)))
    return functional.pixel_shuffle(conv("upsample", conv("deep", m, padding=1) + f0, padding=1), scale)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(15, 15), (16, 23), (37, 20)])
def test_network_is_the_published_definition(scale: int, size: tuple[int, int]) -> None:
    network = small_network(scale)
    x = torch.rand(2, 3, *size)
    state = {name: tensor.double() for name, tensor in network.state_dict().items()}
    with torch.inference_mode():
        expected = reference_forward(state, x.double(), blocks=2, scale=scale)
        result = network(x)
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
def test_a_tensor_that_does_not_fit_is_named(small_checkpoint: Checkpoint, change: object, word: str) -> None:
    tensors = dict(small_checkpoint.tensors)
    change(tensors)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=word):
        build_network(Checkpoint(small_checkpoint.config, tensors))


def test_weights_that_are_not_finite_are_never_saved() -> None:
    network = small_network()
    with torch.no_grad():
        network.fuse.bias[0] = float("inf")
    with pytest.raises(CheckpointError, match="not finite"):
        to_checkpoint(network, {})
