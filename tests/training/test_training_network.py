import torch
from support.small_inputs import small_network
from torch import Tensor
from torch.autograd.graph import Node

from ripfdn_cli.model.architecture import attention_geometry
from ripfdn_cli.training.training_network import TrainingNetwork

CHANNELS_LAST = torch.channels_last


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixels, matrices and a gradient to start from, in float64: nothing but the formula is compared."""
    random = torch.Generator().manual_seed(3)
    geometry = attention_geometry(height=24, width=18)
    x = torch.rand(2, 3, 24, 18, generator=random, dtype=torch.float64)
    rows, columns = (torch.tensor(matrix).double() for matrix in (geometry.rows, geometry.columns))
    return x, rows, columns, torch.randn(2, 48, 24, 18, generator=random, dtype=torch.float64)


def test_it_is_the_network_with_its_gradients() -> None:
    network = small_network().double().train()
    x, rows, columns, weight = inputs()
    expected = network.sub_pixels(x, rows, columns)
    parameters = list(network.parameters())
    gradients = torch.autograd.grad((expected * weight).sum(), parameters)
    result = TrainingNetwork(network)(x.contiguous(memory_format=CHANNELS_LAST), rows, columns)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad((result * weight).sum(), parameters)
    for (name, _), a, b in zip(network.named_parameters(), ours, gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=f"{name}: {{}}".format)


def test_gradients_that_reach_an_activation_are_channels_last() -> None:
    """On strided ones its backward pass takes several times as long."""
    network = small_network().train()
    network.to(memory_format=CHANNELS_LAST)  # type: ignore[call-overload]  # which torch's stubs lack
    x, rows, columns, weight = (tensor.float() for tensor in inputs())
    result = TrainingNetwork(network)(x.contiguous(memory_format=CHANNELS_LAST), rows, columns)
    seen: list[bool] = []
    for node in activations(result.grad_fn):
        node.register_prehook(lambda g: seen.append(g[0].is_contiguous(memory_format=CHANNELS_LAST)))
    result.backward(weight)
    assert len(seen) == 7 * len(network.blocks) + 1
    assert all(seen)


def activations(node: Node | None) -> set[Node]:
    """The backward nodes of all GELUs behind `node`."""
    waiting = [node]
    found: set[Node] = set()
    known: set[Node] = set()
    while waiting:
        current = waiting.pop()
        if current is None or current in known:
            continue
        known.add(current)
        if current.name() == "GeluBackward0":
            found.add(current)
        waiting += [following for following, _ in current.next_functions]
    return found
