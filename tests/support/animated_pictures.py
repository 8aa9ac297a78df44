"""A picture that moves, and what comes back of one that was written."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.picture import Animation, Picture


def square(left: int, alpha: bool = True, size: int = 24) -> NDArray[np.uint8]:
    """A red square on nothing (or on blue) at `left`."""
    frame = np.zeros((size, size, 4), np.uint8)
    frame[..., 2] = 255
    frame[..., 3] = 0 if alpha else 255
    frame[8:16, left : left + 8] = (255, 0, 0, 255)
    return frame if alpha else frame[..., :3].copy()


def animation(alpha: bool, **changes: Any) -> Picture:
    frames = tuple(square(left, alpha) for left in (0, 4, 8, 12))
    timing = replace(Animation((100.0, 50.0, 200.0, 70.0), plays=3), **changes)
    return Picture(frames, format_named("gif"), animation=timing)


def written(picture: Picture, name: str, **options: Any) -> Picture:
    return decode(encode(picture, Encoding(format_named(name), **options), "a"), "a")


def visible(frame: NDArray[Any]) -> NDArray[Any]:
    """What a viewer shows of `frame` on black and of its outline, both coarse enough for lossy formats."""
    if frame.shape[2] == 3:
        return frame // 128
    return np.where(frame[..., 3:] >= 128, frame[..., :3], 0) // 128
