"""The frames of an animation as they show, from parts that are drawn onto a canvas one after the other: the
same for GIF (GIF89a, 23) and animated PNG (PNG specification, third edition, 11.3.4.2).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.picture import Frame, has_alpha, highest


class Disposal(Enum):
    """What becomes of the place of a part before the next is drawn: it stays, becomes transparent, or what it
    was.
    """

    KEEP = 0
    CLEAR = 1
    RESTORE = 2


@dataclass(frozen=True)
class Part:
    """`pixels` (h, w, C) whose upper left corner is at `left` and `top`, and which replace what they cover
    unless they are `blended` with it.
    """

    pixels: Frame
    left: int
    top: int
    disposal: Disposal
    blended: bool

    @property
    def region(self) -> tuple[slice, slice]:
        """Its place in a frame."""
        height, width = self.pixels.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def composed(parts: Iterable[Part], height: int, width: int) -> Iterator[Frame]:
    """The frame that shows after each of `parts`, on a canvas that is transparent at first. Raises
    InputError.
    """
    canvas: Frame | None = None
    for part in parts:
        if canvas is None:
            canvas = np.zeros((height, width, part.pixels.shape[2]), part.pixels.dtype)
        shown = _drawn(canvas, part)
        yield shown
        canvas = _disposed(canvas, shown, part)


def _drawn(canvas: Frame, part: Part) -> Frame:
    shown, region = canvas.copy(), part.region
    if shown[region].shape != part.pixels.shape:
        raise InputError("a frame of its animation extends beyond its canvas")
    blends = part.blended and has_alpha(part.pixels)
    shown[region] = _over(part.pixels, canvas[region]) if blends else part.pixels
    return shown


def _disposed(canvas: Frame, shown: Frame, part: Part) -> Frame:
    """What the next part is drawn on."""
    if part.disposal is Disposal.RESTORE:
        return canvas
    if part.disposal is Disposal.CLEAR:
        shown = shown.copy()
        shown[part.region] = 0
    return shown


def _over(above: Frame, below: Frame) -> Frame:
    """`above` drawn over `below`, both with alpha that is not premultiplied."""
    top = highest(above.dtype)
    alpha = above[..., -1:]
    if ((alpha == 0) | (alpha == top)).all():
        return np.where(alpha == top, above, below)
    share, behind = alpha / top, below[..., -1:] / top
    rest = behind * (1 - share)
    total = share + rest
    colours = above[..., :-1] * share + below[..., :-1] * rest
    colours = np.divide(colours, total, out=np.zeros_like(colours), where=total > 0)
    return (np.concatenate([colours, total * top], axis=2) + 0.5).astype(above.dtype)
