from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter
from skimage.metrics import structural_similarity
from skimage.transform import downscale_local_mean
from support.small_inputs import photograph

from ripfdn_cli.image_math.metrics import luma
from ripfdn_cli.training.losses import (
    PICTURE_LOSSES,
    artefact_loss,
    focal_frequency_loss,
    gradient_energy_loss,
    gradient_loss,
    ms_ssim_loss,
    pixel_loss,
    sharpened,
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
    charbonnier = np.mean([np.hypot(d, 0.001) for d in (0.5, 0, 0.5, 0)])
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


def pictures(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two of (2, 3, height, width): a photograph with noise, and the same blurred."""
    sharp = np.stack([photograph(height, width, seed=seed) for seed in (1, 2)]) / 255
    noise = np.random.default_rng(5).normal(0, 0.03, sharp.shape)
    blurred = gaussian_filter(sharp, (0, 1.2, 1.2, 0))
    one, other = (np.moveaxis(x, 3, 1).astype(np.float32) for x in (sharp + noise, blurred))
    return torch.from_numpy(one.clip(0, 1)), torch.from_numpy(other)


def greys(*given: torch.Tensor) -> list[np.ndarray]:
    """BT.601 luma in 0..1 of each, in double precision."""
    return [np.einsum("c,nchw->nhw", [0.299, 0.587, 0.114], x.double().numpy()) for x in given]


def test_the_gradient_loss_is_that_of_neighbours() -> None:
    a, b = pictures(24, 40)
    difference = (a - b).double().numpy()
    expected = np.abs(np.diff(difference, axis=3)).mean() + np.abs(np.diff(difference, axis=2)).mean()
    assert gradient_loss(a, b).item() == pytest.approx(expected, rel=1e-5)
    assert gradient_loss(a, a + 0.25).item() == pytest.approx(0, abs=1e-7)


def test_gradient_energy_is_the_rms_gradient_of_windows() -> None:
    a, b = pictures(24, 40)
    energies = []
    for grey in greys(a, b):
        squares = np.square(np.diff(grey, axis=2)[:, :-1]) + np.square(np.diff(grey, axis=1)[:, :, :-1])
        windows = np.lib.stride_tricks.sliding_window_view(squares, (8, 8), axis=(1, 2))[:, ::4, ::4]
        energies.append(np.sqrt(windows.mean(axis=(3, 4)) + 1e-5))
    expected = np.abs(energies[0] - energies[1]).mean()
    assert gradient_energy_loss(a, b).item() == pytest.approx(expected, rel=1e-4)


def test_gradient_energy_forgives_a_texture_its_place_and_not_its_blur() -> None:
    texture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    moved = texture.roll((1, 2), dims=(2, 3))
    blurred = torch.nn.functional.avg_pool2d(texture, 3, 1, 1)
    assert pixel_loss("mse", blurred, texture) < pixel_loss("mse", moved, texture)
    assert gradient_energy_loss(blurred, texture) > 5 * gradient_energy_loss(moved, texture)


def test_the_focal_frequency_loss_weighs_each_frequency_by_its_error() -> None:
    a, b = pictures(24, 40)
    distance = np.abs(np.fft.fft2((a - b).double().numpy()) / np.sqrt(24 * 40))
    expected = (distance / distance.max(axis=(2, 3), keepdims=True) * distance**2).mean()
    assert focal_frequency_loss(a, b).item() == pytest.approx(expected, rel=1e-4)
    assert focal_frequency_loss(a, a).item() == 0


def test_ms_ssim_is_the_product_of_its_scales() -> None:
    """By scikit-image: SSIM of the coarsest scale; contrast and structure are SSIM over its luminance."""
    a, b = pictures(176, 208)
    expected = []
    for one, other in zip(*greys(a, b), strict=True):
        product = 1.0
        for level, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            if level:
                one, other = downscale_local_mean(one, (2, 2)), downscale_local_mean(other, (2, 2))
            options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "full": True}
            _, ssim = structural_similarity(one, other, use_sample_covariance=False, **options)
            mean, other_mean = (gaussian_filter(x, 1.5, truncate=3.5) for x in (one, other))
            luminance = (2 * mean * other_mean + 1e-4) / (mean**2 + other_mean**2 + 1e-4)
            similarity = ssim if level == 4 else ssim / luminance
            product *= similarity[5:-5, 5:-5].mean() ** exponent
        expected.append(product)
    assert ms_ssim_loss(a, b).item() == pytest.approx(1 - np.mean(expected), abs=2e-5)
    assert ms_ssim_loss(a, a).item() == pytest.approx(0, abs=1e-5)


def test_the_artefact_loss_is_l1_where_errors_vary() -> None:
    a, b = pictures(24, 40)
    error = np.abs((a - b).double().numpy())
    residual = error.sum(axis=1)
    padded = np.pad(residual, ((0, 0), (3, 3), (3, 3)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))
    weights = windows.var(axis=(3, 4), ddof=1) * residual.var(axis=(1, 2), ddof=1)[:, None, None] ** 0.2
    assert artefact_loss(a, b).item() == pytest.approx((weights[:, None] * error).mean(), rel=1e-3)


@pytest.mark.parametrize("name", PICTURE_LOSSES)
def test_a_weight_adds_its_loss_of_the_pictures(name: str) -> None:
    a, b = pictures(176, 192)
    expected = (a - b).abs().mean() + 0.5 * PICTURE_LOSSES[name](a, b)
    assert loss_of(stage(**{name: 0.5}), a, b) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", PICTURE_LOSSES)
def test_micro_batches_add_up_to_the_batch_and_slopes_are_finite(name: str) -> None:
    a, b = pictures(176, 192)
    b[1] = a[1] = 0.5  # flat and without an error: roots and quotients have no slope here
    parts = [PICTURE_LOSSES[name](a[i : i + 1], b[i : i + 1]).item() for i in range(2)]
    whole = PICTURE_LOSSES[name](a.requires_grad_(), b)
    assert whole.item() == pytest.approx(np.mean(parts), rel=1e-5)
    whole.backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()
    assert a.grad[0].abs().max() > 0


def test_gradients_of_the_losses_are_their_slopes() -> None:
    for name in PICTURE_LOSSES.keys() - {"ldl", "focal_frequency"}:  # their weights are held fixed
        a, b = (x.double() for x in pictures(176, 176))
        a.requires_grad_()
        PICTURE_LOSSES[name](a, b).backward()
        assert a.grad is not None
        step = 1e-6 * a.grad.sign()
        with torch.no_grad():
            rise = PICTURE_LOSSES[name](a + step, b) - PICTURE_LOSSES[name](a - step, b)
        assert rise.item() == pytest.approx(2e-6 * a.grad.abs().sum().item(), rel=1e-2), name


def loss_of(stage: Stage, a: torch.Tensor, b: torch.Tensor) -> float:
    """Of pictures (N, 3, H, W)."""
    return total_loss(stage, sub_pixels(a, 2), sub_pixels(b, 2), 2).item()


def stage(**values: Any) -> Stage:
    return resolve_settings("factsheet", None, values).stages[0]


def test_sharpened_targets_are_those_of_an_unsharp_mask() -> None:
    """By scipy's Gaussian filter, which mirrors at the edges alike and stops at the same distance."""
    target = np.random.default_rng(3).uniform(0.3, 0.7, (2, 3, 24, 20))
    blurred = gaussian_filter(target, (0, 0, 1.5, 1.5), mode="mirror", radius=(0, 0, 4, 4))
    expected = np.clip(target + 0.8 * (target - blurred), 0, 1)
    result = sharpened(torch.from_numpy(target).float(), 0.8)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("overshoot", [0.0, 0.25, 1.0])
def test_of_what_lies_beyond_all_neighbours_a_share_is_left(overshoot: float) -> None:
    """By scipy's extremes of 5×5 px, those beyond the edges left out."""
    target = np.random.default_rng(4).uniform(0.3, 0.7, (2, 3, 24, 20))
    plain = sharpened(torch.from_numpy(target).float(), 1.4).numpy()
    lightest = maximum_filter(target, (1, 1, 5, 5), mode="constant", cval=-np.inf)
    darkest = minimum_filter(target, (1, 1, 5, 5), mode="constant", cval=np.inf)
    inside = np.clip(plain, darkest, lightest)
    assert np.abs(plain - inside).max() > 0.1
    result = sharpened(torch.from_numpy(target).float(), 1.4, overshoot)
    np.testing.assert_allclose(result.numpy(), inside + overshoot * (plain - inside), atol=1e-6)
