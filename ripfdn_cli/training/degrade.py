"""LR pictures as they are met in the wild: blurred, resized, noisy, saved as JPEG; from the HR patch alone.

Blur and resizing are linear and separable: for each patch and axis they make one matrix, and LR = V · HR ·
Hᵀ.
"""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.image_math.matlab_bicubic import weights
from ripfdn_cli.training.degradation_recipes import RESIZE_KERNELS
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

KERNELS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
"""By which programs shrink pictures, besides MATLAB's bicubic and that without antialiasing."""
WILD_UNTOUCHED = 0.1
WILD_BLUR_CHANCE, WILD_LARGEST_BLUR = 0.4, 0.9
WILD_NOISE_CHANCE, LARGEST_PHOTON_NOISE = 0.4, 12.0
WILD_SAVE_CHANCE, RESAVE_CHANCE, WEBP_CHANCE = 0.9, 0.3, 0.15


@dataclass(frozen=True)
class Save:
    """A lossy file that the picture passes through. `subsampling` is JPEG's; WebP's is always 4:2:0."""

    quality: int
    subsampling: str = "4:2:0"
    format: str = "JPEG"


@dataclass(frozen=True)
class Degradation:
    """What happens to one patch, in this order. `blur` is σ in HR pixels by axis (0: none), `detour` a factor
    of the LR's size, `shrinker` one of RESIZE_KERNELS. `noise` is σ in 8-bit levels everywhere,
    `photon_noise` that of white, which falls with the root of the signal.
    """

    blur: tuple[float, float] = (0.0, 0.0)
    shrinker: str = "bicubic"
    detour: float = 1.0
    noise: float = 0.0
    photon_noise: float = 0.0
    grey_noise: bool = False
    saves: tuple[Save, ...] = ()


def draw_degradation(random: np.random.Generator, scale: int, kind: str = "mild") -> Degradation:
    """`mild`: what a picture from a good source has gone through; `wild`: any picture of the web. The number
    of draws is always the same, so that one choice doesn't change the next.
    """
    return _wild(random, scale) if kind == "wild" else _mild(random, scale)


def _mild(random: np.random.Generator, scale: int) -> Degradation:
    chances, amounts = random.random(6), random.random(6)
    if chances[0] < UNTOUCHED:
        return Degradation()
    jpeg = Save(_between(JPEG_QUALITIES, amounts[4]), SUBSAMPLINGS[int(amounts[5] * len(SUBSAMPLINGS))])
    return Degradation(
        blur=_blur(amounts[:2] * LARGEST_BLUR * scale, wanted=bool(chances[1] < BLUR_CHANCE)),
        detour=_detour(amounts[2]) if chances[2] < RESIZE_CHANCE else 1.0,
        noise=float(amounts[3] * LARGEST_NOISE) if chances[3] < NOISE_CHANCE else 0.0,
        grey_noise=bool(chances[5] < 0.5),
        saves=(jpeg,) if chances[4] < JPEG_CHANCE else (),
    )


def _wild(random: np.random.Generator, scale: int) -> Degradation:
    chances, amounts = random.random(8), random.random(11)
    if chances[0] < WILD_UNTOUCHED:
        return Degradation()
    lens = amounts[0] * WILD_LARGEST_BLUR * scale  # a lens blurs both axes alike, a shaken hand does not
    blur = np.array([lens, lens * (1 if chances[6] < 0.7 else amounts[1])])
    first, second = (
        Save(
            _between(JPEG_QUALITIES, amounts[4 + index]),
            SUBSAMPLINGS[int(amounts[6 + index] * len(SUBSAMPLINGS))],
            "WEBP" if amounts[8 + index] < WEBP_CHANCE else "JPEG",
        )
        for index in range(2)
    )
    saved = (first, second) if chances[5] < RESAVE_CHANCE else (first,)
    noisy = chances[3] < WILD_NOISE_CHANCE
    return Degradation(
        blur=_blur(blur, wanted=bool(chances[1] < WILD_BLUR_CHANCE)),
        shrinker=RESIZE_KERNELS[int(chances[7] * len(RESIZE_KERNELS))],
        detour=_detour(amounts[2]) if chances[2] < RESIZE_CHANCE else 1.0,
        noise=float(amounts[3] * LARGEST_NOISE) if noisy else 0.0,
        photon_noise=float(amounts[10] * LARGEST_PHOTON_NOISE) if noisy else 0.0,
        grey_noise=bool(chances[3] < WILD_NOISE_CHANCE / 2),
        saves=saved if chances[4] < WILD_SAVE_CHANCE else (),
    )


