"""What a run has written, in a journal beside its results: an interrupted run goes on where it was, and an
output counts as done only when it is the very file that was recorded.

One JSON object a line. A line is written, and synced, before its output gets its final name, so that no
result can appear without it; one without its output (the run died between the two) counts for nothing.

Runs that share a folder (shards, workers of a cluster) have a shard of the journal each, and read them all.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ripfdn_cli.files.durable_log import open_log, read_log
from ripfdn_cli.files.object_log import OBJECTS_FOLDER, ObjectLog, open_object_log, read_object_log
from ripfdn_cli.files.storage import Location, Stamp, StampOf, below, full_name, is_remote, matches, stamp_of

JOURNAL_NAME = ".ripfdn.journal.jsonl"
_SHARDS = ".ripfdn.journal.*.jsonl"
_VERSION = 1
_WHOLE = ""
"""The shard of a run that has the folder to itself."""


class Lines(Protocol):
    """Lines that are safe once `append` has returned."""

    lines: list[dict[str, Any]]

    def append(self, *values: dict[str, Any]) -> None:
        """Add lines. Raises OutputError."""


@dataclass(frozen=True)
class JournalEntry:
    """One result: `output` relative to the journal's folder; stamps (see `Stamp`) of the input as it was read
    and of the output as it was written; `settings`, a digest of all that shapes the pixels.
    """

    input: str
    input_size: int
    input_mtime_ns: int
    output: str
    output_size: int
    output_mtime_ns: int
    settings: str
    input_etag: str = ""
    output_etag: str = ""
    output_md5: str = ""
    input_md5: str = ""

    def holds(self, source: Location, output: Location, settings: str, stamp_of: StampOf) -> bool:
        """Whether `output` is still the file that was recorded, made of `source` as it is, as asked now."""
        read = Stamp(self.input_size, self.input_mtime_ns, self.input_etag, self.input_md5)
        return (
            self.settings == settings
            and self.input == full_name(source)
            and matches(read, stamp_of(source), source)
            and self.wrote(stamp_of(output), output)
        )

    def wrote(self, current: Stamp | None, output: Location) -> bool:
        """Whether `output`, whose stamp is `current` now, is still the file that was recorded."""
        written = Stamp(self.output_size, self.output_mtime_ns, self.output_etag, self.output_md5)
        return matches(written, current, output)


class Journal:
    """The journal of a folder of results, all that is `recorded` in its parts; `lines` is the one that is
    written, None for a journal that is only looked at.
    """

    def __init__(
        self, folder: Location, recorded: list[dict[str, Any]], lines: Lines | None, shard: str = _WHOLE
    ) -> None:
        self._folder, self._lines, self._shard = folder, lines, shard
        self._entries, events = _read(recorded)
        self.finished = _finished(events, shard)
        """Whether the last run that wrote here came to its end with nothing left to do, or there was none."""

    def is_done(
        self, source: Location, output: Location, settings: str, stamp_of: StampOf = stamp_of
    ) -> bool:
        """Whether `output` is there as a run with these `settings` made it from `source` as it is now."""
        entries = self._entries.get(below(output, self._folder), ())
        return any(entry.holds(source, output, settings, stamp_of) for entry in reversed(entries))

    def input_of(self, output: Location, stamp_of: StampOf = stamp_of) -> str | None:
        """The full name of the input that `output`, as it is now, was made of; None for any other file."""
        entries = self._entries.get(below(output, self._folder), ())
        current = stamp_of(output) if entries else None
        return next((entry.input for entry in reversed(entries) if entry.wrote(current, output)), None)

    def add(self, source: Location, read: Stamp, output: Location, written: Stamp, settings: str) -> None:
        """Record that `output`, made of `source` as it was when it was `read`, is about to appear. Raises
        OutputError.
        """
        entry = JournalEntry(
            input=full_name(source),
            input_size=read.size,
            input_mtime_ns=read.mtime_ns,
            output=below(output, self._folder),
            output_size=written.size,
            output_mtime_ns=written.mtime_ns,
            settings=settings,
            input_etag=read.etag,
            output_etag=written.etag,
            output_md5=written.md5,
            input_md5=read.md5,
        )
        self._append({name: value for name, value in asdict(entry).items() if value != ""})

    def start(self) -> None:
        """Record that a run begins."""
        self._append(self._event("start"))

    def finish(self) -> None:
        """Record that a run has nothing left to do."""
        self._append(self._event("finish"))

    def _event(self, name: str) -> dict[str, Any]:
        return {"event": name, "version": _VERSION, "part": self._shard, "time": time.time()}

    def _append(self, values: dict[str, Any]) -> None:
        assert self._lines is not None, "a journal from read_journal is not written"
        self._lines.append(values)


@contextmanager
def open_journal(folder: Location, shard: str = _WHOLE) -> Iterator[Journal]:
    """The journal of `folder`, its `shard` open for one run at a time; both are made where they aren't there.

    A run that has the folder to itself takes the lines of the shards into its own. Raises UsageError where
    another run has one of them open that is to be written, OutputError where it can't be written.
    """
    if is_remote(folder):
        with open_object_log(folder / OBJECTS_FOLDER, shard) as objects:
            yield Journal(folder, objects.lines, objects, shard)
        return
    with open_log(folder / journal_name(shard), skip_damaged=True) as lines:
        if shard == _WHOLE:
            _take_over_shards(folder, lines)
            yield Journal(folder, lines.lines, lines)
            _take_over_shards(folder, lines)
        else:
            yield Journal(folder, _read_all(folder), lines, shard)


@contextmanager
def open_shard_journal(folder: Location, shard: str) -> Iterator[Journal]:
    """A new `shard` to write, for one worker of a run: what others have written is not read."""
    if is_remote(folder):
        objects = ObjectLog(folder / OBJECTS_FOLDER, shard, [])
        yield Journal(folder, [], objects, shard)
        return
    with open_log(folder / journal_name(shard)) as lines:
        yield Journal(folder, [], lines, shard)


def read_journal(folder: Location, shard: str = _WHOLE) -> Journal:
    """What the journal of `folder` says, for looking only."""
    if is_remote(folder):
        return Journal(folder, read_object_log(folder / OBJECTS_FOLDER), None, shard)
    return Journal(folder, _read_all(folder), None, shard)


def has_journal(folder: Path) -> bool:
    """Whether runs have kept a journal in the local `folder`."""
    return any(path.exists() for path in _files_in(folder))


def journal_name(shard: str) -> str:
    """The name of the file in the folder of results."""
    return JOURNAL_NAME if shard == _WHOLE else _SHARDS.replace("*", shard)


def _read_all(folder: Path) -> list[dict[str, Any]]:
    return [values for path in _files_in(folder) for values in read_log(path)]


def _files_in(folder: Path) -> list[Path]:
    return [folder / JOURNAL_NAME, *sorted(folder.glob(_SHARDS))]


def _take_over_shards(folder: Path, lines: Lines) -> None:
    with ExitStack() as stack:
        for path in sorted(folder.glob(_SHARDS)):
            shard = stack.enter_context(open_log(path, skip_damaged=True))
            lines.append(*shard.lines)
            lines.lines.extend(shard.lines)
            shard.delete()


def _read(lines: list[dict[str, Any]]) -> tuple[dict[str, list[JournalEntry]], list[dict[str, Any]]]:
    """The entries of each output, and what runs said of themselves. Lines that make no sense are left."""
    entries: dict[str, list[JournalEntry]] = {}
    events = []
    for values in lines:
        if "event" in values:
            events.append(values)
            continue
        try:
            entry = JournalEntry(**values)
        except TypeError:
            continue
        entries.setdefault(entry.output, []).append(entry)
    return entries, events


def _finished(events: list[dict[str, Any]], shard: str) -> bool:
    """Whether the last run of `shard` finished, or one of the whole folder after it; for the whole folder,
    whether that is so of all its parts.
    """
    last = {str(event.get("part", _WHOLE)): event for event in sorted(events, key=_time_of)}
    whole = last.get(_WHOLE)
    whole_until = _time_of(whole) if whole is not None and whole["event"] == "finish" else -1.0
    concerned = last if shard == _WHOLE else {shard} & last.keys()
    return all(last[name]["event"] == "finish" or _time_of(last[name]) < whole_until for name in concerned)


def _time_of(event: dict[str, Any]) -> float:
    value = event.get("time", 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
