"""What the network's result is held against. All means, so that they don't depend on patch or batch.

Results and targets are sub-pixels (N, 3·s², H, W), as the network gives them before its pixel shuffle: where
a loss doesn't ask for a pixel's neighbours, their order makes no difference.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ripfdn_cli.image_math.metrics import LUMA_WEIGHTS
from ripfdn_cli.training.settings import MS_SSIM_EXPONENTS, SSIM_WINDOW, Stage

CHARBONNIER_EPSILON = 1e-3
ENERGY_WINDOW, ENERGY_STRIDE = 8, 4
ENERGY_EPSILON = 1e-5
"""Under the root, so that its slope stays finite where a window is flat."""
SSIM_SIGMA, SSIM_C1, SSIM_C2 = 1.5, 0.01**2, 0.03**2
ARTEFACT_WINDOW = 7
SHARPENING_SIGMA, SHARPENING_REACH = 1.5, 4
"""Of the Gaussian, and how far it goes, in px of the target."""
OVERSHOOT_WINDOW = 5
"""In px of the target: as wide as the edge of an enlarged picture."""


def sub_pixels(pixels: Tensor, scale: int) -> Tensor:
    """(N, 3, s·H, s·W) → (N, 3·s², H, W), channels last in memory: what a pixel shuffle takes back."""
    return functional.pixel_unshuffle(pixels, scale).contiguous(memory_format=torch.channels_last)


def sharpened(target: Tensor, amount: float, overshoot: float = 1.0) -> Tensor:
    """`target` (N, 3, H, W) in [0, 1] with `amount` of its difference from its Gaussian blur added, within
    [0, 1]; H and W over SHARPENING_REACH. The mean of all that a picture may have been is softer than each
    of them: so a network that is to make them as sharp is shown more, as Real-ESRGAN was (Wang et al. 2021).

    Of what then lies beyond the darkest and the lightest of the 5×5 px around a place, the halo of an edge,
    the share `overshoot` is left.
    """
    offsets = torch.arange(-SHARPENING_REACH, SHARPENING_REACH + 1, device=target.device)
    weights = torch.exp(-(offsets**2) / (2 * SHARPENING_SIGMA**2))
    row = (weights / weights.sum()).expand(target.shape[1], 1, 1, -1)
    blurred = functional.pad(target, (SHARPENING_REACH,) * 4, mode="reflect")
    for kernel in (row, row.transpose(2, 3)):
        blurred = functional.conv2d(blurred, kernel, groups=target.shape[1])
    result = (target + amount * (target - blurred)).clamp(0, 1)
    if overshoot == 1:
        return result
    lightest, darkest = (sign * _local_max(sign * target) for sign in (1, -1))
    return torch.lerp(result.clamp(darkest, lightest), result, overshoot)


def _local_max(pixels: Tensor) -> Tensor:
    return functional.max_pool2d(pixels, OVERSHOOT_WINDOW, stride=1, padding=OVERSHOOT_WINDOW // 2)


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


def gradient_loss(result: Tensor, target: Tensor) -> Tensor:
    """L1 distance of the differences between neighbours in a row, plus that in a column, of pictures (N, C,
    H, W): the gradient term of Eigen and Fergus (ICCV 2015), which is squared there.
    """
    difference = result - target
    return difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()


def gradient_energy_loss(result: Tensor, target: Tensor) -> Tensor:
    """L1 distance of how strong gradients of luma are (their RMS) in windows of ENERGY_WINDOW px, wherever in
    them they lie; of pictures (N, 3, H, W). After the gradient variance loss (Abrahamyan et al., ICASSP
    2022): a blurred texture costs much, and one that is sharp but not in its exact place costs little.
    """
    return functional.l1_loss(_gradient_energy(luma(result)), _gradient_energy(luma(target)))


def _gradient_energy(grey: Tensor) -> Tensor:
    across = grey.diff(dim=-1)[..., :-1, :]
    down = grey.diff(dim=-2)[..., :-1]
    mean = functional.avg_pool2d(across.square() + down.square(), ENERGY_WINDOW, ENERGY_STRIDE)
    return torch.sqrt(mean + ENERGY_EPSILON)


def focal_frequency_loss(result: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of the orthonormal 2D spectra of pictures (N, C, H, W), each frequency weighted
    by its distance over the largest of its picture and channel: the focal frequency loss (Jiang et al., ICCV
    2021) with α = 1.
    """
    squared = torch.view_as_real(torch.fft.fft2(result - target, norm="ortho")).square().sum(dim=-1)
    weight = squared.detach().sqrt()
    largest = weight.amax(dim=(-2, -1), keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight / largest * squared).mean()


