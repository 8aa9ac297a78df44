"""One frame through the network: what is done before it, in it and after it, so that three threads can.

Grey goes in as three equal channels and comes out as their mean. Transparency goes through the network as a
picture of its own, kept within what the input had around it; colour is bled under transparent pixels before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.image_math.value_range import ValueRange, limit_overshoot
from ripfdn_cli.model.architecture import GRID_STEP
from ripfdn_cli.pictures.picture import Frame, as_grey, as_rgb, as_samples, has_alpha
from ripfdn_cli.pictures.resampling import resize
from ripfdn_cli.pictures.transparency import bleed, upscaled_alpha
from ripfdn_cli.pipeline.self_check import check_result
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
class UpscaledFrame:
    """A frame as the networks gave it; `steps` holds input, result and scale of each of them. Floats beyond
    0..1 are still laid into it by `values`.
    """

    colours: Frame
    alpha: NDArray[Any] | None
    grey: bool
    steps: tuple[tuple[Frame, Frame, int], ...]
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
        colours, alpha, tiles = prepared.colours, prepared.alpha, 0
        steps: list[tuple[Frame, Frame, int]] = []
        values = ValueRange.beyond_unit(colours) if passes and colours.dtype.kind == "f" else None
        if values is not None:
            colours = values.to_unit(colours)
        for scale in passes:
            if steps and colours.dtype.kind == "f":
                colours = np.clip(colours, 0, 1)
            larger, count = self._run(colours, scale)
            steps.append((colours, larger, scale))
            colours, tiles = larger, tiles + count
            if alpha is not None:
                alpha, count = self._run_alpha(alpha, scale)
                tiles += count
        return UpscaledFrame(colours, alpha, prepared.grey, tuple(steps), tiles, values)

    def upscale_frames(self, frames: Sequence[PreparedFrame], passes: Sequence[int]) -> list[UpscaledFrame]:
        """What `upscale_frame` gives for each of `frames`; on a GPU, frames of one size take less time in a
        batch.
        """
        if self._wrap or any(frame.alpha is not None for frame in frames):
            return [self.upscale_frame(frame, passes) for frame in frames]
        pictures, tiles = [frame.colours for frame in frames], 0
        steps: list[list[tuple[Frame, Frame, int]]] = [[] for _ in frames]
        for scale in passes:
            network = self._networks[scale]
            larger = network.upscale_batch(pictures, progress=self._progress)
            for step, before, after in zip(steps, pictures, larger, strict=True):
                step.append((before, after, scale))
            tiles += len(network.grid(*pictures[0].shape[:2]))
            pictures = larger
        return [
            UpscaledFrame(picture, None, frame.grey, tuple(step), tiles)
            for frame, picture, step in zip(frames, pictures, steps, strict=True)
        ]

    def _run(self, colours: Frame, scale: int) -> tuple[Frame, int]:
        """`colours` enlarged, and in how many tiles."""
        height, width = colours.shape[:2]
        if self._wrap:
            colours = np.pad(colours, ((self._wrap,) * 2, (self._wrap,) * 2, (0, 0)), mode="wrap")
        network, margin = self._networks[scale], scale * self._wrap
        larger = network.upscale(colours, progress=self._progress)
        inner = larger[margin : margin + scale * height, margin : margin + scale * width]
        return inner, len(network.grid(*colours.shape[:2]))

    def _run_alpha(self, alpha: NDArray[Any], scale: int) -> tuple[NDArray[Any], int]:
        tiles = 0

        def run(colours: Frame) -> Frame:
            nonlocal tiles
            larger, tiles = self._run(colours, scale)
            return larger

        return upscaled_alpha(alpha, scale, run), tiles


def finish(upscaled: UpscaledFrame, target: tuple[int, int], *, wrap: bool) -> Frame:
    """The frame at `target` (width, height) px, checked against what went in. Raises BrokenResultError."""
    for source, result, scale in upscaled.steps:
        check_result(source, result, scale)
    colours = as_grey(upscaled.colours) if upscaled.grey else upscaled.colours
    if upscaled.values is not None:
        source = upscaled.values.from_unit(upscaled.steps[0][0])[..., : colours.shape[2]]
        scale = prod(step for _, _, step in upscaled.steps)
        colours = limit_overshoot(upscaled.values.from_unit(colours), source, scale)
    if upscaled.alpha is not None:
        colours = np.concatenate([colours, upscaled.alpha[..., None]], axis=2)
    return resize(colours, *target, wrap=wrap)
