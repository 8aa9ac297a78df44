"""One command's worth of pictures: found, named, checked for collisions, resumed, run."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Protocol

from ripfdn_cli.errors import InputError
from ripfdn_cli.files.storage import (
    Location,
    Snapshot,
    check_publishable,
    is_folder,
    is_remote,
    remove_stale,
)
from ripfdn_cli.image_jobs.image_run import Digests, ImageRun, ImageTask, Outcome, plan_tasks
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pictures.formats import Format
from ripfdn_cli.pipeline.collisions import check_collisions, check_existing
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.find_inputs import find_inputs
from ripfdn_cli.pipeline.journal import Journal, open_journal, read_journal
from ripfdn_cli.pipeline.output_names import output_names, template_advice
from ripfdn_cli.pipeline.own_results import without_own_results
from ripfdn_cli.pipeline.shards import Shard
from ripfdn_cli.upscaler import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchRequest:
    """Inputs and output as the user names them, and what may happen to files that are there. `shard`: only
    this share of the inputs.
    """

    inputs: tuple[Location, ...]
    output: str
    file_format: Format | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    overwrite: bool = False
    skip_existing: bool = False
    shard: Shard | None = None

    @property
    def journal(self) -> str:
        """Which of the folder's journals a run of this request writes."""
        return "" if self.shard is None else self.shard.journal


class Cluster(Protocol):
    """Machines that can do a batch's work."""

    def run(
        self,
        tasks: Sequence[ImageTask],
        picture: PictureSettings,
        network: NetworkSettings,
        *,
        overwrite: bool,
        journal: Location,
    ) -> Generator[Outcome]:
        """What became of each task, in the order they end; `journal` is the folder of the journal."""


@dataclass(frozen=True)
class Batch:
    """What a request comes to: `tasks`, and what `failed` before there could be one. `folder` is where its
    journal lies; a single picture has one only where it is to be skipped if it is done.
    """

    request: BatchRequest
    picture: PictureSettings
    network: NetworkSettings
    folder: Location
    tasks: tuple[ImageTask, ...]
    failed: tuple[Outcome, ...]
    is_single: bool

    def __len__(self) -> int:
        return len(self.tasks) + len(self.failed)

    def run(self, progress: Progress | None = None, cluster: Cluster | None = None) -> Generator[Outcome]:
        """What became of each input. Closing the iterator stops the run; run again, it goes on where it was.

        Raises OutputError before the first picture where outputs are there and may not be replaced, and what
        `ImageRun.run` (on a `cluster`, its `run`) raises.
        """
        journaled = not self.is_single or self.request.skip_existing or cluster is not None
        with open_journal(self.folder, self.request.journal) if journaled else nullcontext() as journal:
            done, to_do = self._divided(journal)
            if journal is None:  # for which its folder was written already
                for task in to_do:
                    check_publishable(task.output, overwrite=True, in_new_folder=True)
            self._remove_stale()
            yield from self.failed
            yield from (Outcome(task.source.path, task.output) for task in done)
            if journal is not None and to_do:
                journal.start()
            complete = not self.failed
            with closing(self._outcomes(to_do, journal, progress, cluster)) as outcomes:
                for outcome in outcomes:
                    complete = complete and outcome.error is None
                    yield outcome
            if journal is not None and complete:
                journal.finish()
            if cluster is not None:
                self._remove_stale()  # of workers that died

    def look(self) -> tuple[list[ImageTask], list[ImageTask]]:
        """Tasks that are done, and those that `run` would do. Raises OutputError as it would."""
        return self._divided(read_journal(self.folder, self.request.journal))

    def _remove_stale(self) -> None:
        for folder in {str(task.output.parent): task.output.parent for task in self.tasks}.values():
            remove_stale(folder)

    def _outcomes(
        self,
        tasks: list[ImageTask],
        journal: Journal | None,
        progress: Progress | None,
        cluster: Cluster | None,
    ) -> Generator[Outcome]:
        overwrite = self.request.overwrite
        if cluster is not None:
            return cluster.run(tasks, self.picture, self.network, overwrite=overwrite, journal=self.folder)
        run = ImageRun(self.picture, self.network, overwrite=overwrite, journal=journal, progress=progress)
        return run.run(tasks)

    def _divided(self, journal: Journal | None) -> tuple[list[ImageTask], list[ImageTask]]:
        """Done and to do. What the journal says is done is left out, unless it is to be done once more: by a
        finished run's command with `overwrite`. Raises OutputError for outputs that may not be replaced.
        """
        snapshot = Snapshot([self.folder, *(path for path in self.request.inputs if _is_store_folder(path))])
        once_more = self.request.overwrite and not self.request.skip_existing
        done: list[ImageTask] = []
        to_do: list[ImageTask] = list(self.tasks)
        if journal is not None and not (journal.finished and once_more):
            digests = Digests(self.picture, self.network)
            to_do = []
            for task in self.tasks:
                settings = digests.of(task.file_format)
                known = journal.is_done(task.source.path, task.output, settings, snapshot.stamp_of)
                (done if known else to_do).append(task)
        outputs = (task.output for task in to_do)
        check_existing(outputs, overwrite=self.request.overwrite, stamp_of=snapshot.stamp_of)
        return done, to_do


def plan_batch(request: BatchRequest, picture: PictureSettings, network: NetworkSettings) -> Batch:
    """Find the inputs and name the outputs; nothing is written, no picture decoded.

    Raises InputError where there are none, UsageError where names collide or settings contradict each other.
    A shard's outputs are checked against those of all others, and it may have no pictures.
    """
    names = output_names(request.output, request.inputs, request.file_format)
    found = find_inputs(
        request.inputs, include=request.include, exclude=request.exclude, leave_out=names.folder
    )
    sources = without_own_results(found.sources, request.inputs, names.folder, request.journal)
    if not sources and not found.unreadable:
        where = ", ".join(map(str, request.inputs))
        raise InputError(f"no pictures in {where}; look at `include` and `exclude`, and at the suffixes")
    tasks, failed = plan_tasks(sources, names, picture, network.selection.default_scale)
    failed += [Outcome(path, None, error=error) for path, error in found.unreadable]
    check_collisions(
        [(task.source.path, task.output) for task in tasks],
        inputs=[source.path for source in sources],
        advice=lambda: template_advice(names, sources),
    )
    if (shard := request.shard) is not None:
        own = {str(source.path) for source in sources if shard.has(source)}
        tasks = [task for task in tasks if str(task.source.path) in own]
        failed = [outcome for outcome in failed if str(outcome.source) in own]
    single = shard is None and len(request.inputs) == 1 and not is_folder(request.inputs[0])
    return Batch(request, picture, network, names.folder, tuple(tasks), tuple(failed), single)


def _is_store_folder(path: Location) -> bool:
    return is_remote(path) and is_folder(path)
