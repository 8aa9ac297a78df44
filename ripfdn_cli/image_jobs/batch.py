"""One command's worth of pictures: found, named, checked for collisions, resumed, run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ripfdn_cli.errors import InputError
from ripfdn_cli.files.storage import Location, check_publishable, remove_stale
from ripfdn_cli.image_jobs.image_run import Digests, ImageRun, ImageTask, Outcome, plan_tasks
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pictures.formats import Format
from ripfdn_cli.pipeline.collisions import check_collisions
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.find_inputs import find_inputs
from ripfdn_cli.pipeline.journal import Journal
from ripfdn_cli.pipeline.journaled_batch import JournaledBatch, Request
from ripfdn_cli.pipeline.output_names import output_names, template_advice
from ripfdn_cli.pipeline.own_results import without_own_results
from ripfdn_cli.upscaler import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchRequest(Request):
    """A request for pictures; `file_format` of their results, None for what their names say."""

    file_format: Format | None = None


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
class Batch(JournaledBatch[ImageTask, Outcome]):
    """Pictures of one command."""

    picture: PictureSettings
    network: NetworkSettings

    def run(self, progress: Progress | None = None, cluster: Cluster | None = None) -> Generator[Outcome]:
        """What became of each input. Closing the iterator stops the run; run again, it goes on where it was.

        Raises OutputError before the first picture where outputs exist already and may not be replaced, and
        what `ImageRun.run` (on a `cluster`, its `run`) raises.
        """

        def start(tasks: list[ImageTask], journal: Journal | None) -> Generator[Outcome]:
            if journal is None:  # for which its folder was written already
                for task in tasks:
                    check_publishable(task.output, overwrite=True, in_new_folder=True)
            self._remove_stale()
            return self._outcomes(tasks, journal, progress, cluster)

        return self._run(start, journaled=cluster is not None)

    def _outcomes(
        self,
        tasks: list[ImageTask],
        journal: Journal | None,
        progress: Progress | None,
        cluster: Cluster | None,
    ) -> Generator[Outcome]:
        overwrite = self.request.overwrite
        if cluster is None:
            run = ImageRun(
                self.picture, self.network, overwrite=overwrite, journal=journal, progress=progress
            )
            yield from run.run(tasks)
            return
        yield from cluster.run(tasks, self.picture, self.network, overwrite=overwrite, journal=self.folder)
        self._remove_stale()  # of workers that died

    def _remove_stale(self) -> None:
        for folder in {str(task.output.parent): task.output.parent for task in self.tasks}.values():
            remove_stale(folder)

    def _digests(self) -> Callable[[ImageTask], str]:
        digests = Digests(self.picture, self.network)
        return lambda task: digests.of(task.file_format)

    def _skipped(self, task: ImageTask) -> Outcome:
        return Outcome(task.input, task.output)


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
        raise InputError(f"no pictures in {where}; check `include`, `exclude` and the suffixes")
    tasks, failed = plan_tasks(sources, names, picture, network.selection.default_scale)
    failed += [Outcome(path, None, error=error) for path, error in found.unreadable]
    check_collisions(
        [(task.input, task.output) for task in tasks],
        inputs=[source.path for source in sources],
        advice=lambda: template_advice(names, sources),
    )
    if (shard := request.shard) is not None:
        own = {str(source.path) for source in sources if shard.has(source)}
        tasks = [task for task in tasks if str(task.input) in own]
        failed = [outcome for outcome in failed if str(outcome.source) in own]
    return Batch(request, names.folder, tuple(tasks), tuple(failed), request.names_one_file, picture, network)
