from typing import Any

import numpy as np
import pytest
import torch

from ripfdn_cli.image_math.metrics import luma
from ripfdn_cli.training.losses import (
    CHARBONNIER_EPSILON,
    pixel_loss,
    spectrum_loss,
    sub_pixels,
    total_loss,
)
from ripfdn_cli.training.presets import resolve_settings
from ripfdn_cli.training.settings import Stage

A = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]])
B = torch.tensor([[[[0.5, 1.0], [0.0, 0.25]]]])


def test_pixel_losses() -> None:
    assert pixel_loss("l1", A, B).item() == pytest.approx(0.25)
    assert pixel_loss("mse", A, B).item() == pytest.approx(0.125)
    charbonnier = np.mean([np.hypot(d, CHARBONNIER_EPSILON) for d in (0.5, 0, 0.5, 0)])
    assert pixel_loss("charbonnier", A, B).item() == pytest.approx(charbonnier)


def test_the_spectrum_loss_is_that_of_numpys_transform() -> None:
    a, b = torch.rand(2, 3, 8, 10, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 3, 8, 10)
    spectrum = np.fft.rfft2(a.numpy())
    expected = np.mean([np.abs(spectrum.real), np.abs(spectrum.imag)])
    assert spectrum_loss(a - b).item() == pytest.approx(expected, rel=1e-5)
    assert loss_of(stage(fft=0.05), a, b) == pytest.approx(a.mean().item() + 0.05 * expected, rel=1e-5)
    assert loss_of(stage(), a, b) == pytest.approx(a.mean().item())


def test_the_luma_loss_is_that_of_the_luma_which_is_scored() -> None:
    a, b = torch.rand(2, 2, 3, 8, 10, generator=torch.Generator().manual_seed(1))
    scored_a, scored_b = (luma(255 * pixels.permute(0, 2, 3, 1).numpy()) / 219 for pixels in (a, b))
    expected = ((a - b) ** 2).mean().item() + 1.5 * np.mean((scored_a - scored_b) ** 2)
    assert loss_of(stage(loss="mse", luma=1.5), a, b) == pytest.approx(expected, rel=1e-5)


def test_a_pixel_shuffle_takes_sub_pixels_back() -> None:
    pixels = torch.rand(2, 3, 12, 6, generator=torch.Generator().manual_seed(2))
    for scale in (2, 3):
        divided = sub_pixels(pixels, scale)
        assert divided.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(torch.nn.functional.pixel_shuffle(divided, scale), pixels)


def loss_of(stage: Stage, a: torch.Tensor, b: torch.Tensor) -> float:
    """Of pictures (N, 3, H, W)."""
    return total_loss(stage, sub_pixels(a, 2), sub_pixels(b, 2), 2).item()


def stage(**values: Any) -> Stage:
    return resolve_settings("factsheet", None, values).stages[0]
