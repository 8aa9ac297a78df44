"""Pictures made smaller by Lanczos in linear light, so that fine bright detail keeps its brightness."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.image_math.srgb_curve import linear_to_srgb, srgb_to_linear
from ripfdn_cli.pictures.picture import Frame, has_alpha, highest, is_opaque

_LOBES = 3
_STRIP_SAMPLES = 2**24
"""Source samples that are held as floats at a time."""


def resize(frame: Frame, width: int, height: int, *, wrap: bool = False) -> Frame:
    """`frame` (H, W, C) at `width` × `height` px, same sample type, by Lanczos with three lobes.

    Integers are taken for sRGB-encoded and filtered in linear light, floats for linear already; those stay
    within 0..1, or the wider range that they had. Colours are weighted by alpha. With `wrap` the picture
    continues at its opposite edge, for textures that tile.
    """
    if (frame.shape[1], frame.shape[0]) == (width, height):
        return frame
    strips = [
        _resize_strip(frame, width, height, start, stop, wrap) for start, stop in _strips(frame, height)
    ]
    result = np.concatenate(strips)
    if result.dtype.kind == "f":
        np.clip(result, min(0, frame.min()), max(1, frame.max()), out=result)
    return result


def _strips(frame: Frame, height: int) -> Iterator[tuple[int, int]]:
    """Rows of the result to compute at a time."""
    rows = max(1, int(_STRIP_SAMPLES / frame[0].size * height / frame.shape[0]))
    return ((start, min(start + rows, height)) for start in range(0, height, rows))


def _resize_strip(frame: Frame, width: int, height: int, start: int, stop: int, wrap: bool) -> Frame:
    """Rows `start` to `stop` of the result."""
    ratio, across = frame.shape[0] / height, frame.shape[1] / width
    # The filter reads three lobes to each side, as wide as the ratio where that is more than a pixel.
    reach, aside = (int(_LOBES * max(1.0, step)) + 2 for step in (ratio, across))
    first, last = int(start * ratio) - reach, int(stop * ratio) + reach + 1
    left, right = -aside, frame.shape[1] + aside
    if not wrap:
        first, last, left, right = max(first, 0), min(last, frame.shape[0]), 0, frame.shape[1]
    rows = frame.take(range(first, last), axis=0, mode="wrap")
    source = rows.take(range(left, right), axis=1, mode="wrap") if wrap else rows
    box = (-left, start * ratio - first, frame.shape[1] - left, stop * ratio - first)
    linear = _premultiplied(_to_linear(source))
    planes = [_resize_plane(linear[..., i], (width, stop - start), box) for i in range(linear.shape[2])]
    return _from_linear(_straight(np.stack(planes, axis=2)), frame.dtype)


def _resize_plane(
    plane: NDArray[np.float32], size: tuple[int, int], box: tuple[float, float, float, float]
) -> NDArray[np.float32]:
    image = Image.fromarray(np.ascontiguousarray(plane))  # mode F
    # Pillow's filter reads past the box where there are pixels: strips meet without a seam.
    box = (box[0], max(box[1], 0.0), box[2], min(box[3], float(plane.shape[0])))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))


def _to_linear(frame: Frame) -> NDArray[np.float32]:
    """Colours in linear light, alpha as it is, both in 0..1."""
    if frame.dtype.kind == "f":
        return frame.astype(np.float32)
    linear = _linear_levels(highest(frame.dtype))[frame]
    if has_alpha(frame):
        linear[..., -1] = frame[..., -1] / np.float32(highest(frame.dtype))
    return linear


def _from_linear(linear: NDArray[np.float32], dtype: np.dtype[Any]) -> Frame:
    if dtype.kind == "f":
        return linear.astype(dtype)
    linear = np.clip(linear, 0, 1)
    encoded = linear_to_srgb(linear)
    if linear.shape[2] in (2, 4):
        encoded[..., -1] = linear[..., -1]
    return (encoded * highest(dtype) + 0.5).astype(dtype)


@lru_cache(maxsize=2)
def _linear_levels(top: int) -> NDArray[np.float32]:
    """Linear light of each sRGB level 0..`top`."""
    return srgb_to_linear(np.arange(top + 1) / top).astype(np.float32)


def _premultiplied(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    if has_alpha(linear) and not is_opaque(linear):
        linear[..., :-1] *= linear[..., -1:]
    return linear


def _straight(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    if has_alpha(linear) and not is_opaque(linear):
        alpha = linear[..., -1:]
        np.divide(linear[..., :-1], alpha, out=linear[..., :-1], where=alpha > 0)
    return linear
