"""What a run has written, in a file beside its results: an interrupted run goes on where it was, and an
output counts as done only when it is the very file that was recorded.

One JSON object a line. A line is written, and synced, before its output gets its final name, so that no
result can appear without it; one without its output (the run died between the two) counts for nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ripfdn_cli.jobs.synced_lines import SyncedLines, open_lines, read_lines

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
    """The journal of a folder of results; `lines` is None for one that is only looked at."""

    def __init__(self, folder: Path, recorded: list[dict[str, Any]], lines: SyncedLines | None) -> None:
        self._folder, self._lines = folder, lines
        self._entries, self.finished = _read(recorded)
        """Whether the last run that wrote here came to its end with nothing left to do, or there was none."""

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
        assert self._lines is not None, "a journal from read_journal is not written"
        self._lines.append(values)


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """The journal of `folder`, open for one run at a time; both are made where they aren't there.

    Raises UsageError where another run has it open, OutputError where it can't be written.
    """
    with open_lines(folder / JOURNAL_NAME, skip_damaged=True) as lines:
        yield Journal(folder, lines.lines, lines)


def read_journal(folder: Path) -> Journal:
    """What the journal of `folder` says, for looking only."""
    return Journal(folder, read_lines(folder / JOURNAL_NAME), None)


def _read(lines: list[dict[str, Any]]) -> tuple[dict[str, Entry], bool]:
    """The last entry of each output, and whether the last run finished. Lines that make no sense are left."""
    entries, finished = {}, True
    for values in lines:
        if "event" in values:
            finished = values["event"] == "finish"
            continue
        try:
            entry = Entry(**values)
        except TypeError:
            continue
        entries[entry.output] = entry
    return entries, finished


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
