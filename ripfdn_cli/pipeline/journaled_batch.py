"""Many tasks of one command, and the journal by which it goes on where it was interrupted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.files.storage import Location, Snapshot, is_folder, is_remote
from ripfdn_cli.pipeline.collisions import check_existing
from ripfdn_cli.pipeline.journal import Journal, open_journal, read_journal
from ripfdn_cli.pipeline.shards import Shard


@dataclass(frozen=True)
class Request:
    """Inputs and output as the user names them, and what may happen to files that exist already. `shard`:
    only this share of the inputs.
    """

    inputs: tuple[Location, ...]
    output: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    overwrite: bool = False
    skip_existing: bool = False
    shard: Shard | None = None

    @property
    def journal(self) -> str:
        """Which of the folder's journals a run of this request writes."""
        return "" if self.shard is None else self.shard.journal

    @property
    def names_one_file(self) -> bool:
        """Whether there is one input, whose error is the command's."""
        return self.shard is None and len(self.inputs) == 1 and not is_folder(self.inputs[0])


class Task(Protocol):
    """One result to make."""

    @property
    def input(self) -> Location:
        """The file by which the journal knows what the result is made of."""

    @property
    def output(self) -> Location:
        """Where the result goes."""


class Outcome(Protocol):
    """What became of a task."""

    @property
    def error(self) -> RipfdnError | None:
        """Why there is no result."""


AnyTask = TypeVar("AnyTask", bound=Task)
AnyOutcome = TypeVar("AnyOutcome", bound=Outcome)


@dataclass(frozen=True)
class JournaledBatch(ABC, Generic[AnyTask, AnyOutcome]):
    """What a request comes to: `tasks`, and what `failed` before there could be one. `folder` is where the
    journal lies; a single task has one only where it is to be skipped if it is done.
    """

    request: Request
    folder: Location
    tasks: tuple[AnyTask, ...]
    failed: tuple[AnyOutcome, ...]
    is_single: bool

    def __len__(self) -> int:
        return len(self.tasks) + len(self.failed)

    def look(self) -> tuple[list[AnyTask], list[AnyTask]]:
        """Tasks that are done, and those that a run would do. Raises OutputError as it would."""
        return self._divided(read_journal(self.folder, self.request.journal))

    @abstractmethod
    def _digests(self) -> Callable[[AnyTask], str]:
        """What tells the results of these settings from those of others, for each task."""

    @abstractmethod
    def _skipped(self, task: AnyTask) -> AnyOutcome:
        """The outcome of a task that was done already."""

    def _is_file(self, task: AnyTask) -> bool:
        """Whether the output is one file, which may exist already."""
        return True

    def _run(
        self,
        start: Callable[[list[AnyTask], Journal | None], Generator[AnyOutcome]],
        *,
        journaled: bool = False,
    ) -> Generator[AnyOutcome]:
        """What became of each input. `start` prepares what is to be done, and hands back its outcomes;
        `journaled`: there is a journal in any case.

        Raises OutputError before the first task where outputs exist already and may not be replaced.
        """
        journaled = journaled or not self.is_single or self.request.skip_existing
        with open_journal(self.folder, self.request.journal) if journaled else nullcontext() as journal:
            done, to_do = self._divided(journal)
            with closing(start(to_do, journal)) as outcomes:
                yield from self.failed
                yield from map(self._skipped, done)
                if journal is not None and to_do:
                    journal.start()
                complete = not self.failed
                for outcome in outcomes:
                    complete = complete and outcome.error is None
                    yield outcome
            if journal is not None and complete:
                journal.finish()

    def _divided(self, journal: Journal | None) -> tuple[list[AnyTask], list[AnyTask]]:
        """Done and to do. What the journal says is done is left out, unless it is to be done once more: by a
        finished run's command with `overwrite`. Raises OutputError for outputs that may not be replaced.
        """
        snapshot = Snapshot([self.folder, *_store_folders(self.request.inputs)])
        once_more = self.request.overwrite and not self.request.skip_existing
        done: list[AnyTask] = []
        to_do = list(self.tasks)
        if journal is not None and not (journal.finished and once_more):
            digest_of, to_do = self._digests(), []
            for task in self.tasks:
                known = journal.is_done(task.input, task.output, digest_of(task), snapshot.stamp_of)
                (done if known else to_do).append(task)
        files = (task.output for task in to_do if self._is_file(task))
        check_existing(
            files,
            overwrite=self.request.overwrite,
            journaled=journal is not None,
            stamp_of=snapshot.stamp_of,
        )
        return done, to_do


def _store_folders(places: Sequence[Location]) -> list[Location]:
    return [place for place in places if is_remote(place) and is_folder(place)]
