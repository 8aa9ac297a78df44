"""What the network's result is held against. All means, so that they don't depend on patch or batch."""

import torch
from torch import Tensor
from torch.nn import functional

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


def total_loss(name: str, fft: float, result: Tensor, target: Tensor) -> Tensor:
    """The pixel loss and, where `fft` is not zero, that much of the spectrum loss."""
    loss = pixel_loss(name, result, target)
    return loss + fft * spectrum_loss(result, target) if fft else loss