def ms_ssim_loss(result: Tensor, target: Tensor) -> Tensor:
    """1 − MS-SSIM of luma (Wang, Simoncelli and Bovik, Asilomar 2003) of pictures (N, 3, H, W) in [0, 1],
    both sides at least MS_SSIM_SMALLEST px; used as a loss by Zhao et al. (IEEE TCI 2017).
    """
    one, other = luma(result), luma(target)
    product = torch.ones(len(one), device=one.device)
    for level, exponent in enumerate(MS_SSIM_EXPONENTS):
        if level:
            one, other = functional.avg_pool2d(one, 2), functional.avg_pool2d(other, 2)
        luminance, contrast = _ssim_terms(one, other)
        is_last = level == len(MS_SSIM_EXPONENTS) - 1
        similarity = (luminance * contrast if is_last else contrast).mean(dim=(1, 2, 3))
        # A power of what is negative is not a number, and its slope at 0 is infinite.
        product = product * similarity.clamp_min(1e-4) ** exponent
    return 1 - product.mean()


def _ssim_terms(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Of (N, 1, H, W): SSIM's luminance, and its contrast times structure, where the window fits."""
    means = _blurred(torch.cat([one, other], dim=1))
    squares = _blurred(torch.cat([one * one, other * other, one * other], dim=1))
    (mean, other_mean), (square, other_square, product) = means.split(1, dim=1), squares.split(1, dim=1)
    luminance = (2 * mean * other_mean + SSIM_C1) / (mean**2 + other_mean**2 + SSIM_C1)
    variances = square - mean**2 + other_square - other_mean**2
    return luminance, (2 * (product - mean * other_mean) + SSIM_C2) / (variances + SSIM_C2)


def _blurred(planes: Tensor) -> Tensor:
    """Each of (N, C, H, W) by SSIM's Gaussian."""
    distance = torch.arange(SSIM_WINDOW, device=planes.device, dtype=planes.dtype) - SSIM_WINDOW // 2
    kernel = torch.exp(-(distance**2) / (2 * SSIM_SIGMA**2))
    kernel = (kernel / kernel.sum()).expand(planes.shape[1], 1, 1, -1)
    rows = functional.conv2d(planes, kernel, groups=planes.shape[1])
    return functional.conv2d(rows, kernel.transpose(2, 3), groups=planes.shape[1])


def artefact_loss(result: Tensor, target: Tensor) -> Tensor:
    """L1 weighted by how unsteady errors are nearby, of pictures (N, 3, H, W): with |error| summed over the
    channels, its variance in 7×7 px times the fifth root of its variance in the picture. After LDL (Liang et
    al., CVPR 2022), without its comparison with the averaged network; weights pass no gradient on.
    """
    error = (result - target).abs()
    residual = error.detach().sum(dim=1, keepdim=True)
    padded = functional.pad(residual, (ARTEFACT_WINDOW // 2,) * 4, mode="reflect")
    mean, square = (functional.avg_pool2d(x, ARTEFACT_WINDOW, 1) for x in (padded, padded.square()))
    count = ARTEFACT_WINDOW**2
    local = (square - mean.square()).clamp_min(0) * (count / (count - 1))
    overall = residual.var(dim=(1, 2, 3), keepdim=True) ** 0.2
    return (local * overall * error).mean()


PICTURE_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradient": gradient_loss,
    "gradient_energy": gradient_energy_loss,
    "focal_frequency": focal_frequency_loss,
    "ms_ssim": ms_ssim_loss,
    "ldl": artefact_loss,
}
"""By the settings that are their weights."""


def total_loss(stage: Stage, result: Tensor, target: Tensor, scale: int) -> Tensor:
    """The pixel loss of RGB, and where their weights are not zero that of luma, the spectrum loss and those
    of PICTURE_LOSSES. `result` and `target` are sub-pixels.
    """
    loss = pixel_loss(stage.loss, result, target)
    if stage.luma:
        loss = loss + stage.luma * pixel_loss(stage.loss, luma(result), luma(target))
    if stage.fft:
        loss = loss + stage.fft * spectrum_loss(functional.pixel_shuffle(result - target, scale))
    weights = {name: weight for name in PICTURE_LOSSES if (weight := getattr(stage, name))}
    if weights:
        pictures = functional.pixel_shuffle(result, scale), functional.pixel_shuffle(target, scale)
        for name, weight in weights.items():
            loss = loss + weight * PICTURE_LOSSES[name](*pictures)
    return loss
