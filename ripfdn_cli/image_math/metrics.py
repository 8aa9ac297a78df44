"""PSNR and SSIM as super-resolution is scored, under named protocols. NumPy only.

A score means nothing without its protocol: rounding luma to 8 bit costs 0.02 dB, RGB instead of luma two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import UsageError

PEAK = 255.0
SSIM_WINDOW = 11
"""Side, in pixels, of SSIM's Gaussian window."""
SSIM_SIGMA = 1.5

LUMA_WEIGHTS = (65.481, 128.553, 24.966)
_LUMA_OFFSET = 16.0


@dataclass(frozen=True)
class Protocol:
    """How two 8-bit RGB pictures are compared.

    `luma`: on BT.601 Y in 16–235 instead of on RGB. `rounded`: Y is rounded to a whole number, as MATLAB's
    rgb2ycbcr of uint8 gives it. `border`: pixels cut from each side first; None for as many as the scale.
    """

    name: str
    description: str
    luma: bool
    rounded: bool = False
    border: int | None = None

    def border_at(self, scale: int) -> int:
        """Pixels that are cut from each side of a picture upscaled by `scale`."""
        return scale if self.border is None else self.border

    def values(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """What is compared of (H, W, 3) RGB: luma (H, W), or all three channels as they are."""
        return luma(pixels, rounded=self.rounded) if self.luma else pixels

    def text(self, scale: int) -> str:
        """One line that says what a number of this protocol at `scale` is."""
        return f"{self.name}: {self.description}; {self.border_at(scale)} px cut from each side"

    def smallest_side(self, scale: int) -> int:
        """Pixels under which nothing is left for SSIM's window."""
        return SSIM_WINDOW + 2 * self.border_at(scale)


PAPERS = Protocol(
    "Y", "8-bit results, BT.601 luma 16–235 not rounded (the papers', as BasicSR computes it)", luma=True
)
ROUNDED_LUMA = Protocol(
    "Y8", "8-bit results, BT.601 luma 16–235 rounded to 8 bit (MATLAB, KAIR)", luma=True, rounded=True
)
NTIRE = Protocol("RGB", "8-bit results, RGB (NTIRE's challenge on efficient super-resolution)", luma=False)
PROTOCOLS = {protocol.name: protocol for protocol in (PAPERS, ROUNDED_LUMA, NTIRE)}
ALL_PROTOCOLS = "all"


def protocols_named(names: Sequence[str]) -> list[Protocol]:
    """The protocols of these names, each once, or all of them. Raises UsageError."""
    for name in names:
        if name not in (*PROTOCOLS, ALL_PROTOCOLS):
            raise UsageError(f"`protocol` {name} is not one of {', '.join(PROTOCOLS)}, {ALL_PROTOCOLS}")
    chosen = PROTOCOLS if ALL_PROTOCOLS in names else dict.fromkeys(names)
    return [PROTOCOLS[name] for name in chosen]


@dataclass(frozen=True)
class Score:
    """PSNR in dB (infinite for equal pictures) and SSIM."""

    psnr: float
    ssim: float

    def as_json(self) -> dict[str, float | str]:
        """By name, as JSON has it."""
        return {"psnr": psnr_as_json(self.psnr), "ssim": self.ssim}


def psnr_as_json(decibels: float) -> float | str:
    """An infinite PSNR as the string "inf": JSON has no infinite numbers."""
    return decibels if math.isfinite(decibels) else "inf"


def score(
    result: NDArray[np.uint8], reference: NDArray[np.uint8], *, scale: int, protocol: Protocol = PAPERS
) -> Score:
    """Compare `result` with `reference`, both (H, W, 3) uint8 RGB, under `protocol`.

    Raises ValueError for other arrays, different shapes, and sides under `protocol.smallest_side(scale)`.
    """
    for pixels in (result, reference):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(f"{pixels.dtype} {pixels.shape} is not (H, W, 3) uint8")
    border = protocol.border_at(scale)
    a, b = (cut_border(protocol.values(pixels), border) for pixels in (result, reference))
    return Score(psnr(a, b), ssim(a, b))


def luma(rgb: NDArray[Any], *, rounded: bool = False) -> NDArray[np.float64]:
    """BT.601 Y in 16–235 of 8-bit `rgb` (..., 3) in 0–255, float64 (...).

    As MATLAB's rgb2ycbcr defines it: of double where not `rounded`, of uint8 where `rounded` (halves up).
    """
    weights = np.array(LUMA_WEIGHTS) / PEAK
    y = rgb.astype(np.float64) @ weights + _LUMA_OFFSET
    return np.floor(y + 0.5) if rounded else y


def cut_border(pixels: NDArray[Any], border: int) -> NDArray[Any]:
    """`pixels` (H, W, ...) without `border` pixels on each side."""
    height, width = pixels.shape[:2]
    return pixels[border : height - border, border : width - border]


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """10 log10(255² / mean squared error) in dB, over all pixels and channels; infinite for equal arrays.

    Raises ValueError for different shapes.
    """
    _check_shapes(a, b)
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def ssim(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Mean structural similarity of (H, W) or (H, W, C) in 0–255, over the region where the window fits.

    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP
    13(4), 2004: Gaussian window 11×11 with σ 1.5, K1 = 0.01, K2 = 0.03, covariances of the population.
    Channels are averaged. Raises ValueError for different shapes and for sides under the window's.
    """
    _check_shapes(a, b)
    if min(a.shape[:2]) < SSIM_WINDOW:
        raise ValueError(f"{a.shape[1]}×{a.shape[0]} px is smaller than SSIM's window of {SSIM_WINDOW} px")
    a, b = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    mean_a, mean_b = _blur(a), _blur(b)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    variances = _blur(a * a + b * b) - squares
    covariance = _blur(a * b) - product
    similarity = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return float(similarity.mean())


def _blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Gaussian window over `plane` (H, W, ...), valid region: (H − 10, W − 10, ...)."""
    window = np.exp(-((np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2) ** 2) / (2 * SSIM_SIGMA**2))
    window /= window.sum()
    height, width = (side - SSIM_WINDOW + 1 for side in plane.shape[:2])
    rows = np.zeros((height, *plane.shape[1:]))
    for offset, weight in enumerate(window):
        rows += weight * plane[offset : offset + height]
    result = np.zeros((height, width, *plane.shape[2:]))
    for offset, weight in enumerate(window):
        result += weight * rows[:, offset : offset + width]
    return result


def _check_shapes(a: NDArray[Any], b: NDArray[Any]) -> None:
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    if a.size == 0:
        raise ValueError("there are no pixels to compare")
