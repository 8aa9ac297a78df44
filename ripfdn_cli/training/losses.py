"""What the network's result is held against. All means, so that they don't depend on patch or batch.

Results and targets are sub-pixels (N, 3·s², H, W), as the network gives them before its pixel shuffle: where
a loss doesn't ask for a pixel's neighbours, their order makes no difference.
"""

import torch
from torch import Tensor
from torch.nn import functional

from ripfdn_cli.image_math.metrics import LUMA_WEIGHTS
from ripfdn_cli.training.settings import Stage

CHARBONNIER_EPSILON = 1e-3


def sub_pixels(pixels: Tensor, scale: int) -> Tensor:
    """(N, 3, s·H, s·W) → (N, 3·s², H, W), channels last in memory: what a pixel shuffle takes back."""
    return functional.pixel_unshuffle(pixels, scale).contiguous(memory_format=torch.channels_last)


def pixel_loss(name: str, result: Tensor, target: Tensor) -> Tensor:
    """`l1`, `mse` or `charbonnier` (√(d² + ε²)) of two tensors of pixels in [0, 1]; a scalar."""
    if name == "l1":
        return functional.l1_loss(result, target)
    if name == "mse":
        return functional.mse_loss(result, target)
    assert name == "charbonnier", name
    return torch.sqrt((result - target) ** 2 + CHARBONNIER_EPSILON**2).mean()


def spectrum_loss(difference: Tensor) -> Tensor:
    """Mean of the absolute real and imaginary parts of the unnormalised 2D spectra of `difference` (N, 3, H,
    W), as SAFMN (Sun et al., ICCV 2023) was trained with at weight 0.05.
    """
    return torch.view_as_real(torch.fft.rfft2(difference)).abs().mean()


def luma(sub_pixels: Tensor) -> Tensor:
    """(N, 3·k, H, W), first all red, then green, then blue → (N, k, H, W): BT.601 luma, 0 for black and 1 for
    white.
    """
    red, green, blue = (weight / sum(LUMA_WEIGHTS) for weight in LUMA_WEIGHTS)
    reds, greens, blues = sub_pixels.chunk(3, dim=1)
    return red * reds + green * greens + blue * blues


def total_loss(stage: Stage, result: Tensor, target: Tensor, scale: int) -> Tensor:
    """The pixel loss of RGB, and where their weights are not zero that of luma and the spectrum loss.
    `result` and `target` are sub-pixels.
    """
    loss = pixel_loss(stage.loss, result, target)
    if stage.luma:
        loss = loss + stage.luma * pixel_loss(stage.loss, luma(result), luma(target))
    if stage.fft:
        loss = loss + stage.fft * spectrum_loss(functional.pixel_shuffle(result - target, scale))
    return loss
