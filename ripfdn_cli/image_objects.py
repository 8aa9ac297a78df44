"""PIL images and torch tensors as the arrays that a network takes, and its results as what was given.

Neither PIL nor torch is imported here before the caller has done so.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    AnyImage = TypeVar("AnyImage", NDArray[Any], Image, Tensor)
    """An array (H, W, 3), an image of PIL, or a tensor (3, H, W) or (N, 3, H, W)."""

UpscalePixels = Callable[[NDArray[Any]], NDArray[Any]]
"""(H, W, 3) uint8, uint16 or floating → (scale·H, scale·W, 3) of the same type."""
UpscalePart = Callable[[int, int], UpscalePixels]
"""The function for part `number` of `count`, which tells its progress as that of all parts."""

log = logging.getLogger(__name__)

PIL_MODES = ("L", "LA", "RGB", "RGBA", "I;16")
_CONVERSIONS = {"1": "L", "La": "LA", "P": "RGBA", "PA": "RGBA", "RGBa": "RGBA"}
"""Modes of PIL → those that hold all of them; of the others, RGB does."""
_BRIGHTEST_MEAN = 2.0
"""Floats with a larger mean aren't nominally 0..1: a bright picture's is 0.5 or so."""


def upscaled(image: object, upscale_part: UpscalePart, scale: int) -> Any:
    """What the network makes of `image`, as the same kind of object. Raises InputError."""
    if isinstance(image, np.ndarray):
        return _upscaled_array(image, upscale_part(0, 1))
    if (pil := sys.modules.get("PIL.Image")) is not None and isinstance(image, pil.Image):
        return _upscaled_pil(image, upscale_part, scale)
    if (torch := sys.modules.get("torch")) is not None and isinstance(image, torch.Tensor):
        return _upscaled_tensor(image, upscale_part)
    if isinstance(image, list | tuple):
        raise InputError(
            f"a {type(image).__name__} is not an image; pass several images to upscale_batch, and numbers "
            "as numpy.array(numbers, 'uint8')"
        )
    raise InputError(
        f"a {type(image).__name__} is not an image; pass a NumPy array, a PIL image or a torch tensor; for "
        "the path of a file there is upscale_file"
    )


def check_several(images: object) -> None:
    """Raises InputError for what is not a collection of images, as one image by itself."""
    if not isinstance(images, Sized) or (isinstance(images, np.ndarray) and images.ndim < 4):
        kind = type(images).__name__
        raise InputError(f"a {kind} is not several images; pass a list of them, also of one")


def _tell_range(pixels: NDArray[Any]) -> None:
    """Warn of floats that are most likely levels: computed as values of any range, they come out a little
    otherwise than as the integers that they stand for.
    """
    if pixels.dtype.kind != "f" or pixels.size == 0:
        return
    low, mean, high = float(pixels.min()), float(pixels.mean(dtype=np.float64)), float(pixels.max())
    for levels, name in ((255, "uint8"), (65535, "uint16")):
        if low >= 0 and mean > _BRIGHTEST_MEAN and high <= levels:
            log.warning(
                "floats of up to %.6g with a mean of %.4g: if they stand for levels of 0 to %d, divide "
                "them by %d or pass them as %s",
                *(high, mean, levels, levels, name),
            )
            return


def _upscaled_array(pixels: NDArray[Any], upscale: UpscalePixels) -> NDArray[Any]:
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    _tell_range(native)
    if not native.flags.writeable:  # of which torch warns
        native = native.copy()
    return upscale(native).astype(pixels.dtype, copy=False)


def _upscaled_pil(image: Image, upscale_part: UpscalePart, scale: int) -> Image:
    """Grey goes through the network as three equal channels; alpha as a picture of its own."""
    from PIL.Image import fromarray

    from ripfdn_cli.pictures.picture import as_grey, as_rgb, has_alpha
    from ripfdn_cli.pictures.transparency import bleed, upscaled_alpha

    if image.mode not in PIL_MODES:
        how = _CONVERSIONS.get(image.mode, "RGB")
        advice = f"convert the image first, as with image.convert('{how}')"
        if image.mode in ("I", "F") or image.mode.startswith("I;"):  # of which Pillow would cut all above 255
            advice = "pass its samples, as with numpy.stack([image] * 3, axis=2), as uint16 or floats"
        raise InputError(f"images of mode {image.mode} are not supported; {advice}")
    image = _without_colour_key(image)
    samples = np.array(image)
    frame = samples.astype(samples.dtype.newbyteorder("="), copy=False).reshape(*samples.shape[:2], -1)
    alpha = frame[..., -1] if has_alpha(frame) else None
    colours = frame if alpha is None else bleed(frame[..., :-1], alpha)
    parts = 1 if alpha is None or alpha.min() == alpha.max() else 2  # an even alpha needs no network
    larger = upscale_part(0, parts)(as_rgb(colours))
    if colours.shape[2] == 1:
        larger = as_grey(larger)
    if alpha is not None:
        larger_alpha = upscaled_alpha(alpha, scale, upscale_part(1, parts))
        larger = np.concatenate([larger, larger_alpha[..., None]], axis=2)
    result = fromarray(np.ascontiguousarray(larger.squeeze(axis=2) if larger.shape[2] == 1 else larger))
    result.info = dict(image.info)
    return result


def _without_colour_key(image: Image) -> Image:
    """`image` with a channel for what is transparent by its colour: a larger one has other colours."""
    from ripfdn_cli.pictures.pillow_pixels import eight_bit

    if image.mode == "I;16" and "transparency" in image.info:
        raise InputError(
            "PIL has no mode for 16-bit grey with transparency; call upscale_file or upscale_bytes, or "
            "delete image.info['transparency']"
        )
    return image if image.mode == "I;16" else eight_bit(image)


def _upscaled_tensor(tensor: Tensor, upscale_part: UpscalePart) -> Tensor:
    """(3, H, W) or (N, 3, H, W); the result has its type and lies on its device."""
    import torch

    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise InputError(
            f"a tensor of shape {tuple(tensor.shape)} is not an RGB image; it must be (3, height, width) "
            "or (batch, 3, height, width)"
        )
    if not tensor.numel():
        raise InputError(f"a tensor of shape {tuple(tensor.shape)} has no pixels")
    pixels = tensor.detach().cpu()
    if pixels.is_floating_point() and pixels.dtype != torch.float64:
        pixels = pixels.float()  # NumPy has no bfloat16
    batch = np.moveaxis(pixels.numpy(), -3, -1).reshape(-1, *np.moveaxis(pixels.numpy(), -3, -1).shape[-3:])
    _tell_range(batch)
    larger = [
        torch.from_numpy(np.moveaxis(upscale_part(number, len(batch))(each), -1, 0).copy())
        for number, each in enumerate(batch)
    ]
    result = torch.stack(larger) if tensor.ndim == 4 else larger[0]
    return result.to(device=tensor.device, dtype=tensor.dtype)
