"""What makes segments of a video in a process of a cluster, reading the source and writing them by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ripfdn_cli.distributed.worker_pool import Fatal, Home, a_worker, other_weights
from ripfdn_cli.errors import DiskFullError, InputError, RipfdnError, UnavailableError, UsageError
from ripfdn_cli.pipeline.devices import Devices, NetworkUnavailableError
from ripfdn_cli.video_jobs.segment_maker import SegmentMaker
from ripfdn_cli.video_jobs.segment_schedule import MadeSegment, SegmentTask
from ripfdn_cli.video_jobs.segments import SegmentEntry, check_folder, differences, segments_folder
from ripfdn_cli.video_jobs.video_plan import VideoPlan, describe_job, plan_video
from ripfdn_cli.video_jobs.video_run import SegmentOrder


@dataclass(frozen=True)
class SegmentJob:
    """What a worker is told; the network's settings of `order` are the worker's own."""

    order: SegmentOrder
    home: Home


class SegmentWorker:
    """Lives in a process of the cluster. Calls come in several threads at once."""

    def __init__(self, job: SegmentJob) -> None:
        self._fatal: Fatal | None = None
        try:
            job.home.enter()
            self._plan = _plan(job.order)
            folder = segments_folder(job.order.output)
            self._maker = SegmentMaker(self._plan, folder, Devices(job.order.network))
        except NetworkUnavailableError as error:
            self._fatal = Fatal(error.reason)
        except RipfdnError as error:
            self._fatal = Fatal(error)
        except OSError as error:
            self._fatal = Fatal(_not_shared(error))

    def ready(self) -> Fatal | None:
        """Answers once the worker has started: the error that keeps it from working, or None."""
        return self._fatal

    def work(self, task: SegmentTask, again: bool) -> MadeSegment | RipfdnError | Fatal:
        """Make the segment of `task`; its file takes the place of the one that a worker who died may have
        written, which is the same.
        """
        if self._fatal is not None:
            return self._fatal
        entries: list[SegmentEntry] = []
        outputs = self._plan.outputs(task.number)
        try:
            with _warnings() as warnings:
                computed = self._maker.make(outputs, task.before, lambda _, entry: entries.append(entry))
        except NetworkUnavailableError as error:
            return Fatal(error.reason)
        except DiskFullError as error:
            return Fatal(error)
        except RipfdnError as error:
            return error
        (entry,) = entries
        return MadeSegment(entry, computed, tuple(warnings))


def _plan(order: SegmentOrder) -> VideoPlan:
    """The driver's plan, made here, and shown to be the same. Raises RipfdnError."""
    try:
        check_folder(segments_folder(order.output), order.job)
        plan = plan_video(order.paths, order.output, order.settings, order.network)
    except (InputError, UsageError) as error:
        raise _not_shared(error) from error
    job = describe_job(plan, order.network)
    if job["weights"] != order.job["weights"]:
        raise other_weights()
    if differing := differences(order.job, job):
        raise UnavailableError(
            f"{a_worker()} would make other segments ({', '.join(differing)}); the same input and the same "
            "versions must be on every machine"
        )
    return plan


def _not_shared(error: Exception) -> UnavailableError:
    return UnavailableError(
        f"{a_worker()} can't do it: {error}; input and output must be at the same path "
        "on every machine, in folders that all share"
    )


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What is warned of meanwhile, for the driver to say: nobody reads it here."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("ripfdn_cli")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
