"""What the network's result is held against. All means, so that they don't depend on patch or batch."""

import torch
from torch import Tensor
from torch.nn import functional

from ripfdn_cli.image_math.metrics import LUMA_WEIGHTS
from ripfdn_cli.training.settings import Stage

CHARBONNIER_EPSILON = 1e-3


def pixel_loss(name: str, result: Tensor, target: Tensor) -> Tensor:
    """`l1`, `mse` or `charbonnier` (√(d² + ε²)) of two (N, 3, H, W) in [0, 1]; a scalar."""
    if name == "l1":
        return functional.l1_loss(result, target)
    if name == "mse":
        return functional.mse_loss(result, target)
    assert name == "charbonnier", name
    return torch.sqrt((result - target) ** 2 + CHARBONNIER_EPSILON**2).mean()


def spectrum_loss(result: Tensor, target: Tensor) -> Tensor:
    """L1 distance of the real and imaginary parts of the unnormalised 2D spectra, as SAFMN (Sun et al., ICCV
    2023) was trained with at weight 0.05.
    """
    difference = torch.fft.rfft2(result - target)
    return torch.view_as_real(difference).abs().mean()


def luma(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) → (N, 1, H, W): BT.601 luma, 0 for black and 1 for white."""
    red, green, blue = (weight / sum(LUMA_WEIGHTS) for weight in LUMA_WEIGHTS)
    return red * rgb[:, :1] + green * rgb[:, 1:2] + blue * rgb[:, 2:]


def total_loss(stage: Stage, result: Tensor, target: Tensor) -> Tensor:
    """The pixel loss of RGB, and where their weights are not zero that of luma and the spectrum loss."""
    loss = pixel_loss(stage.loss, result, target)
    if stage.luma:
        loss = loss + stage.luma * pixel_loss(stage.loss, luma(result), luma(target))
    return loss + stage.fft * spectrum_loss(result, target) if stage.fft else loss
