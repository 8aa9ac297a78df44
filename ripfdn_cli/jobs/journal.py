"""What a run has written, in a file beside its results: an interrupted run goes on where it was, and an
output counts as done only when it is the very file that was recorded.

One JSON object a line. A line is written, and synced, before its output gets its final name, so that no
result can appear without it; one without its output (the run died between the two) counts for nothing.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ripfdn_cli.atomic_file import output_error
from ripfdn_cli.errors import UsageError

if sys.platform != "win32":
    import fcntl

JOURNAL_NAME = ".ripfdn.journal.jsonl"
_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One result: `output` relative to the journal's folder; size and modification time (ns) of the input as
    it was read and of the output as it was written; `settings`, a digest of all that shapes the pixels.
    """

    input: str
    input_size: int
    input_mtime_ns: int
    output: str
    output_size: int
    output_mtime_ns: int
    settings: str

    def holds(self, source: Path, output: Path, settings: str) -> bool:
        """Whether `output` is still the file that was recorded, made of `source` as it is, as asked now."""
        return (
            self.settings == settings
            and self.input == str(source.absolute())
            and _stamp(source) == (self.input_size, self.input_mtime_ns)
            and _stamp(output) == (self.output_size, self.output_mtime_ns)
        )


class Journal:
    """The journal of a folder of results, open for appending by one run at a time."""

    def __init__(self, folder: Path, descriptor: int, entries: dict[str, Entry], *, finished: bool) -> None:
        self.finished = finished
        """Whether the last run that wrote here came to its end with nothing left to do, or there was none."""
        self._folder, self._descriptor, self._entries = folder, descriptor, entries
        self._writing = threading.Lock()

    def is_done(self, source: Path, output: Path, settings: str) -> bool:
        """Whether `output` is there as a run with these `settings` made it from `source` as it is now."""
        entry = self._entries.get(os.path.relpath(output, self._folder))
        return entry is not None and entry.holds(source, output, settings)

    def add(
        self, source: Path, read: os.stat_result, output: Path, written: os.stat_result, settings: str
    ) -> None:
        """Record that `output`, made of `source` as it was when it was `read`, is about to appear. Raises
        OutputError.
        """
        entry = Entry(
            input=str(source.absolute()),
            input_size=read.st_size,
            input_mtime_ns=read.st_mtime_ns,
            output=os.path.relpath(output, self._folder),
            output_size=written.st_size,
            output_mtime_ns=written.st_mtime_ns,
            settings=settings,
        )
        self._append(asdict(entry))

    def start(self) -> None:
        self._append({"event": "start", "version": _VERSION})

    def finish(self) -> None:
        self._append({"event": "finish"})

    def _append(self, values: dict[str, Any]) -> None:
        line = memoryview(json.dumps(values).encode() + b"\n")
        try:
            with self._writing:
                while line:
                    line = line[os.write(self._descriptor, line) :]
                os.fsync(self._descriptor)
        except OSError as error:
            raise output_error(self._folder / JOURNAL_NAME, error) from error


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """The journal of `folder`, which is made where it isn't there.

    Raises UsageError where another run has it open, OutputError where it can't be written.
    """
    path = folder / JOURNAL_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise output_error(path, error) from error
    try:
        _lock(descriptor, folder)
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):  # the last line of a run that was killed
            os.write(descriptor, b"\n")
        entries, finished = _read(content)
        yield Journal(folder, descriptor, entries, finished=finished)
    finally:
        os.close(descriptor)


def read_journal(folder: Path) -> Journal:
    """What the journal of `folder` says, for looking only."""
    try:
        content = (folder / JOURNAL_NAME).read_bytes()
    except OSError:
        content = b""
    entries, finished = _read(content)
    return Journal(folder, -1, entries, finished=finished)


def _lock(descriptor: int, folder: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another run is writing to {folder or Path()}; wait for it, or stop it") from error
    except OSError:
        pass  # a file system without locks


def _read(content: bytes) -> tuple[dict[str, Entry], bool]:
    """The last entry of each output, and whether the last run finished. Lines that make no sense are left."""
    entries, finished = {}, True
    for line in content.splitlines():
        try:
            values = json.loads(line)
            if "event" in values:
                finished = values["event"] == "finish"
            else:
                entry = Entry(**values)
                entries[entry.output] = entry
        except (ValueError, TypeError):
            continue
    return entries, finished


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
