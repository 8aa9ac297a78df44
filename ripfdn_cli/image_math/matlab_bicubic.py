"""MATLAB's `imresize` with the bicubic kernel, by which super-resolution is trained and scored. NumPy only.

The kernel is Keys' cubic convolution (R. Keys, "Cubic Convolution Interpolation for Digital Image
Processing", IEEE Trans. ASSP 29(6), 1981) with a = −0.5, stretched by 1/scale where the picture shrinks
(antialiasing); outside the picture its pixels are mirrored, the edge pixel repeated. Others' bicubic
differs in the kernel (OpenCV: a = −0.75), in antialiasing, or at the border (Pillow), and an LR picture
made by them moves scores by up to decibels.

MATLAB changed its border: releases of 2011 repeat the edge pixel outward. The customary LR images of Set5,
Set14 and BSD100 are of that kind: `border="replicate"` gives them from their HR bit for bit, today's
"mirror" all but the two outermost pixels.
"""

import math
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Border = Literal["mirror", "replicate"]
Weights = tuple[NDArray[np.intp], NDArray[np.float64]]

KERNEL_WIDTH = 4
"""Of the cubic kernel, in pixels of the input, or of the output where that is coarser."""


def imresize(
    pixels: NDArray[Any],
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    antialiasing: bool = True,
    border: Border = "mirror",
) -> NDArray[Any]:
    """`pixels` (H, W) or (H, W, C) resized as MATLAB's `imresize(pixels, scale)` or `imresize(pixels,
    size)` does.

    With `scale` both sides become ceil(scale · side), with `size` = (rows, columns) just these. The result is
    C-contiguous and of the same dtype. uint8 and uint16 are rounded, halves up, and saturated after each of
    the two axes, as MATLAB's are. float32 and float64 are not clipped: the kernel overshoots at edges.
    Raises ValueError for other dtypes and shapes, an empty picture, and a scale or size that is not
    positive.
    """
    _check(pixels)
    (rows, row_scale), (columns, column_scale) = _result_sizes(pixels.shape, scale, size)
    vertical = weights(pixels.shape[0], rows, row_scale, antialiasing, border)
    horizontal = weights(pixels.shape[1], columns, column_scale, antialiasing, border)
    # MATLAB begins with the axis that shrinks more, rows on a tie. It shows in integers, which are rounded
    # between.
    if row_scale <= column_scale:
        return _along_columns(_along_rows(pixels, vertical), horizontal)
    return _along_rows(_along_columns(pixels, horizontal), vertical)


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = −0.5, zero outside (−2, 2)."""
    t = np.abs(x)
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


@lru_cache(maxsize=64)
def weights(
    length: int, result: int, scale: float, antialiasing: bool = True, border: Border = "mirror"
) -> Weights:
    """Which of `length` pixels make each of `result` pixels, and by how much.

    Indices and weights, both (`result`, taps); a row of weights sums to 1. Shared by a cache, so read-only.
    """
    stretch = min(scale, 1.0) if antialiasing else 1.0
    width = KERNEL_WIDTH / stretch
    centre = (np.arange(result) + 0.5) / scale - 0.5  # of each output pixel, in input pixels
    first = np.floor(centre - width / 2).astype(np.intp)
    taps = first[:, None] + np.arange(math.ceil(width) + 2)
    weight = cubic((centre[:, None] - taps) * stretch)
    weight /= weight.sum(axis=1, keepdims=True)
    used = weight.any(axis=0)  # the others are taps that no pixel needs
    indices, weight = _inside(taps[:, used], length, border), np.ascontiguousarray(weight[:, used])
    indices.flags.writeable = weight.flags.writeable = False
    return indices, weight


def _inside(index: NDArray[np.intp], length: int, border: Border) -> NDArray[np.intp]:
    """The pixel of 0 .. `length` − 1 that stands for `index`."""
    if border == "replicate":
        return np.clip(index, 0, length - 1)
    folded = index % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)


def _along_rows(pixels: NDArray[Any], taps: Weights) -> NDArray[Any]:
    """`pixels` (H, ...) to (result, ...): whole rows added up tap by tap, so that memory is read in order."""
    indices, weight = taps
    work = np.float32 if pixels.dtype == np.float32 else np.float64
    total = np.zeros((len(indices), *pixels.shape[1:]), work)
    for tap in range(indices.shape[1]):
        factor = weight[:, tap].astype(work).reshape(-1, *(1,) * (pixels.ndim - 1))
        total += pixels[indices[:, tap]] * factor
    return _as(total, pixels.dtype)


def _along_columns(pixels: NDArray[Any], taps: Weights) -> NDArray[Any]:
    turned = np.ascontiguousarray(pixels.swapaxes(0, 1))
    return np.ascontiguousarray(_along_rows(turned, taps).swapaxes(0, 1))


def _as(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values
    return np.clip(np.floor(values + 0.5), 0, np.iinfo(dtype).max).astype(dtype)


def _check(pixels: NDArray[Any]) -> None:
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ValueError(f"pixels are {pixels.dtype}, not uint8, uint16, float32 or float64")
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise ValueError(f"pixels have shape {pixels.shape}, not (H, W) or (H, W, C) with at least one pixel")


def _result_sizes(
    shape: tuple[int, ...], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, float], tuple[int, float]]:
    """Result side and scale, of rows and of columns."""
    height, width = shape[:2]
    if size is not None and scale is None:
        rows, columns = size
        if rows < 1 or columns < 1:
            raise ValueError(f"size {rows}×{columns} has a side under 1")
        return (rows, rows / height), (columns, columns / width)
    if scale is None or size is not None:
        raise ValueError("give either a scale or a size")
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale {scale} is not a positive number")
    return (math.ceil(scale * height), float(scale)), (math.ceil(scale * width), float(scale))
