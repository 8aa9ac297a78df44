"""One frame through the network: what is done before it, in it and after it, so that three threads can.

Grey goes in as three equal channels and comes out as their mean. Transparency goes through the network as a
picture of its own, kept within what the input had around it; colour is bled under transparent pixels before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.image_math.neighbours import enlarged
from ripfdn_cli.image_math.value_range import ValueRange, limit_overshoot
from ripfdn_cli.model.architecture import GRID_STEP
from ripfdn_cli.pictures.picture import Frame, as_grey, as_rgb, as_samples, has_alpha
from ripfdn_cli.pictures.resampling import resize
from ripfdn_cli.pictures.transparency import bleed, limited_alpha
from ripfdn_cli.pipeline.self_check import corrected
from ripfdn_cli.upscaler import Progress, Upscaler


@dataclass(frozen=True)
class PreparedFrame:
    """A frame as the network takes it: `colours` (H, W, 3), `alpha` (H, W) where the frame has it."""

    colours: Frame
    alpha: NDArray[Any] | None
    grey: bool

    def equals(self, other: Self) -> bool:
        """Whether both would give the same result (the frames of an animation often do)."""
        if (self.grey, self.colours.dtype) != (other.grey, other.colours.dtype):
            return False
        if self.alpha is None or other.alpha is None:
            return self.alpha is other.alpha and np.array_equal(self.colours, other.colours)
        return np.array_equal(self.alpha, other.alpha) and np.array_equal(self.colours, other.colours)


@dataclass(frozen=True)
class Step:
    """One run of `network`: what it gave for `source` (H, W, 3) with `wrap` px of the opposite edges around
    it, and how many tiles that took.
    """

    source: Frame
    result: Frame
    network: Upscaler
    wrap: int
    tiles: int

    @property
    def inner_source(self) -> Frame:
        """`source` without the opposite edges."""
        height, width = self.source.shape[:2]
        return self.source[self.wrap : height - self.wrap, self.wrap : width - self.wrap]

    def inner(self, result: Frame) -> Frame:
        """`result` (scale·H, scale·W, 3) without what stands for the opposite edges."""
        margin = self.network.scale * self.wrap
        return result[margin : result.shape[0] - margin, margin : result.shape[1] - margin]


@dataclass(frozen=True)
class UpscaledFrame:
    """A frame as the networks gave it: `steps` made its colours, `alpha_steps` its alpha. Floats beyond 0..1
    are still laid into it by `values`.
    """

    colours: Frame
    alpha: NDArray[Any] | None
    grey: bool
    steps: tuple[Step, ...]
    alpha_steps: tuple[Step, ...]
    tiles: int
    values: ValueRange | None = None


def prepare(frame: Frame, samples: str) -> PreparedFrame:
    """`frame` with samples of the type `samples`, and colours under its transparent pixels."""
    frame = as_samples(frame, samples)
    alpha = frame[..., -1] if has_alpha(frame) else None
    colours = frame if alpha is None else bleed(frame[..., :-1], alpha)
    return PreparedFrame(as_rgb(colours), alpha, grey=colours.shape[2] == 1)


class UpscalerStage:
    """Runs frames through networks, by their scale; `wrap` is how many px of the opposite edges they see."""

    def __init__(self, networks: Mapping[int, Upscaler], wrap: int, progress: Progress | None = None) -> None:
        self._networks, self._progress = networks, progress
        # Whole grid steps, so that the padded picture is pooled as the picture is.
        self._wrap = -(-wrap // GRID_STEP) * GRID_STEP

    def upscale_frame(self, prepared: PreparedFrame, passes: Sequence[int]) -> UpscaledFrame:
        """`prepared` through the networks of the scales `passes`, in turn. Raises what `Upscaler` raises."""
        colours, alpha = prepared.colours, prepared.alpha
        even = alpha is not None and alpha.min() == alpha.max()
        steps: list[Step] = []
        alpha_steps: list[Step] = []
        values = ValueRange.beyond_unit(colours) if passes and colours.dtype.kind == "f" else None
        if values is not None:
            colours = values.to_unit(colours)
        for scale in passes:
            steps.append(self._run(_clipped(colours) if steps else colours, scale))
            colours = steps[-1].inner(steps[-1].result)
            if alpha is not None and even:
                alpha = enlarged(alpha, scale)
            elif alpha is not None:
                alpha_steps.append(self._run(as_rgb(alpha[..., None]), scale))
                alpha = _alpha_of(alpha_steps[-1], alpha_steps[-1].result)
        tiles = sum(step.tiles for step in (*steps, *alpha_steps))
        return UpscaledFrame(colours, alpha, prepared.grey, tuple(steps), tuple(alpha_steps), tiles, values)

    def upscale_frames(self, frames: Sequence[PreparedFrame], passes: Sequence[int]) -> list[UpscaledFrame]:
        """What `upscale_frame` gives for each of `frames`; on a GPU, frames of one size take less time in a
        batch.
        """
        if self._wrap or any(frame.alpha is not None or frame.colours.dtype.kind == "f" for frame in frames):
            return [self.upscale_frame(frame, passes) for frame in frames]
        pictures, steps = [frame.colours for frame in frames], [list[Step]() for _ in frames]
        for scale in passes:
            network = self._networks[scale]
            larger = network.upscale_batch(pictures, progress=self._progress)
            tiles = len(network.grid(*pictures[0].shape[:2], dtype=pictures[0].dtype))
            for own, before, after in zip(steps, pictures, larger, strict=True):
                own.append(Step(before, after, network, 0, tiles))
            pictures = larger
        return [
            UpscaledFrame(picture, None, frame.grey, tuple(own), (), sum(step.tiles for step in own))
            for frame, picture, own in zip(frames, pictures, steps, strict=True)
        ]

    def _run(self, colours: Frame, scale: int) -> Step:
        network, wrapped = self._networks[scale], _wrapped(colours, self._wrap)
        larger = network.upscale(wrapped, progress=self._progress)
        tiles = len(network.grid(*wrapped.shape[:2], dtype=wrapped.dtype))
        return Step(wrapped, larger, network, self._wrap, tiles)


def finish(upscaled: UpscaledFrame, target: tuple[int, int], *, wrap: bool, name: str) -> Frame:
    """The frame at `target` (width, height) px, checked against what went in: see self_check.py. `name` is
    the input's in warnings. Raises NonFiniteResultError, OutOfMemoryError.
    """
    colours = _colours(upscaled, name)
    alpha = _corrected(upscaled.alpha_steps, name, _alpha_as_rgb)
    if upscaled.alpha is not None:
        last = upscaled.alpha[..., None] if alpha is None else alpha[..., :1]
        colours = np.concatenate([colours, last], axis=2)
    return resize(colours, *target, wrap=wrap)


def _colours(upscaled: UpscaledFrame, name: str) -> Frame:
    """Its colours, checked, in the input's range: (H, W, 1) where it is grey, else (H, W, 3)."""
    checked = _corrected(upscaled.steps, name, Step.inner)
    colours = upscaled.colours if checked is None else checked
    colours = as_grey(colours) if upscaled.grey else colours
    if upscaled.values is None:
        return colours
    source = upscaled.values.from_unit(upscaled.steps[0].inner_source)[..., : colours.shape[2]]
    scale = prod(step.network.scale for step in upscaled.steps)
    return limit_overshoot(upscaled.values.from_unit(colours), source, scale)


