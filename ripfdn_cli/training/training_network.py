"""The network as a training step runs it: the same function as `model.network`, in less time.

Backward passes on a CPU are fast only where all their tensors are dense and channels last, which autograd
does not see to by itself.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ripfdn_cli.model.network import RIPFDN, DistillationBlock, PartialResidualBlock, SpatialAttention

Module = TypeVar("Module", bound=nn.Module)


def channels_last(network: Module) -> Module:
    """`network` with the kernels of its convolutions in the order of the pixels: a convolution would reorder
    them each time. Nothing else: DDP wants parameters with the strides of their gradients.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


class TrainingNetwork(nn.Module):
    """`network` before its pixel shuffle: (N, 3, H, W) in [0, 1], channels last in memory, and the matrices
    of `attention_geometry` to (N, 3·s², H, W). It has the parameters of `network` and none of its own.
    """

    def __init__(self, network: RIPFDN) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """As RIPFDN.sub_pixels: (N, 3, H, W) RGB in 0..1 → (N, 3·s², H, W), not clamped."""
        network = self.network
        shallow = network.shallow(x)
        features, outputs = shallow, []
        for block in network.blocks:
            assert isinstance(block, DistillationBlock)
            features = _distillation(block, features, rows, columns)
            outputs.append(features)
        fused = _gelu(network.fuse(torch.cat(outputs, dim=1)))
        upsampled: Tensor = network.upsample(network.deep(fused) + shallow)
        return upsampled


class _DenseGradient(torch.autograd.Function):
    """The identity, whose gradient is made channels last.

    What `torch.cat` hands back is a strided view, on which the next backward pass takes several times as
    long as copying it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0].contiguous(memory_format=torch.channels_last)


def _gelu(x: Tensor) -> Tensor:
    dense: Tensor = _DenseGradient.apply(functional.gelu(x))  # type: ignore[no-untyped-call]
    return dense


def _residual(block: PartialResidualBlock, x: Tensor) -> Tensor:
    seen, kept = torch.split(x, block.split, dim=1)
    return _gelu(block.mix(torch.cat((block.spatial(seen), kept), dim=1)) + x)


def _distillation(block: DistillationBlock, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    refined1 = _residual(block.refine1, x)
    distilled1 = _gelu(block.distill1(x))
    refined2 = _residual(block.refine2, refined1)
    distilled2 = _gelu(block.distill2(refined1))
    fused = block.interact(torch.cat((distilled1, distilled2, refined2), dim=1))
    refined3 = _residual(block.refine3, fused)
    distilled3 = _gelu(block.distill3(fused))
    distilled4 = _gelu(block.distill4(refined3))
    merged = block.merge(torch.cat((distilled1, distilled2, distilled3, distilled4), dim=1))
    attended = _attention(block.attention, merged, rows, columns)
    # Scaling the weights takes a thousandth of what scaling the features would.
    projected = functional.conv2d(attended, block.project.weight * block.channel_scale, block.project.bias)
    return projected + x


def _attention(attention: SpatialAttention, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    reduced = attention.reduce(x)
    pooled = functional.max_pool2d(attention.stride(reduced), kernel_size=7, stride=3)
    pooled = functional.relu(attention.pooled1(pooled))
    pooled = functional.relu(attention.pooled2(pooled))
    pooled = attention.pooled3(pooled)
    up = (rows @ pooled @ columns.T).contiguous(memory_format=torch.channels_last)
    return torch.sigmoid(attention.expand(up + attention.skip(reduced))) * x
