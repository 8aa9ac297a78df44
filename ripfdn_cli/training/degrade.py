"""LR pictures as they are met in the wild: blurred, resized, noisy, saved as JPEG; from the HR patch alone.

Blur and resizing are linear and separable: for each patch and axis they make one matrix, and LR = V · HR ·
Hᵀ.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.image_math.matlab_bicubic import weights
from ripfdn_cli.training.pictures import Pixels

UNTOUCHED = 0.25
"""Chance of a patch that is shrunk by plain bicubic and nothing else, so that clean pictures stay known."""
BLUR_CHANCE, LARGEST_BLUR = 0.15, 0.4
"""Of a Gaussian before shrinking; its σ in LR pixels, for each axis by itself."""
RESIZE_CHANCE, RESIZE_FACTORS = 0.15, (0.8, 1.3)
"""Of a detour over another size than the LR's."""
NOISE_CHANCE, LARGEST_NOISE = 0.2, 6.0
"""Of white Gaussian noise; its σ in 8-bit levels. Half of the noise is grey."""
JPEG_CHANCE, JPEG_QUALITIES = 0.9, (30, 95)
SUBSAMPLINGS = ("4:2:0", "4:2:0", "4:2:2", "4:4:4")


@dataclass(frozen=True)
class Degradation:
    """What happens to one patch. `blur` is σ in HR pixels by axis (0: none), `detour` a factor of the LR's
    size.
    """

    blur: tuple[float, float] = (0.0, 0.0)
    detour: float = 1.0
    noise: float = 0.0
    grey_noise: bool = False
    jpeg: int | None = None
    subsampling: str = "4:2:0"


def draw_degradation(random: np.random.Generator, scale: int) -> Degradation:
    """The number of draws is always the same, so that one choice doesn't change the next."""
    chances, amounts = random.random(6), random.random(6)
    if chances[0] < UNTOUCHED:
        return Degradation()
    blur = amounts[:2] * LARGEST_BLUR * scale if chances[1] < BLUR_CHANCE else (0.0, 0.0)
    low, high = RESIZE_FACTORS
    worst, best = JPEG_QUALITIES
    return Degradation(
        blur=(float(blur[0]), float(blur[1])),
        detour=float(low + amounts[2] * (high - low)) if chances[2] < RESIZE_CHANCE else 1.0,
        noise=float(amounts[3] * LARGEST_NOISE) if chances[3] < NOISE_CHANCE else 0.0,
        grey_noise=bool(chances[5] < 0.5),
        jpeg=round(worst + amounts[4] * (best - worst)) if chances[4] < JPEG_CHANCE else None,
        subsampling=SUBSAMPLINGS[int(amounts[5] * len(SUBSAMPLINGS))],
    )


def degrade(hr: Pixels, scale: int, degradation: Degradation, random: np.random.Generator) -> Pixels:
    """The LR (h / scale, w / scale, 3) uint8 of `hr` (h, w, 3) uint8; `random` is for the noise."""
    height, width = hr.shape[:2]
    vertical = _shrinking(height, scale, degradation.blur[0], degradation.detour)
    horizontal = _shrinking(width, scale, degradation.blur[1], degradation.detour)
    lr = np.einsum("yj,jxc->yxc", vertical, hr.astype(np.float32), optimize=True)
    lr = np.einsum("xi,yic->yxc", horizontal, lr, optimize=True)
    if degradation.noise:
        shape = (*lr.shape[:2], 1 if degradation.grey_noise else 3)
        lr = lr + degradation.noise * random.standard_normal(shape, np.float32)
    levels = np.clip(np.floor(lr + 0.5), 0, 255).astype(np.uint8)
    return (
        levels
        if degradation.jpeg is None
        else _through_jpeg(levels, degradation.jpeg, degradation.subsampling)
    )


def _shrinking(length: int, scale: int, sigma: float, detour: float) -> NDArray[np.float32]:
    """(length / scale, length): blur, then bicubic to the LR's size, by way of `detour` times that size."""
    result = length // scale
    between = max(1, round(result * detour))
    matrix = _resizing(length, between)
    if between != result:
        matrix = _resizing(between, result) @ matrix
    return (matrix @ _blurring(length, sigma) if sigma else matrix).astype(np.float32)


def _resizing(length: int, result: int) -> NDArray[np.float64]:
    indices, weight = weights(length, result, result / length)
    matrix = np.zeros((result, length))
    np.add.at(matrix, (np.arange(result)[:, None], indices), weight)
    return matrix


def _blurring(length: int, sigma: float) -> NDArray[np.float64]:
    distance = np.arange(length)[:, None] - np.arange(length)[None, :]
    kernel = np.exp(-(distance**2) / (2 * sigma**2))
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


def _through_jpeg(pixels: Pixels, quality: int, subsampling: str) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(stream).convert("RGB"))
