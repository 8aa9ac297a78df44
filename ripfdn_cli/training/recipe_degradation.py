"""LR patches by the steps of a recipe; and by whatever name of a degradation there is."""

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.training import degradation_recipes as recipes
from ripfdn_cli.training.degradation_recipes import Range, Recipe, Step
from ripfdn_cli.training.degrade import (
    Save,
    add_noise,
    blurring,
    degrade,
    draw_degradation,
    levels_of,
    resizing,
    through_file,
)
from ripfdn_cli.training.pictures import Pixels
from ripfdn_cli.training.settings import DRAWN_DEGRADATIONS, recipe_of

Patch = NDArray[np.float32]
_DRAWS = 5
"""Of a step, whether it comes or not, so that one choice doesn't change the next."""
_RINGING_REACH = 10
"""Pixels to each side that the low pass sees, as Real-ESRGAN's largest."""


def degraded(hr: Pixels, scale: int, degradations: str, random: np.random.Generator) -> Pixels:
    """The LR (h / scale, w / scale, 3) uint8 of `hr` (h, w, 3) uint8 by the setting `degradations`."""
    if degradations in DRAWN_DEGRADATIONS:
        return degrade(hr, scale, draw_degradation(random, scale, degradations), random)
    return degrade_by_recipe(hr, scale, recipe_of(degradations), random)


def degrade_by_recipe(hr: Pixels, scale: int, recipe: Recipe, random: np.random.Generator) -> Pixels:
    """The LR (h / scale, w / scale, 3) uint8 of `hr` (h, w, 3) uint8."""
    draws = random.random((len(recipe.steps) + 1, _DRAWS))
    size = hr.shape[0] // scale, hr.shape[1] // scale
    patch = hr.astype(np.float32)
    if draws[-1, 0] >= recipe.untouched:
        for step, drawn in zip(recipe.steps, draws, strict=False):
            if drawn[0] < step.chance:
                patch = _after(step, patch, size, drawn[1:], random)
    return levels_of(patch if patch.shape[:2] == size else _resized(patch, size, "bicubic"))


def _after(
    step: Step, patch: Patch, size: tuple[int, int], drawn: NDArray[np.float64], random: np.random.Generator
) -> Patch:
    enlarged = patch.shape[0] / size[0]
    match step:
        case recipes.Blur():
            first, other = (enlarged * _between(step.sigma, share) for share in drawn[:2])
            return _blurred(patch, first, other if drawn[2] < step.uneven else first)
        case recipes.Ringing():
            return _filtered(
                patch, *(_ringing(side, _between(step.cutoff, drawn[0])) for side in patch.shape[:2])
            )
        case recipes.Sharpen():
            sigma = enlarged * _between(step.sigma, drawn[1])
            return patch + np.float32(_between(step.amount, drawn[0])) * (
                patch - _blurred(patch, sigma, sigma)
            )
        case recipes.Resize():
            factor = _between(step.size, drawn[0])
            height, width = (max(1, round(factor * side)) for side in size)
            return _resized(patch, (height, width), _one_of(step.kernels, drawn[1]))
        case recipes.Noise():
            noise, photons = _between(step.sigma, drawn[0]), _between(step.photons, drawn[1])
            return add_noise(patch, noise, photons, random, grey=bool(drawn[2] < step.grey))
    assert isinstance(step, recipes.Save)
    quality = round(_between(step.quality, drawn[0]))
    save = Save(quality, _one_of(step.subsamplings, drawn[2]), _one_of(step.formats, drawn[1]))
    return through_file(levels_of(patch), save).astype(np.float32)


def _between(bounds: Range, share: float) -> float:
    return float(bounds[0] + share * (bounds[1] - bounds[0]))


def _one_of(names: tuple[str, ...], share: float) -> str:
    return names[int(share * len(names))]


def _resized(patch: Patch, size: tuple[int, int], kernel: str) -> Patch:
    vertical, horizontal = (resizing(old, new, kernel) for old, new in zip(patch.shape, size, strict=False))
    return _filtered(patch, vertical, horizontal)


def _blurred(patch: Patch, vertical: float, horizontal: float) -> Patch:
    """By Gaussians; what is narrower than a twentieth of a pixel is none."""
    matrices = (
        blurring(side, sigma) if sigma > 0.05 else np.eye(side)
        for side, sigma in zip(patch.shape, (vertical, horizontal), strict=False)
    )
    return _filtered(patch, *matrices)


def _ringing(length: int, cutoff: float) -> NDArray[np.float64]:
    """(length, length): a truncated sinc along one axis, pixels at the border repeated."""
    reach = np.arange(-_RINGING_REACH, _RINGING_REACH + 1)
    kernel = np.sinc(cutoff * reach)
    kernel /= kernel.sum()
    matrix = np.zeros((length, length))
    rows = np.arange(length)[:, None]
    np.add.at(matrix, (rows, (rows + reach).clip(0, length - 1)), kernel)
    return matrix


def _filtered(patch: Patch, vertical: NDArray[np.float64], horizontal: NDArray[np.float64]) -> Patch:
    result = np.einsum("yj,jxc->yxc", vertical.astype(np.float32), patch, optimize=True)
    return np.asarray(np.einsum("xi,yic->yxc", horizontal.astype(np.float32), result, optimize=True))
