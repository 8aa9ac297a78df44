"""One command's worth of pictures: found, named, checked for collisions, resumed, run."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ripfdn_cli.atomic_file import remove_stale_temporaries
from ripfdn_cli.errors import InputError
from ripfdn_cli.image_formats import Format
from ripfdn_cli.jobs.collisions import check_collisions, check_existing
from ripfdn_cli.jobs.devices import NetworkSettings
from ripfdn_cli.jobs.find_inputs import find_inputs
from ripfdn_cli.jobs.images import ImageRun, ImageTask, Outcome, plan_tasks
from ripfdn_cli.jobs.journal import Journal, open_journal, read_journal
from ripfdn_cli.jobs.output_names import output_names
from ripfdn_cli.jobs.picture_job import PictureSettings
from ripfdn_cli.upscaler import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchRequest:
    """Inputs and output as the user names them, and what may happen to files that are there."""

    inputs: tuple[Path, ...]
    output: str
    file_format: Format | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    overwrite: bool = False
    skip_existing: bool = False


@dataclass(frozen=True)
class Batch:
    """What a request comes to: `tasks`, and what `failed` before there could be one. `folder` is where its
    journal lies; a single picture has one only where it is to be skipped if it is done.
    """

    request: BatchRequest
    picture: PictureSettings
    network: NetworkSettings
    folder: Path
    tasks: tuple[ImageTask, ...]
    failed: tuple[Outcome, ...]

    @property
    def is_single(self) -> bool:
        return len(self.request.inputs) == 1 and not self.request.inputs[0].is_dir()

    def __len__(self) -> int:
        return len(self.tasks) + len(self.failed)

    def run(self, progress: Progress | None = None) -> Generator[Outcome]:
        """What became of each input. Closing the iterator stops the run; run again, it goes on where it was.

        Raises OutputError before the first picture where outputs are there and may not be replaced, and what
        `ImageRun.run` raises.
        """
        journaled = not self.is_single or self.request.skip_existing
        with open_journal(self.folder) if journaled else nullcontext() as journal:
            run = self._image_run(journal, progress)
            done, to_do = self._divided(run, journal)
            check_existing((task.output for task in to_do), overwrite=self.request.overwrite)
            for folder in {task.output.parent for task in self.tasks}:
                remove_stale_temporaries(folder)
            yield from self.failed
            yield from (Outcome(task.source.path, task.output) for task in done)
            if journal is not None and to_do:
                journal.start()
            complete = not self.failed
            with closing(run.run(to_do)) as outcomes:
                for outcome in outcomes:
                    complete = complete and outcome.error is None
                    yield outcome
            if journal is not None and complete:
                journal.finish()

    def look(self) -> tuple[list[ImageTask], list[ImageTask]]:
        """Tasks that are done, and those that `run` would do. Raises OutputError as it would."""
        journal = read_journal(self.folder)
        done, to_do = self._divided(self._image_run(journal, None), journal)
        check_existing((task.output for task in to_do), overwrite=self.request.overwrite)
        return done, to_do

    def _image_run(self, journal: Journal | None, progress: Progress | None) -> ImageRun:
        overwrite = self.request.overwrite
        return ImageRun(self.picture, self.network, overwrite=overwrite, journal=journal, progress=progress)

    def _divided(self, run: ImageRun, journal: Journal | None) -> tuple[list[ImageTask], list[ImageTask]]:
        """Done and to do. What the journal says is done is left out, unless it is to be done once more: by a
        finished run's command with --overwrite.
        """
        once_more = self.request.overwrite and not self.request.skip_existing
        if journal is None or (journal.finished and once_more):
            return [], list(self.tasks)
        done: list[ImageTask] = []
        to_do: list[ImageTask] = []
        for task in self.tasks:
            (done if run.is_done(task) else to_do).append(task)
        return done, to_do


def plan_batch(request: BatchRequest, picture: PictureSettings, network: NetworkSettings) -> Batch:
    """Find the inputs and name the outputs; nothing is written, no picture decoded.

    Raises InputError where there are none, UsageError where names collide or settings contradict each other.
    """
    names = output_names(request.output, request.inputs, request.file_format)
    sources = find_inputs(
        request.inputs, include=request.include, exclude=request.exclude, leave_out=names.folder
    )
    if not sources:
        where = ", ".join(map(str, request.inputs))
        raise InputError(f"no pictures in {where}; look at --include and --exclude, and at the suffixes")
    tasks, failed = plan_tasks(sources, names, picture, network.default_scale())
    check_collisions(
        [(task.source.path, task.output) for task in tasks], inputs=[source.path for source in sources]
    )
    return Batch(request, picture, network, names.folder, tuple(tasks), tuple(failed))
