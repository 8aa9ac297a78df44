"""Alpha without fringes: colour for pixels that have none, and an alpha that stays where the input's was."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.image_math.neighbours import enlarged, local_max, local_min
from ripfdn_cli.pictures.picture import Frame, as_grey, as_rgb


def bleed(colours: Frame, alpha: NDArray[Any]) -> Frame:
    """`colours` (H, W, C) with those under an `alpha` (H, W) of 0 replaced by their visible surroundings.

    What lies under transparent pixels is arbitrary (often black), and a network mixes it into the edge. The
    colours spread from coarser and coarser averages (pull-push, Gortler et al., The Lumigraph, 1996).
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return colours
    weight = (alpha[..., None] / np.float32(alpha.max())).astype(np.float32)
    spread = _spread(colours * weight, weight)[hidden]
    result: Frame = colours.copy()
    result[hidden] = spread if colours.dtype.kind == "f" else np.rint(spread)
    return result


def limit(alpha: NDArray[Any], source: NDArray[Any], scale: int) -> NDArray[Any]:
    """`alpha` (scale·H, scale·W) kept between the least and the greatest of the 3×3 pixels of `source` (H, W)
    around each: what was all opaque or all transparent is exactly so again, and nothing rings.
    """
    low, high = (enlarged(extreme(source), scale) for extreme in (local_min, local_max))
    limited: NDArray[Any] = np.clip(alpha, low, high)
    return limited


def upscaled_alpha(alpha: NDArray[Any], scale: int, upscale: Callable[[Frame], Frame]) -> NDArray[Any]:
    """`alpha` (H, W) made larger as a grey picture by `upscale`, which takes (H, W, 3)."""
    if alpha.min() == alpha.max():
        return np.full([scale * side for side in alpha.shape], alpha.flat[0], alpha.dtype)
    return limited_alpha(upscale(as_rgb(alpha[..., None])), alpha, scale)


def limited_alpha(larger: Frame, source: NDArray[Any], scale: int) -> NDArray[Any]:
    """The alpha that the network shows in `larger` (scale·H, scale·W, 3), limited by `source` (H, W)."""
    return limit(as_grey(larger)[..., 0], source, scale)


def _spread(weighted: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours everywhere, from premultiplied ones; where `weight` is 0, from the next coarser level."""
    known = weight > 0
    colours = np.divide(weighted, weight, out=np.zeros_like(weighted), where=known)
    if known.all() or max(weight.shape[:2]) == 1:
        return colours
    coarse = _spread(_halved(weighted), _halved(weight))
    height, width = weight.shape[:2]
    return np.where(known, colours, enlarged(coarse, 2)[:height, :width])


def _halved(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over 2×2 pixels; a last odd row or column stands alone."""
    height, width = array.shape[:2]
    even = np.pad(array, ((0, height % 2), (0, width % 2), (0, 0)))
    rows = even[::2] + even[1::2]
    return rows[:, ::2] + rows[:, 1::2]
