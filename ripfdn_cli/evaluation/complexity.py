"""What a network costs, counted by running it without numbers on torch's meta device."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.model.network import RIPFDN

COUNTED_SIDE = 256
"""Pixels: MACs and activations are those of an input of 256×256, as in NTIRE's tables."""


@dataclass(frozen=True)
class Complexity:
    """`macs` (multiply-adds) and `activations` (output values) are those of the convolutions."""

    parameters: int
    convolutions: int
    macs: int
    activations: int


def count_complexity(
    config: NetworkConfig, *, height: int = COUNTED_SIDE, width: int = COUNTED_SIDE
) -> Complexity:
    """The complexity of the network of `config` for one input of `height` × `width` px."""
    with torch.device("meta"):
        network = RIPFDN(config)
    macs: list[int] = []
    activations: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        taps = module.kernel_size[0] * module.kernel_size[1]
        macs.append(output.numel() * taps * (module.in_channels // module.groups))
        activations.append(output.numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.empty(1, 3, height, width, device="meta"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Complexity(parameters, len(macs), sum(macs), sum(activations))
