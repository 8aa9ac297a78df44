"""Pictures in files, one or a million: planned, upscaled side by side, written, recorded."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import traceback
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from ripfdn_cli.errors import (
    DiskFullError,
    InputError,
    InternalError,
    OutOfMemoryError,
    RipfdnError,
    UsageError,
)
from ripfdn_cli.files.storage import Location, Stamp, is_remote, make_folder, publish, stamp_of, stamp_of_read
from ripfdn_cli.image_jobs.picture_job import Facts, PictureJob, PictureSettings
from ripfdn_cli.pictures.decoding import read_header
from ripfdn_cli.pictures.file_content import read_file
from ripfdn_cli.pictures.formats import Format, load_plugin
from ripfdn_cli.pictures.picture import Header
from ripfdn_cli.pipeline.cancellation import Cancellation, Cancelled
from ripfdn_cli.pipeline.devices import ByteBudget, Devices, NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.journal import Journal
from ripfdn_cli.pipeline.output_names import OutputNames, ResultSize
from ripfdn_cli.upscaler import Progress

log = logging.getLogger(__name__)

_WAITING_PICTURES = 2 * 2**30
"""Bytes that the pictures in work may take together where `memory` is not set."""
_WAITING_FOR_STORES = 12
"""Threads more where inputs or outputs lie in a store, which takes its time for each."""
_EXTRA_WORKERS = 3
"""Threads that decode, finish, encode and write beside those that wait for a device."""


@dataclass(frozen=True)
class ImageTask:
    """One input and where its result goes."""

    source: Source
    output: Location
    file_format: Format

    @property
    def input(self) -> Location:
        """The file or object of the input."""
        return self.source.path


@dataclass(frozen=True)
class Outcome:
    """What became of an input: `facts` of a result, an `error`, or neither where it was done already."""

    source: Location
    output: Location | None
    facts: Facts | None = None
    error: RipfdnError | None = None
    size: int = 0
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        """As a line of JSON shows it."""
        record = {"input": str(self.source), "output": None if self.output is None else str(self.output)}
        if self.error is not None:
            return record | self.error.record()
        if self.facts is None:
            return record | {"status": "skipped"}
        return record | {"status": "done"} | _facts(self.facts, self.size, self.seconds)


def _facts(facts: Facts, size: int, seconds: float) -> dict[str, Any]:
    run = facts.run
    return {
        "format": facts.file_format.name,
        "width": facts.size[0],
        "height": facts.size[1],
        "output_width": facts.output_size[0],
        "output_height": facts.output_size[1],
        "frames": facts.frames,
        "bytes": size,
        "seconds": round(seconds, 3),
        "tiles": facts.tiles,
        "passes": list(run.passes) if run else [],
        "engine": run.engine if run else None,
        "device": run.device if run else None,
        "precision": run.precision if run else None,
        "weights": run.weights if run else None,
    }


class ImageRun:
    """Upscales tasks side by side."""

    def __init__(
        self,
        settings: PictureSettings,
        network: NetworkSettings,
        *,
        overwrite: bool = False,
        journal: Journal | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._settings, self._overwrite, self._journal = settings, overwrite, journal
        self._cancellation = Cancellation()
        self._devices = Devices(network)
        self._network = network
        self._job = PictureJob(
            settings,
            self._devices,
            ByteBudget(network.memory or _WAITING_PICTURES),
            self._cancellation.progress(progress),
        )

    @cached_property
    def digests(self) -> Digests:
        """Made when the first result is recorded: they read all weights that may be used."""
        return Digests(self._settings, self._network)

    def run(self, tasks: Sequence[ImageTask]) -> Generator[Outcome]:
        """What became of each task, in their order. Closing the iterator stops the run at the next tile.

        Raises DiskFullError, and what `Upscaler` raises: they would befall all the others too.
        """
        workers = len(self._devices) + max(_EXTRA_WORKERS, os.cpu_count() or 1)
        if any(is_remote(task.input) or is_remote(task.output) for task in tasks):
            workers += _WAITING_FOR_STORES
        pool = ThreadPoolExecutor(workers, thread_name_prefix="picture")
        waiting: deque[Future[Outcome]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(self.attempt, task))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except NetworkUnavailableError as error:
            raise error.reason from error
        finally:
            self._cancellation.cancel()
            pool.shutdown(cancel_futures=True)
            self.close()

    def close(self) -> None:
        """Stop at the next tile, and let go of the networks."""
        self._cancellation.cancel()
        self._devices.close()

    def run_bytes(self, data: bytes, name: str, file_format: Format | None) -> tuple[bytes, Facts]:
        """One picture from a pipe or for one. Raises RipfdnError."""
        try:
            if file_format is not None:
                self._job.settings.check_formats([file_format])
            return self._job.run(data, name, file_format)
        except NetworkUnavailableError as error:
            raise error.reason from error
        finally:
            self._devices.close()

    def attempt(self, task: ImageTask) -> Outcome:
        """The outcome of `task`, its error included: the others go on. For any number of threads.

        Raises DiskFullError and NetworkUnavailableError, which concern them all.
        """
        started = time.perf_counter()
        source, output = task.input, task.output
        try:
            facts, size = self._upscale(task)
        except (Cancelled, NetworkUnavailableError, DiskFullError):
            raise
        except RipfdnError as error:
            return Outcome(source, output, error=error)
        except MemoryError:
            message = f"out of memory with {source}; close other programs, or upscale it alone"
            return Outcome(source, output, error=OutOfMemoryError(message))
        except Exception as error:  # noqa: BLE001 - an internal error with one picture is not one with the others
            log.debug("%s", traceback.format_exc())
            message = f"internal error with {source} (please report it), {type(error).__name__}: {error}"
            return Outcome(source, output, error=InternalError(message))
        return Outcome(source, output, facts, size=size, seconds=time.perf_counter() - started)

    def _upscale(self, task: ImageTask) -> tuple[Facts, int]:
        """Read, upscale, write; facts and the size of the new file."""
        self._cancellation.check()
        source, output = task.input, task.output
        stamp = stamp_of(source)
        data = read_file(source, max_pixels=self._settings.max_pixels)
        read = stamp_of_read(source, data, stamp)
        content, facts = self._job.run(data, str(source), task.file_format)
        self._cancellation.check()
        make_folder(output.parent)

        def record(written: Stamp) -> None:
            if self._journal is not None and read is not None:
                self._journal.add(source, read, output, written, self.digests.of(task.file_format))

        publish(output, content, overwrite=self._overwrite, record=record)
        return facts, len(content)


class Digests:
    """Tells results of one set of settings from those of another; `weights`: the SHA-256 of each file."""

    def __init__(self, settings: PictureSettings, network: NetworkSettings) -> None:
        self.weights = network.selection.sha256()
        self._settings = settings
        self._network = (network.engine, network.precision, network.tile, network.halo, network.ensemble)
        self._known: dict[str, str] = {}

    def of(self, file_format: Format) -> str:
        """The digest of results in `file_format`."""
        if file_format.name not in self._known:
            parts = [self._settings.describe(file_format), self.weights, self._network]
            text = json.dumps(parts, sort_keys=True, default=str)
            self._known[file_format.name] = hashlib.sha256(text.encode()).hexdigest()
        return self._known[file_format.name]


def plan_tasks(
    sources: Sequence[Source], names: OutputNames, settings: PictureSettings, network_scale: int
) -> tuple[list[ImageTask], list[Outcome]]:
    """A task for each source, and what failed for those that can't have one: a header that can't be read, a
    name that says no format, a format that is not installed.

    Raises UsageError where formats and settings contradict each other, or where no source can have a task.
    """
    tasks: list[ImageTask] = []
    failed: list[Outcome] = []
    for source in sources:
        try:
            tasks.append(_task(source, names, settings, network_scale))
        except (InputError, UsageError) as error:
            failed.append(Outcome(source.path, None, error=error))
    errors = [outcome.error for outcome in failed if isinstance(outcome.error, UsageError)]
    if not tasks and len(errors) == len(failed) and errors:
        raise errors[0]
    settings.check_formats(task.file_format for task in tasks)
    return tasks, failed


def _task(source: Source, names: OutputNames, settings: PictureSettings, network_scale: int) -> ImageTask:
    size, content = None, None
    if names.needs_size or names.needs_content(source):
        header = _header(source, settings)
        size = _result_size(header, settings, network_scale)
        content = header.file_format if names.needs_content(source) else None
    output = names.of(source, size, content=content)
    file_format = names.format_for(output)
    load_plugin(file_format)
    return ImageTask(source, output, file_format)


def _header(source: Source, settings: PictureSettings) -> Header:
    data = read_file(source.path, max_pixels=settings.max_pixels)
    return read_header(data, str(source.path), max_pixels=settings.max_pixels)


def _result_size(header: Header, settings: PictureSettings, network_scale: int) -> ResultSize:
    width, height = settings.size.target(header.width, header.height, network_scale)
    return ResultSize(Fraction(width, header.width), width, height)
