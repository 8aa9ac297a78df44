"""Pictures as no camera takes them: few colours, dither, checkers, stripes, dots, noise."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_BAYER = 16 * np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])


def pattern_picture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3): one of all patterns in one of all palettes."""
    y, x = np.mgrid[:height, :width]
    colours, period = int(rng.choice([2, 2, 3, 4, 8, 16])), int(rng.integers(1, 9))
    palette = _palette(rng, colours)
    squares = rng.integers(0, colours, (height // period + 1, width // period + 1))
    indices: list[Callable[[], NDArray[np.int64]]] = [
        lambda: (x // period + y // period) % colours,
        lambda: x // period % colours,
        lambda: y // period % colours,
        lambda: (x + y) // period % colours,
        lambda: rng.integers(0, colours, (height, width)),
        lambda: (rng.random((height, width)) < 0.05) * (colours - 1),
        lambda: np.kron(squares, np.ones((period, period), np.int64))[:height, :width],
        lambda: (
            ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(height, width) / 3) ** 2) * (colours - 1)
        ),
        lambda: (x % 2 + 2 * (y % 2)) * colours // 4 % colours,
        lambda: x * y // period % colours,
        lambda: (x ^ y) // period % colours,
        lambda: (x / max(width - 1, 1) * 255 > _BAYER[y % 4, x % 4]) * (colours - 1),
    ]
    kind = int(rng.integers(0, len(indices) + 2))
    if kind < len(indices):
        return palette[indices[kind]()].astype(np.uint8)
    if kind == len(indices):
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    first, last = rng.integers(0, 256, (2, 3))
    along = ((x + y) / (height + width))[..., None]
    blend: NDArray[np.float64] = first * (1 - along) + last * along
    return np.rint(blend).astype(np.uint8)


def _palette(rng: np.random.Generator, colours: int) -> NDArray[np.int64]:
    """(colours, 3): any, of the cube's corners, EGA's, or greys."""
    kind = int(rng.integers(0, 4))
    if kind == 3:
        return rng.integers(0, 256, (colours, 1)).repeat(3, axis=1)
    levels = (np.arange(256), np.array([0, 255]), np.array([0, 85, 170, 255]))[kind]
    return rng.choice(levels, (colours, 3))
