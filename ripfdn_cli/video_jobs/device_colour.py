"""Frames of a video whose colours are converted where the network runs, so that they cross to a GPU and back
as YUV; and what happens where that can't be done.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import NonFiniteResultError, OutOfMemoryError
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.model.architecture import SMALLEST_SIDE
from ripfdn_cli.pictures.picture import Frame
from ripfdn_cli.pipeline.devices import Networks
from ripfdn_cli.pipeline.self_check import warn_of_wrong_tiles, wrong_tiles
from ripfdn_cli.pipeline.suspicions import shrunk
from ripfdn_cli.pipeline.upscaler_stage import UpscaledFrame, UpscalerStage, prepare
from ripfdn_cli.upscaler import Progress, Upscaler
from ripfdn_cli.video.colour import ToRgb
from ripfdn_cli.video.frames import Checksums, SourceFrame
from ripfdn_cli.video.yuv import frame_of
from ripfdn_cli.video_jobs.video_plan import VideoPlan
from ripfdn_cli.video_jobs.video_sources import YuvSource
from ripfdn_cli.video_jobs.video_target import VideoTarget

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedYuvFrame:
    """A frame as it goes to the device: `samples` (K,) of its planes."""

    samples: NDArray[Any]

    def equals(self, other: Self) -> bool:
        """Whether both have the same samples."""
        return np.array_equal(self.samples, other.samples)


@dataclass(frozen=True)
class UpscaledYuvFrame:
    """A frame as it came from the device of `network`: `samples` (L,) for the encoder. `network_input` and
    `decoded_output` (H, W, 3): what the network was given, and what the samples show, in RGB of one size.
    """

    samples: NDArray[Any]
    network_input: Frame
    decoded_output: Frame
    network: Upscaler

    def finish(self, name: str) -> NDArray[Any]:
        """The samples, checked against what went in: see self_check.py. Where they are wrong, RGB from the
        reference (s·H, s·W, 3), with a warning that names `name`. Raises NonFiniteResultError,
        OutOfMemoryError.
        """
        source, network = self.network_input, self.network

        def reference(rows: slice, columns: slice) -> Frame:
            means = shrunk(network.reference(source, rows, columns), network.scale)
            return np.rint(means).astype(source.dtype)

        wrong = wrong_tiles(source, self.decoded_output, 1, network, reference)
        if not wrong:
            return self.samples
        warn_of_wrong_tiles(name, network, wrong)
        return network.reference(source, slice(0, source.shape[0]), slice(0, source.shape[1]))


class DeviceColour:
    """Runs frames of `source` through the network of `scale`, to come out in the format `target`."""

    def __init__(self, source: YuvSource, target: YuvFormat, scale: int, *, always: bool) -> None:
        self._source, self._target, self._scale, self._always = source, target, scale, always
        self._suffices = True
        self._to_rgb: ToRgb | None = None
        self._converting = threading.Lock()

    def frames(self, first: int, before: Checksums | None) -> Iterator[SourceFrame]:
        """The source's frames, from frame `first` on."""
        return self._source.frames(first, before)

    def upscale_frames(
        self, networks: Networks, frames: Sequence[PreparedYuvFrame], progress: Progress
    ) -> Sequence[UpscaledYuvFrame | UpscaledFrame]:
        """Each of `frames` made larger. What a device can't do goes through libswscale.

        Raises what `Upscaler.upscale` raises.
        """
        network = networks[self._scale]
        if self._suffices and _serves(network, self._always):
            try:
                return self._on_device(network, frames, progress)
            except OutOfMemoryError:
                log.warning(
                    "too little memory to convert colours on the device; libswscale does it from here on"
                )
                self._suffices = False
            except NonFiniteResultError as error:
                log.debug("%s", error)
        prepared = [prepare(self._rgb(frame), self._source.layout.dtype.name) for frame in frames]
        return UpscalerStage(networks, 0, progress).upscale_frames(prepared, (self._scale,))

    def _on_device(
        self, network: Upscaler, frames: Sequence[PreparedYuvFrame], progress: Progress
    ) -> list[UpscaledYuvFrame]:
        samples = np.stack([frame.samples for frame in frames])
        results = network.upscale_yuv(samples, self._source.layout, self._target, progress=progress)
        return [
            UpscaledYuvFrame(*parts, network)
            for result in results
            for parts in zip(result.samples, result.network_input, result.decoded_output, strict=True)
        ]

    def _rgb(self, frame: PreparedYuvFrame) -> Frame:
        """As ToRgb would have given it. By any thread."""
        with self._converting:
            whole = frame_of(frame.samples, self._source.layout, self._source.colour.tags)
            if self._to_rgb is None:
                self._to_rgb = ToRgb(whole, self._source.colour)
            return self._to_rgb(whole)


def device_colour(plan: VideoPlan, networks: Networks, *, always: bool = False) -> DeviceColour | None:
    """What converts the colours of `plan` on the device; None where libswscale does, and `-v` says why.

    `always`: on a processor too, where libswscale is faster.
    """
    if not plan.passes or (networks[plan.passes[0]].device == "cpu" and not always):
        return None
    source, target = plan.source.yuv, plan.target.layout if isinstance(plan.target, VideoTarget) else None
    reason = _obstacle(plan, networks[plan.passes[0]], source, target)
    if reason is not None or source is None or target is None:
        log.debug("colours are converted by libswscale, as %s", reason)
        return None
    log.debug("colours are converted on the device: %s in, %s out", source.layout.name, target.name)
    return DeviceColour(source, target, plan.passes[0], always=always)


def _serves(network: Upscaler, always: bool) -> bool:
    return network.converts_yuv and (always or network.device != "cpu")


def _obstacle(
    plan: VideoPlan, network: Upscaler, source: YuvSource | None, target: YuvFormat | None
) -> str | None:
    """Why the colours of `plan` can't be converted on a device."""
    if not network.converts_yuv:
        return "the engine or an ensemble takes RGB"
    if source is None or target is None:
        return "devices don't convert one of the formats"
    if len(plan.passes) != 1 or plan.size != _enlarged(plan):
        return "the size asked for is not the network's"
    if min(plan.source.width, plan.source.height) < SMALLEST_SIDE:
        return "the frames are smaller than the network takes"
    if source.layout.bits > 8 >= target.bits:
        return "libswscale dithers what loses bits"
    return None


def _enlarged(plan: VideoPlan) -> tuple[int, int]:
    scale = prod(plan.passes)
    return scale * plan.source.width, scale * plan.source.height
