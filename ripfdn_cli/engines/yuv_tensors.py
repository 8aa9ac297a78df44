"""YUV to RGB and back on the device that computes, in float32, by the formulas of ITU-T H.273.

Chroma is resampled as libswscale does it elsewhere in this program: by the cubic of Mitchell and Netravali
("Reconstruction filters in computer graphics", 1988) with B = 0, C = 0.6, twice as wide where it shrinks.
"""

from math import ceil, floor

import torch
from torch import Tensor
from torch.nn.functional import pad

from ripfdn_cli.image_math.yuv_format import YuvFormat

_C = 0.6
_LEVELS = {torch.uint8: 255, torch.uint16: 65535}


def to_rgb(samples: Tensor, source: YuvFormat) -> Tensor:
    """`samples` (K,) of a frame → (H, W, 3) RGB: uint8 from up to 8 bits, uint16 from more. Colours outside
    RGB's range are clipped.
    """
    luma, blue, red = source.planes(samples)
    (black, white), (grey, span) = source.luma_codes, source.chroma_codes
    y = (_unshifted(luma, source) - black) / white
    cb, cr = ((_upsampled(_unshifted(plane, source), source) - grey) / span for plane in (blue, red))
    kr, kb = source.weights
    to_red, to_blue = 2 * (1 - kr), 2 * (1 - kb)
    kg = 1 - kr - kb
    dtype = torch.uint16 if source.bits > 8 else torch.uint8
    rgb = torch.empty((source.height, source.width, 3), dtype=dtype, device=samples.device)
    _store(rgb[..., 0], y + to_red * cr, _LEVELS[dtype])
    _store(rgb[..., 1], y - kr * to_red / kg * cr - kb * to_blue / kg * cb, _LEVELS[dtype])
    _store(rgb[..., 2], y + to_blue * cb, _LEVELS[dtype])
    return rgb


def from_rgb(rgb: Tensor, target: YuvFormat) -> Tensor:
    """`rgb` (H, W, 3) uint8 or uint16 → the samples (K,) of `target`."""
    red, green, blue = (rgb[..., channel].float() / _LEVELS[rgb.dtype] for channel in range(3))
    kr, kb = target.weights
    y = kr * red + (1 - kr - kb) * green + kb * blue
    samples = torch.empty(
        target.samples, dtype=torch.uint16 if target.bits > 8 else torch.uint8, device=rgb.device
    )
    planes = target.planes(samples)
    _store_codes(planes[0], y, target.luma_codes, target)
    for plane, colour, weight in ((planes[1], blue, kb), (planes[2], red, kr)):
        chroma = _downsampled((colour - y) / (2 * (1 - weight)), target)
        _store_codes(plane, chroma, target.chroma_codes, target)
    return samples


def shrunk(rgb: Tensor, scale: int, dtype: torch.dtype) -> Tensor:
    """Means over scale × scale px of `rgb` (scale·H, scale·W, 3), rounded: (H, W, 3) of `dtype`."""
    height, width = rgb.shape[0] // scale, rgb.shape[1] // scale
    means = rgb.float().reshape(height, scale, width, scale, 3).mean(dim=(1, 3))  # (H, W, 3)
    return (means * (_LEVELS[dtype] / _LEVELS[rgb.dtype])).round().to(dtype)


def _unshifted(plane: Tensor, source: YuvFormat) -> Tensor:
    return plane.float() / 2**source.shift if source.shift else plane.float()


def _store(place: Tensor, unit: Tensor, levels: int) -> None:
    place.copy_(unit.clamp(0, 1).mul_(levels).round_())


def _store_codes(plane: Tensor, values: Tensor, codes: tuple[int, int], target: YuvFormat) -> None:
    zero, span = codes
    plane.copy_(values.mul(span).add_(zero).round_().clamp_(0, 2**target.bits - 1).mul_(2**target.shift))


def _upsampled(plane: Tensor, source: YuvFormat) -> Tensor:
    """(lines, columns) of chroma → (H, W): lines first, of which there are fewer then."""
    sizes = (source.height, source.width)
    for dim in (0, 1):
        if source.subsampling[1 - dim]:
            plane = _doubled(plane, dim, sizes[dim], source.siting[1 - dim])
    return plane


def _downsampled(plane: Tensor, target: YuvFormat) -> Tensor:
    """(H, W) → (lines, columns) of chroma."""
    for dim in (1, 0):
        if target.subsampling[1 - dim]:
            first, weights = _taps(target.siting[1 - dim], 2)
            plane = _weighted(plane, dim, first, weights, step=2, count=target.chroma_shape[dim])
    return plane


def _doubled(plane: Tensor, dim: int, size: int, siting: float) -> Tensor:
    """`size` samples along `dim`: pixel x lies (x − siting) / 2 samples after the first."""
    shape = list(plane.shape)
    shape[dim] = size
    result = plane.new_empty(shape)
    for phase in (0, 1):
        first, weights = _taps((phase - siting) / 2, 1)
        place = result[phase::2] if dim == 0 else result[:, phase::2]
        place.copy_(_weighted(plane, dim, first, weights, step=1, count=place.shape[dim]))
    return result


def _taps(centre: float, width: int) -> tuple[int, list[float]]:
    """The first sample that counts for a place `centre` samples on, and the weights from there."""
    offsets = range(floor(centre - 2 * width) + 1, ceil(centre + 2 * width))
    weights = [_cubic(abs(offset - centre) / width) for offset in offsets]
    return offsets[0], [weight / sum(weights) for weight in weights]


def _cubic(x: float) -> float:
    if x < 1:
        return (2 - _C) * x**3 + (_C - 3) * x**2 + 1
    return _C * (-(x**3) + 5 * x**2 - 8 * x + 4) if x < 2 else 0.0


def _weighted(plane: Tensor, dim: int, first: int, weights: list[float], *, step: int, count: int) -> Tensor:
    """`count` sums along `dim`: number i of the samples from step·i + `first` on, times `weights`."""
    reach = step * (count - 1) + 1
    before = max(0, -first)
    after = max(0, first + len(weights) - 1 + reach - plane.shape[dim])
    margins = (0, 0, before, after) if dim == 0 else (before, after, 0, 0)
    # edges repeat
    padded = pad(plane[None], margins, mode="replicate")[0]
    total = plane.new_zeros(())
    for number, weight in enumerate(weights):
        start = before + first + number
        part = padded[start : start + reach : step] if dim == 0 else padded[:, start : start + reach : step]
        total = part * weight if number == 0 else total.add_(part, alpha=weight)
    return total
