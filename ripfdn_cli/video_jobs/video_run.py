"""A video made larger: its frames through the network, in segments that a crash leaves whole."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.pipeline.collisions import check_collisions, check_existing
from ripfdn_cli.pipeline.devices import Devices, NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.disk_space import DiskWatch
from ripfdn_cli.video_jobs.picture_targets import SequenceTarget
from ripfdn_cli.video_jobs.segment_maker import SegmentMaker
from ripfdn_cli.video_jobs.segment_schedule import MadeSegment, SegmentSchedule, SegmentTask
from ripfdn_cli.video_jobs.segments import SegmentEntry, Segments, open_segments, segments_folder
from ripfdn_cli.video_jobs.video_plan import VideoPlan, describe_job, plan_video
from ripfdn_cli.video_jobs.video_settings import VideoSettings

log = logging.getLogger(__name__)

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
class SegmentOrder:
    """What one who makes segments is told of a job; `job`: as `describe_job` has it."""

    paths: tuple[Path, ...]
    output: Path
    settings: VideoSettings
    network: NetworkSettings
    job: dict[str, Any]


class Cluster(Protocol):
    """Machines that can make a video's segments."""

    def make_segments(
        self, order: SegmentOrder, waiting: deque[SegmentTask]
    ) -> Generator[tuple[SegmentTask, MadeSegment | RipfdnError]]:
        """What became of each task, in the order they end; between two, `waiting` may be changed. Closing the
        iterator stops the work.
        """


def upscale_video(
    paths: Sequence[Path],
    output: Path,
    settings: VideoSettings,
    network: NetworkSettings,
    *,
    overwrite: bool = False,
    progress: VideoProgress | None = None,
    cluster: Cluster | None = None,
    device_colour_always: bool = False,
) -> VideoFacts:
    """Make `output` from `paths`: a video, an animated picture, a folder or glob of frames, or the frames.

    What is done survives any interruption in a folder beside `output`, from where the same call goes on.
    `cluster`: what makes the segments in place of this machine. `device_colour_always`: see `device_colour`.
    Raises RipfdnError.
    """
    started = time.perf_counter()
    devices = Devices(network)
    try:
        plan = plan_video(paths, output, settings, network)
        _check_outputs(plan, paths, output, overwrite)
        order = SegmentOrder(tuple(paths), output, settings, network, describe_job(plan, network))
        with open_segments(segments_folder(output), order.job, restart=settings.restart) as segments:
            run = _Run(plan, segments, progress)
            if cluster is None:
                run.finish(lambda: run.compute(devices, device_colour_always), overwrite=overwrite)
            else:
                run.finish(lambda: run.compute_on(cluster, order), overwrite=overwrite)
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


class _Run:
    """The frames of `plan` that `segments` has not yet."""

    def __init__(self, plan: VideoPlan, segments: Segments, progress: VideoProgress | None) -> None:
        self._plan, self._segments = plan, segments
        self._progress = progress or (lambda done, total, written: None)
        self._total = len(plan.target.timeline)
        self._disk = DiskWatch(
            segments.folder, self._total, plan.target.frame_bytes, plan.source.copied_bytes
        )
        self._resumed = self._done = segments.frames
        self._computed = 0

    def finish(self, compute: Callable[[], None], *, overwrite: bool) -> None:
        """Have `compute` make what is missing, and make the result. Raises RipfdnError; what is done then is
        kept.
        """
        plan, segments = self._plan, self._segments
        if plan.source.keep is not None:
            plan.source.keep(segments.folder)
        try:
            self._disk.check_before(self._resumed, segments.written)
            plan.target.try_out(segments.folder)
            if self._resumed:
                log.info("%d of %d frames are done already", self._resumed, self._total)
            self._progress(self._resumed, self._total, segments.written)
            if segments.missing(plan.segments):
                compute()
        finally:
            if not segments.done:
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

    def compute(self, devices: Devices, device_colour_always: bool) -> None:
        """On this machine, gap by gap."""
        plan, segments = self._plan, self._segments
        maker = SegmentMaker(plan, segments.folder, devices, device_colour_always=device_colour_always)
        while gap := segments.gap(plan.segments):
            outputs = range(plan.outputs(gap[0]).start, plan.outputs(gap[-1]).stop)
            before = segments.entries[-1].before if segments.entries else {}
            self._computed += maker.make(outputs, before, self._segment_done, self._frame_done)

    def compute_on(self, cluster: Cluster, order: SegmentOrder) -> None:
        """On the machines of `cluster`."""
        schedule, said = SegmentSchedule(self._segments, self._plan.segments), set[str]()
        with closing(cluster.make_segments(order, schedule.waiting)) as ended:
            for task, result in ended:
                if isinstance(result, RipfdnError):
                    schedule.failed(task, result)
                    continue
                for warning in result.warnings:
                    if warning not in said:
                        log.warning("%s", warning)
                said.update(result.warnings)
                self._computed += result.computed
                self._segment_done(task.number, result.entry)
                schedule.made(task)
                self._done = self._segments.frames
                self._progress(self._done, self._total, self._segments.written)
        schedule.raise_error()

    def _frame_done(self) -> None:
        self._done += 1
        self._progress(self._done, self._total, self._segments.written)

    def _segment_done(self, number: int, entry: SegmentEntry) -> None:
        self._segments.add(number, entry)
        done = self._segments.done
        self._disk.check_after_segment(
            self._segments.frames, self._segments.written, max(entry.written for entry in done)
        )
