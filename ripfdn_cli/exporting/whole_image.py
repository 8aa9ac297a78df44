"""RIPFDN as other programs want it: a picture in, a larger picture out, and nothing else to pass."""

import warnings
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ripfdn_cli.exporting.export_target import Form
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import RIPFDN, build_network

_EXAMPLE = (2, 3, 24, 30)
"""With which a network of any size is traced. An exporter takes sides of 1, and ones that are equal, for
constants: there are none, in ESA's map neither.
"""


class WholeImage(nn.Module):
    """`network` from (N, 3, H, W) float32 RGB in [0, 1] to (N, 3, scale·H, scale·W) float32, not clamped.

    The input is taken to be the whole image. `size` is the only (H, W) the graph will have, None for any.
    """

    def __init__(self, network: RIPFDN, size: tuple[int, int] | None) -> None:
        super().__init__()
        self.network = network
        self.size = size

    @classmethod
    def of(cls, checkpoint: Checkpoint, form: Form, *, half: bool) -> Self:
        """`checkpoint`'s network in eval mode, computing in fp16 where `half`. Raises CheckpointError."""
        network = build_network(checkpoint)
        return cls(network.half() if half else network, form.tile).eval()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB in 0..1 → (N, 3, s·H, s·W) float32, not clamped."""
        rows, columns = _Rows(self.size or (x.shape[-2], x.shape[-1])), _Columns()
        precision = self.network.shallow.weight.dtype
        # The network only multiplies with them, which is all that these two know.
        result: Tensor = self.network(x.to(precision), cast(Tensor, rows), cast(Tensor, columns))
        return result.float()

    def example(self) -> Tensor:
        """An input to trace with."""
        return torch.zeros(_EXAMPLE if self.size is None else (1, 3, *self.size))


def traced(model: WholeImage) -> torch.jit.ScriptModule:
    """The TorchScript of `model`."""
    return _traced(model, model.example())


def traced_at(model: WholeImage, size: tuple[int, int]) -> torch.jit.ScriptModule:
    """The same, from one picture of `size` (H, W)."""
    return _traced(model, torch.zeros(1, 3, *size))


def _traced(model: WholeImage, example: Tensor) -> torch.jit.ScriptModule:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecated for new programs, asked for by old ones
        module: torch.jit.ScriptModule = torch.jit.trace(model, example, check_trace=False)
        return module


class _Rows:
    """ESA's interpolation matrices for a whole image, as what they do: `rows @ pooled @ columns.T` is one
    bilinear resize to `size`.

    In a graph for any size the matrices would be the arithmetic of their making, and in one of fixed size
    megabytes of constants. Every program knows a resize, and keeps its coordinates in fp32 when it converts
    the rest to fp16.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def __matmul__(self, pooled: Tensor) -> Tensor:
        return functional.interpolate(pooled, size=self.size, mode="bilinear", align_corners=False)


class _Columns:
    """The second factor, which finds its work done."""

    @property
    def T(self) -> Self:  # noqa: N802 - as a tensor has it
        return self

    def __rmatmul__(self, upsampled: Tensor) -> Tensor:
        return upsampled