def _between(bounds: tuple[float, float], share: float) -> int:
    return round(bounds[0] + share * (bounds[1] - bounds[0]))


def _detour(share: float) -> float:
    low, high = RESIZE_FACTORS
    return float(low + share * (high - low))


def _blur(sigma: NDArray[np.float64], *, wanted: bool) -> tuple[float, float]:
    return (float(sigma[0]), float(sigma[1])) if wanted else (0.0, 0.0)


def degrade(hr: Pixels, scale: int, degradation: Degradation, random: np.random.Generator) -> Pixels:
    """The LR (h / scale, w / scale, 3) uint8 of `hr` (h, w, 3) uint8; `random` is for the noise."""
    height, width = hr.shape[:2]
    vertical, horizontal = (
        _shrinking(length, scale, sigma, degradation)
        for length, sigma in zip((height, width), degradation.blur, strict=True)
    )
    lr = np.einsum("yj,jxc->yxc", vertical, hr.astype(np.float32), optimize=True)
    lr = np.einsum("xi,yic->yxc", horizontal, lr, optimize=True)
    if degradation.noise or degradation.photon_noise:
        lr = add_noise(lr, degradation.noise, degradation.photon_noise, random, grey=degradation.grey_noise)
    levels = levels_of(lr)
    for save in degradation.saves:
        levels = through_file(levels, save)
    return levels


def add_noise(
    patch: NDArray[np.float32], sigma: float, photons: float, random: np.random.Generator, *, grey: bool
) -> NDArray[np.float32]:
    """`patch` (h, w, 3), 0–255, with white noise: `sigma` in 8-bit levels everywhere, and `photons` that of
    white, which falls with the root of the signal.
    """
    shape = (*patch.shape[:2], 1 if grey else 3)
    variance = sigma**2 + photons**2 * patch.clip(0, 255) / 255
    noise = np.sqrt(variance, dtype=np.float32) * random.standard_normal(shape, np.float32)
    return np.asarray(patch + noise, np.float32)


def levels_of(patch: NDArray[np.float32]) -> Pixels:
    """`patch` rounded to 8 bit."""
    levels: Pixels = np.clip(np.floor(patch + 0.5), 0, 255).astype(np.uint8)
    return levels


def _shrinking(length: int, scale: int, sigma: float, degradation: Degradation) -> NDArray[np.float32]:
    """(length / scale, length): blur, then a shrink to the LR's size, by way of `detour` times that size."""
    result = length // scale
    between = max(1, round(result * degradation.detour))
    matrix = resizing(length, between, degradation.shrinker)
    if between != result:
        matrix = resizing(between, result, "bicubic") @ matrix
    return (matrix @ blurring(length, sigma) if sigma else matrix).astype(np.float32)


@lru_cache(maxsize=512)
def resizing(length: int, result: int, shrinker: str) -> NDArray[np.float64]:
    """(result, length): one axis from `length` to `result` px by one of RESIZE_KERNELS."""
    if shrinker in KERNELS:  # each row of Pillow's result is what becomes of one pixel
        impulses = Image.fromarray(np.eye(length, dtype=np.float32))
        return np.asarray(impulses.resize((result, length), KERNELS[shrinker]), np.float64).T
    indices, weight = weights(length, result, result / length, shrinker != "aliased")
    matrix = np.zeros((result, length))
    np.add.at(matrix, (np.arange(result)[:, None], indices), weight)
    return matrix


def blurring(length: int, sigma: float) -> NDArray[np.float64]:
    """(length, length): a Gaussian of `sigma` px along one axis; the border's share goes to what is there."""
    distance = np.arange(length)[:, None] - np.arange(length)[None, :]
    kernel = np.exp(-(distance**2) / (2 * sigma**2))
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


def through_file(pixels: Pixels, save: Save) -> Pixels:
    """`pixels` (h, w, 3) as the file has them."""
    stream = io.BytesIO()
    options = {"subsampling": save.subsampling} if save.format == "JPEG" else {}
    Image.fromarray(pixels).save(stream, save.format, quality=save.quality, **options)
    return np.asarray(Image.open(stream).convert("RGB"))
