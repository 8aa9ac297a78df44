"""What a video job has done so far: closed segments in a folder beside its output, and a journal of them.

The journal's first line says what the job is; one line for each segment follows, written after the segment's
file is whole and on the disk.
"""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.files.atomic_file import output_error, remove_stale_temporaries
from ripfdn_cli.files.durable_log import DurableLog, open_log
from ripfdn_cli.video.encoding import Segment

log = logging.getLogger(__name__)

_VERSION = 1
_JOURNAL = "journal.jsonl"
_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class SegmentEntry:
    """A segment that is done. `before`: checksums of the source's last frames up to its end, by number.
    `written`: bytes that it takes on the disk, wherever they are.
    """

    segment: Segment
    before: dict[int, int]
    written: int


class Segments:
    """The segments of one job in `folder`, held by this process alone. Made by `open_segments`."""

    def __init__(self, folder: Path, lines: DurableLog, entries: list[SegmentEntry]) -> None:
        self.folder, self._lines, self.entries = folder, lines, entries

    def path(self, number: int) -> Path:
        """The file of segment `number`."""
        return segment_path(self.folder, number)

    def add(self, entry: SegmentEntry) -> None:
        """Record that the next segment's file is there. Raises OutputError."""
        number = len(self.entries)
        self._lines.append({"number": number, **asdict(entry)})
        self.entries.append(entry)

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def written(self) -> int:
        """Bytes of all segments."""
        return sum(entry.written for entry in self.entries)

    @property
    def frames(self) -> int:
        """How many frames the segments so far hold."""
        return sum(entry.segment.frames for entry in self.entries)


@contextmanager
def open_segments(folder: Path, job: dict[str, Any], *, restart: bool) -> Iterator[Segments]:
    """The segments in `folder`: those of an earlier run of the same `job`, or none yet.

    `job`: everything that shapes the segments, as JSON. Raises UsageError that says how `job` differs from
    the one whose segments are there (unless `restart`: those are deleted), OutputError.
    """
    if restart:
        _delete(folder)
    with open_log(folder / _JOURNAL) as lines:
        remove_stale_temporaries(folder)
        if len(lines.lines) > 1:
            _check_same(lines.lines[0], job, folder)
        else:
            lines.restart({"version": _VERSION, "job": job})
        yield Segments(folder, lines, _entries(folder, lines.lines[1:]))


def segments_folder(output: Path) -> Path:
    """Where the segments of `output` lie until it is whole."""
    return output.with_name(output.name + ".parts")


def segment_path(folder: Path, number: int) -> Path:
    """The file of segment `number` in a job's folder."""
    return folder / f"{number:06d}.part"


def _delete(folder: Path) -> None:
    if not folder.exists():
        return
    if not (folder / _JOURNAL).is_file():
        raise OutputError(f"{folder} is not a folder of segments; move it away")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise output_error(folder, error) from error


def _check_same(header: dict[str, Any], job: dict[str, Any], folder: Path) -> None:
    before, now = _flat(header.get("job", {})), _flat(json.loads(json.dumps(job)))
    differing = [name for name in now | before if before.get(name) != now.get(name)]
    if header.get("version") != _VERSION or differing:
        shown = ", ".join(
            f"{name} was {before.get(name)}, is {now.get(name)}" for name in differing[:_SHOWN_DIFFERENCES]
        )
        raise UsageError(
            f"{folder} holds the work of another run ({shown or 'of another version'}); repeat its command "
            "to finish it, or pass `restart=True` to delete it and start over"
        )


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level, by names such as "encoder.codec"."""
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat


def _entries(folder: Path, lines: list[dict[str, Any]]) -> list[SegmentEntry]:
    """Segments from the first on, as long as their files are there and of the size that was recorded."""
    try:
        # One that was done again has a later line, which holds.
        found = {line["number"]: _entry(line) for line in lines}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(f"{folder / _JOURNAL} is damaged; pass `restart=True` to start over") from error
    entries: list[SegmentEntry] = []
    while (entry := found.get(len(entries))) is not None:
        path = segment_path(folder, len(entries))
        if not path.is_file() or path.stat().st_size != entry.segment.size:
            log.warning("%s is missing or cut off; continuing from there", path)
            break
        entries.append(entry)
    return entries


def _entry(line: dict[str, Any]) -> SegmentEntry:
    before = {int(frame): int(checksum) for frame, checksum in line["before"].items()}
    return SegmentEntry(Segment(**line["segment"]), before, int(line["written"]))
