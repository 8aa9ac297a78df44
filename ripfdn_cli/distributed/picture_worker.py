"""What upscales pictures in a process of a cluster: with an engine and a part of the journal of its own."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass

from ripfdn_cli.distributed.worker_pool import Fatal, Home, other_weights
from ripfdn_cli.errors import DiskFullError, RipfdnError, UnavailableError
from ripfdn_cli.files.storage import Location
from ripfdn_cli.image_jobs.image_run import ImageRun, ImageTask, Outcome
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.journal import open_shard_journal, read_journal


@dataclass(frozen=True)
class PictureJob:
    """What a worker is told. `weights`: SHA-256 of the files the driver has; `journal`: its folder."""

    picture: PictureSettings
    network: NetworkSettings
    overwrite: bool
    journal: Location
    weights: dict[str, str]
    home: Home


class PictureWorker:
    """Lives in a process of the cluster. Calls come in several threads at once."""

    def __init__(self, job: PictureJob) -> None:
        self._fatal: Fatal | None = None
        self._journal = job.journal
        self._open = ExitStack()  # until the end of the process
        try:
            self._run = _started(job, self._open)
        except (RipfdnError, OSError) as error:
            known = error if isinstance(error, RipfdnError) else UnavailableError(f"worker: {error}")
            self._fatal = Fatal(known)

    def ready(self) -> Fatal | None:
        """Answers once the worker has started: the error that keeps it from working, or None."""
        return self._fatal

    def work(self, task: ImageTask, again: bool) -> Outcome | Fatal:
        """`again`: a worker died with `task`, and may have written its result."""
        if self._fatal is not None:
            return self._fatal
        if again and self._is_done(task):
            return Outcome(task.input, task.output)
        try:
            return self._run.attempt(task)
        except NetworkUnavailableError as error:
            return Fatal(error.reason)
        except DiskFullError as error:
            return Fatal(error)

    def _is_done(self, task: ImageTask) -> bool:
        digest = self._run.digests.of(task.file_format)
        return read_journal(self._journal).is_done(task.input, task.output, digest)


def _started(job: PictureJob, stack: ExitStack) -> ImageRun:
    """Raises RipfdnError, OSError."""
    job.home.enter()
    journal = stack.enter_context(open_shard_journal(job.journal, f"ray-{secrets.token_hex(8)}"))
    run = ImageRun(job.picture, job.network, overwrite=job.overwrite, journal=journal)
    if run.digests.weights != job.weights:
        raise other_weights()
    return run
