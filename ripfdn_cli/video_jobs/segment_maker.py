"""Segments of a video: the source's frames decoded and prepared ahead, through the network on every device,
and encoded behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from ripfdn_cli.pictures.picture import Frame
from ripfdn_cli.pipeline.cancellation import Cancelled
from ripfdn_cli.pipeline.devices import Devices, Networks
from ripfdn_cli.pipeline.frame_pipeline import FramePipeline
from ripfdn_cli.pipeline.upscaler_stage import PreparedFrame, UpscaledFrame, UpscalerStage, finish, prepare
from ripfdn_cli.upscaler import Progress
from ripfdn_cli.video.frames import Checksums, SourceFrame
from ripfdn_cli.video_jobs.device_colour import PreparedYuvFrame, UpscaledYuvFrame, device_colour
from ripfdn_cli.video_jobs.frames_in_turn import FramesInTurn
from ripfdn_cli.video_jobs.segments import SegmentEntry, segment_path
from ripfdn_cli.video_jobs.target import OpenSegment
from ripfdn_cli.video_jobs.video_plan import VideoPlan

_FRAMES_AT_ONCE = 4
READ_AHEAD = 2 * _FRAMES_AT_ONCE
_REMEMBERED = 3
"""Frames up to a segment's end whose checksums tell whether seeking finds the place."""

SegmentDone = Callable[[int, SegmentEntry], None]
"""Called with the number of a segment whose file is whole, and what is to be recorded of it."""


@dataclass(frozen=True)
class _Work:
    """What comes with a source frame on its way through the network: its number, and which output frames show
    it.
    """

    number: int
    checksum: int
    outputs: range
    captions: av.VideoFrame | None


class SegmentMaker:
    """Makes segments of `plan` in `folder`, with the networks of `devices`. For any thread.

    `device_colour_always`: see `device_colour`. Raises NetworkUnavailableError.
    """

    def __init__(
        self, plan: VideoPlan, folder: Path, devices: Devices, *, device_colour_always: bool = False
    ) -> None:
        self._plan, self._folder, self._devices = plan, folder, devices
        self._colour = devices.run(
            lambda networks: device_colour(plan, networks.among(plan.weights), always=device_colour_always)
        )
        frames = plan.source.frames if self._colour is None else self._colour.frames
        self._frames = FramesInTurn(frames, seeks=plan.source.seeks)
        self._batch_size = devices.run(
            lambda networks: frames_per_batch(networks.among(plan.weights), plan.passes)
        )

    def make(
        self,
        outputs: range,
        before: Checksums | None,
        segment_done: SegmentDone,
        frame_done: Callable[[], None] = lambda: None,
    ) -> int:
        """Make the segments of the output frames `outputs`, which begin with a segment and end with one.
        `before`: as the entry of the segment before says; none for the source's start. None: unknown; the
        first segment's entry has a `lead` then. How many frames the network ran on, repeated ones once.

        Raises RipfdnError; segments that were done before an error are whole.
        """
        pipeline = FramePipeline(
            self._devices, self._upscale, batch_size=self._batch_size, read_ahead=READ_AHEAD
        )
        writer = _SegmentedWriter(self._plan, self._folder, outputs.start, segment_done, frame_done)
        try:
            pipeline.run(self._work(outputs, before, writer), writer.write)
            writer.close()
        finally:
            writer.abandon()
        return pipeline.computed

    def _work(
        self, outputs: range, before: Checksums | None, writer: _SegmentedWriter
    ) -> Iterator[tuple[PreparedFrame | PreparedYuvFrame, _Work]]:
        """Source frames that `outputs` show, ready for the network. `writer` is told of those up to the first
        before it is given that one.
        """
        shows = self._plan.target.timeline.source
        first, lead = int(shows[outputs.start]), Checksums()
        if before is None and not self._plan.source.seeks:
            before = {}
        if before is not None:
            writer.remember(before)
        for frame in self._frames(self._lead_start(outputs.start) if before is None else first, before):
            shown = range(*np.searchsorted(shows, [frame.index, frame.stop]).tolist())
            if shown.start >= outputs.stop:
                return
            if before is None and frame.index <= first:
                lead[frame.index] = frame.checksum
                writer.begins_after(lead)
            wanted = range(max(shown.start, outputs.start), min(shown.stop, outputs.stop))
            if wanted:
                captions = frame.captions if wanted.start == shown.start else None
                yield self._prepared(frame), _Work(frame.index, frame.checksum, wanted, captions)
            elif shown:
                writer.remember({frame.index: frame.checksum})

    def _lead_start(self, output: int) -> int:
        """The source frame from which on those before `output` tell whether seeking found the place."""
        shown = np.unique(self._plan.target.timeline.source[:output])
        return int(shown[-_REMEMBERED:][0])

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


def frames_per_batch(networks: Networks, passes: Sequence[int]) -> int:
    """Frames for the network at once: on a processor there is nothing to be won."""
    return 1 if not passes or networks[passes[0]].device == "cpu" else _FRAMES_AT_ONCE


class _SegmentedWriter:
    """Puts finished frames, from output frame `first` on, into segments, one after the other. For one thread
    at a time.
    """

    def __init__(
        self,
        plan: VideoPlan,
        folder: Path,
        first: int,
        segment_done: SegmentDone,
        frame_done: Callable[[], None],
    ) -> None:
        self._plan, self._folder = plan, folder
        self._segment_done, self._frame_done = segment_done, frame_done
        self._number, self._next = first // plan.segment, first
        self._open: tuple[AbstractContextManager[OpenSegment], OpenSegment] | None = None
        self._seen: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._lead: Checksums | None = None
        self._last: tuple[UpscaledFrame | UpscaledYuvFrame, Frame] | None = None

    def remember(self, before: Checksums) -> None:
        """Source frames that were shown before the first that is written."""
        self._seen.extend(before.items())

    def begins_after(self, lead: Checksums) -> None:
        """What the first segment's entry has as its `lead`."""
        self._lead = lead

    def write(self, upscaled: UpscaledFrame | UpscaledYuvFrame, work: _Work) -> None:
        frame = self._finished(upscaled)
        if not self._seen or self._seen[-1][0] != work.number:
            self._seen.append((work.number, work.checksum))
        for output in work.outputs:
            self._segment().add(output, frame, work.captions if output == work.outputs[0] else None)
            self._next = output + 1
            self._frame_done()
            if self._next % self._plan.segment == 0:
                self.close()

    def close(self) -> None:
        """End the segment that is open, and say so."""
        if self._open is None:
            return
        (context, segment), self._open = self._open, None
        context.__exit__(None, None, None)
        assert segment.segment is not None
        number, lead = self._number, self._lead
        self._number, self._lead = number + 1, None
        self._segment_done(number, SegmentEntry(segment.segment, dict(self._seen), segment.written, lead))

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
            context = self._plan.target.open_segment(segment_path(self._folder, self._number))
            self._open = context, context.__enter__()
        return self._open[1]

    def _finished(self, upscaled: UpscaledFrame | UpscaledYuvFrame) -> Frame:
        """The frame of `upscaled` in its final size, made once for frames that come again."""
        if self._last is None or self._last[0] is not upscaled:
            name = self._plan.source.name
            if isinstance(upscaled, UpscaledYuvFrame):
                self._last = upscaled, upscaled.finish(name)
            else:
                self._last = upscaled, finish(upscaled, self._plan.size, wrap=False, name=name)
        return self._last[1]