def _corrected(steps: Sequence[Step], name: str, after: Callable[[Step, Frame], Frame]) -> Frame | None:
    """What comes after the last of `steps` (and `after` it), or None where they are right as they are:
    from the first that isn't, the reference computes them again.
    """
    for number, step in enumerate(steps):
        result = corrected(step.source, step.result, step.network, name)
        if result is not step.result:
            larger = after(step, result)
            for later in steps[number + 1 :]:
                source = _wrapped(_clipped(larger), later.wrap)
                whole = later.network.reference(source, slice(0, source.shape[0]), slice(0, source.shape[1]))
                larger = after(replace(later, source=source), whole)
            return larger
    return None


def _clipped(colours: Frame) -> Frame:
    """What one network takes of what another gave: floats in 0..1."""
    return np.clip(colours, 0, 1) if colours.dtype.kind == "f" else colours


def _wrapped(colours: Frame, wrap: int) -> Frame:
    return np.pad(colours, ((wrap,) * 2, (wrap,) * 2, (0, 0)), mode="wrap") if wrap else colours


def _alpha_of(step: Step, result: Frame) -> NDArray[Any]:
    return limited_alpha(step.inner(result), step.inner_source[..., 0], step.network.scale)


def _alpha_as_rgb(step: Step, result: Frame) -> Frame:
    return as_rgb(_alpha_of(step, result)[..., None])
