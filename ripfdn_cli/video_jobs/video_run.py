"""A video made larger: its frames through the network, in segments that a crash leaves whole."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from ripfdn_cli.pictures.picture import Frame
from ripfdn_cli.pipeline.cancellation import Cancellation, Cancelled
from ripfdn_cli.pipeline.collisions import check_collisions, check_existing
from ripfdn_cli.pipeline.devices import Devices, Networks, NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.disk_space import DiskWatch
from ripfdn_cli.pipeline.frame_pipeline import FramePipeline
from ripfdn_cli.pipeline.upscaler_stage import PreparedFrame, UpscaledFrame, UpscalerStage, finish, prepare
from ripfdn_cli.upscaler import Progress
from ripfdn_cli.video.frames import SourceFrame
from ripfdn_cli.video_jobs.device_colour import (
    DeviceColour,
    PreparedYuvFrame,
    UpscaledYuvFrame,
    device_colour,
)
from ripfdn_cli.video_jobs.segments import SegmentEntry, Segments, open_segments, segments_folder
from ripfdn_cli.video_jobs.video_plan import VideoPlan, plan_video
from ripfdn_cli.video_jobs.video_settings import VideoSettings
from ripfdn_cli.video_jobs.video_targets import OpenSegment, SequenceTarget

log = logging.getLogger(__name__)

_FRAMES_AT_ONCE = 4
READ_AHEAD = 2 * _FRAMES_AT_ONCE
_REMEMBERED = 3
"""Frames before a segment whose checksums tell whether seeking found the place."""

VideoProgress = Callable[[int, int, int], None]
"""Called with frames done, frames in all, and bytes written so far."""


@dataclass(frozen=True)
class VideoFacts:
    """What there is to tell of a result. `resumed`: frames that were done already; `computed`: those that the
    network ran on now, repeated ones once; `lost_frames`: about how many the input lacks.
    """

    size: tuple[int, int]
    output_size: tuple[int, int]
    passes: tuple[int, ...]
    frames: int
    resumed: int
    computed: int
    lost_frames: int
    segments: int
    bytes_written: int
    seconds: float


@dataclass(frozen=True)
class _Work:
    """What comes with a source frame on its way through the network: its number, and which output frames show
    it.
    """

    number: int
    checksum: int
    outputs: range
    captions: av.VideoFrame | None


def upscale_video(
    paths: Sequence[Path],
    output: Path,
    settings: VideoSettings,
    network: NetworkSettings,
    *,
    overwrite: bool = False,
    progress: VideoProgress | None = None,
    device_colour_always: bool = False,
) -> VideoFacts:
    """Make `output` from `paths`: a video, an animated picture, a folder or glob of frames, or the frames.

    What is done survives any interruption in a folder beside `output`, from where the same call goes on.
    `device_colour_always`: see `device_colour`. Raises RipfdnError.
    """
    started = time.perf_counter()
    devices = Devices(network)
    try:
        plan = plan_video(paths, output, settings, network)
        _check_outputs(plan, paths, output, overwrite)
        with open_segments(
            segments_folder(output), _job(plan, network, devices), restart=settings.restart
        ) as segments:
            run = _Run(plan, segments, devices, progress, device_colour_always)
            run.finish(overwrite=overwrite)
        segments.remove()
        return run.facts(time.perf_counter() - started)
    except NetworkUnavailableError as error:
        raise error.reason from error
    finally:
        devices.close()


def _check_outputs(plan: VideoPlan, paths: Sequence[Path], output: Path, overwrite: bool) -> None:
    files = plan.target.outputs()
    check_collisions([(paths[0], file) for file in files], inputs=plan.source.files)
    if isinstance(plan.target, SequenceTarget) and segments_folder(output).is_dir():
        return  # frames of the run that is resumed
    check_existing(files, overwrite=overwrite)


def _job(plan: VideoPlan, network: NetworkSettings, devices: Devices) -> dict[str, Any]:
    """Everything that shapes the segments: input, weights, sizes, times, encoder. Not what shapes speed."""
    timeline, selection = plan.target.timeline, devices.selection
    checkpoints = [selection.checkpoint(plan.weights[scale]) for scale in plan.passes]
    shown = hashlib.sha256(timeline.source.tobytes() + timeline.pts.tobytes() + timeline.durations.tobytes())
    return {
        "input": plan.source.identity,
        "reading": plan.source.reading,
        "times": [str(timeline.time_base), len(timeline), shown.hexdigest()],
        "weights": [checkpoint.sha256 for checkpoint in checkpoints],
        "network": {"engine": network.engine, "precision": network.precision, "ensemble": network.ensemble},
        "tiles": {"tile": network.tile, "halo": network.halo},
        "output": plan.target.describe(),
        "segment": plan.segment,
    }


class _Run:
    """The frames of `plan` that `segments` has not yet."""

    def __init__(
        self,
        plan: VideoPlan,
        segments: Segments,
        devices: Devices,
        progress: VideoProgress | None,
        device_colour_always: bool,
    ) -> None:
        self._device_colour_always = device_colour_always
        self._colour: DeviceColour | None = None
        self._plan, self._segments, self._devices = plan, segments, devices
        self._progress = progress or (lambda done, total, written: None)
        self._total = len(plan.target.timeline)
        self._disk = DiskWatch(
            segments.folder, self._total, plan.target.frame_bytes, plan.source.copied_bytes
        )
        self._resumed, self._computed = segments.frames, 0
        self._cancellation = Cancellation()

    def finish(self, *, overwrite: bool) -> None:
        """Compute what is missing, and make the result. Raises RipfdnError; what is done then is kept."""
        plan, segments = self._plan, self._segments
        if plan.source.keep is not None:
            plan.source.keep(segments.folder)
        try:
            self._disk.check_before(self._resumed, segments.written)
            plan.target.try_out(segments.folder)
            if self._resumed:
                log.info("continuing at frame %d of %d", self._resumed, self._total)
            self._progress(self._resumed, self._total, segments.written)
            self._compute()
        finally:
            if not segments.entries:
                segments.remove()
        plan.target.finish(segments, overwrite=overwrite)

    def facts(self, seconds: float) -> VideoFacts:
        source = self._plan.source
        return VideoFacts(
            size=(source.width, source.height),
            output_size=self._plan.size,
            passes=self._plan.passes,
            frames=self._total,
            resumed=self._resumed,
            computed=self._computed,
            lost_frames=source.lost_frames,
            segments=len(self._segments.entries),
            bytes_written=self._plan.target.size(),
            seconds=seconds,
        )

    def _compute(self) -> None:
        """Decode and prepare ahead, run the network on every device, finish and encode behind."""
        if self._resumed == self._total:
            return
        plan, devices = self._plan, self._devices
        self._colour = devices.run(
            lambda networks: device_colour(
                plan, networks.among(plan.weights), always=self._device_colour_always
            )
        )
        batch_size = devices.run(lambda networks: frames_per_batch(networks.among(plan.weights), plan.passes))
        pipeline = FramePipeline(devices, self._upscale, batch_size=batch_size, read_ahead=READ_AHEAD)
        writer = _SegmentedWriter(plan, self._segments, self._wrote_frame, self._wrote_segment)
        try:
            pipeline.run(self._work(), writer.write)
            writer.close()
        finally:
            self._computed = pipeline.computed
            writer.abandon()

    def _work(self) -> Iterator[tuple[PreparedFrame | PreparedYuvFrame, _Work]]:
        """Source frames from the first that is still wanted, ready for the network."""
        source, shows = self._plan.source, self._plan.target.timeline.source
        first = int(shows[self._resumed])
        before = self._segments.entries[-1].before if self._segments.entries else {}
        known = {number: checksum for number, checksum in before.items() if number < first}
        frames = source.frames if self._colour is None else self._colour.frames
        for frame in frames(first, known):
            start, stop = np.searchsorted(shows, [frame.index, frame.stop]).tolist()
            if start == self._total:
                return
            if outputs := range(max(start, self._resumed), stop):
                yield self._prepared(frame), _Work(frame.index, frame.checksum, outputs, frame.captions)

    def _prepared(self, frame: SourceFrame) -> PreparedFrame | PreparedYuvFrame:
        if self._colour is not None:
            return PreparedYuvFrame(frame.pixels)
        return prepare(frame.pixels, self._plan.source.samples)

    def _upscale(
        self, networks: Networks, frames: Sequence[Any], progress: Progress
    ) -> Sequence[UpscaledFrame | UpscaledYuvFrame]:
        networks = networks.among(self._plan.weights)
        if self._colour is not None:
            return self._colour.upscale_frames(networks, frames, progress)
        return UpscalerStage(networks, 0, progress).upscale_frames(frames, self._plan.passes)

    def _wrote_frame(self, done: int) -> None:
        self._progress(done, self._total, self._segments.written)

    def _wrote_segment(self, done: int, largest: int) -> None:
        self._disk.check_after_segment(done, self._segments.written, largest)


def frames_per_batch(networks: Networks, passes: Sequence[int]) -> int:
    """Frames for the network at once: on a processor there is nothing to be won."""
    return 1 if not passes or networks[passes[0]].device == "cpu" else _FRAMES_AT_ONCE


class _SegmentedWriter:
    """Puts finished frames into segments, one after the other. For one thread."""

    def __init__(
        self,
        plan: VideoPlan,
        segments: Segments,
        wrote_frame: Callable[[int], None],
        wrote_segment: Callable[[int, int], None],
    ) -> None:
        self._plan, self._segments = plan, segments
        self._wrote_frame, self._wrote_segment = wrote_frame, wrote_segment
        self._next = segments.frames
        self._open: tuple[AbstractContextManager[OpenSegment], OpenSegment] | None = None
        self._seen: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._last: tuple[UpscaledFrame | UpscaledYuvFrame, Frame] | None = None

    def write(self, upscaled: UpscaledFrame | UpscaledYuvFrame, work: _Work) -> None:
        frame = self._finished(upscaled)
        self._seen.append((work.number, work.checksum))
        for output in work.outputs:
            self._segment().add(output, frame, work.captions if output == work.outputs[0] else None)
            self._next = output + 1
            self._wrote_frame(self._next)
            if self._next % self._plan.segment == 0:
                self.close()

    def close(self) -> None:
        """End the segment that is open, and record it."""
        if self._open is None:
            return
        (context, segment), self._open = self._open, None
        context.__exit__(None, None, None)
        assert segment.segment is not None
        self._segments.add(SegmentEntry(segment.segment, dict(self._seen), segment.written))
        self._wrote_segment(self._next, max(entry.written for entry in self._segments.entries))

    def abandon(self) -> None:
        """Leave nothing of a segment that is not whole."""
        if self._open is None:
            return
        (context, _), self._open = self._open, None
        stop = Cancelled()
        try:
            context.__exit__(Cancelled, stop, None)
        except Cancelled:
            return

    def _segment(self) -> OpenSegment:
        if self._open is None:
            context = self._plan.target.open_segment(self._segments.path(len(self._segments.entries)))
            self._open = context, context.__enter__()
        return self._open[1]

    def _finished(self, upscaled: UpscaledFrame | UpscaledYuvFrame) -> Frame:
        """The frame of `upscaled` in its final size, made once for frames that come again."""
        if self._last is None or self._last[0] is not upscaled:
            if isinstance(upscaled, UpscaledYuvFrame):
                self._last = upscaled, upscaled.finish(self._plan.source.name)
            else:
                self._last = (
                    upscaled,
                    finish(upscaled, self._plan.size, wrap=False, name=self._plan.source.name),
                )
        return self._last[1]
