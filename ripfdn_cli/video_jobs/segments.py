"""What a video job has done so far: closed segments in a folder beside its output, and a journal of them.

The journal's first line says what the job is; one line for each segment follows, written after the segment's
file is whole and on the disk. Segments may end in any order. One that was decoded from a place in the source
that seeking found counts once the one before it is there and shows that the place was right.
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
from ripfdn_cli.files.durable_log import DurableLog, open_log, read_log
from ripfdn_cli.video.encoding import Segment
from ripfdn_cli.video.frames import Checksums

log = logging.getLogger(__name__)

_VERSION = 1
_JOURNAL = "journal.jsonl"
_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class SegmentEntry:
    """A segment that is done. `before`: checksums of the source's last frames up to its end, by number.
    `written`: bytes that it takes on the disk, wherever they are. `lead`: checksums of the source's frames
    that came up to its first one, where seeking led there unseen; None where the place was known.
    """

    segment: Segment
    before: Checksums
    written: int
    lead: Checksums | None = None

    def follows(self, previous: "SegmentEntry") -> bool:
        """Whether it begins where `previous` ends."""
        return self.lead is None or previous.before.items() <= self.lead.items()


class Segments:
    """The segments of one job in `folder`, held by this process alone. Made by `open_segments`.

    `entries`: those from the first on, without a gap, each known to begin where the one before it ends.
    """

    def __init__(self, folder: Path, lines: DurableLog, found: dict[int, SegmentEntry]) -> None:
        self.folder, self._lines, self._beyond = folder, lines, found
        self.entries: list[SegmentEntry] = []
        self._take_over()

    def path(self, number: int) -> Path:
        """The file of segment `number`."""
        return segment_path(self.folder, number)

    def add(self, number: int, entry: SegmentEntry) -> None:
        """Record that the file of segment `number` is there. Raises OutputError."""
        self._lines.append({"number": number, **asdict(entry)})
        self._beyond[number] = entry
        self._take_over()

    def _take_over(self) -> None:
        """Into `entries`, what lies directly beyond them. One that doesn't follow is none."""
        while (entry := self._beyond.pop(len(self.entries), None)) is not None:
            if self.entries and not entry.follows(self.entries[-1]):
                log.debug("segment %d begins at a wrong place; it is made again", len(self.entries))
                return
            self.entries.append(entry)

    def missing(self, count: int) -> list[int]:
        """Numbers of those of `count` segments that are not there."""
        return [number for number in range(len(self.entries), count) if number not in self._beyond]

    def gap(self, count: int) -> range:
        """The first of `count` segments that are missing, one after the other."""
        return range(len(self.entries), min(self._beyond, default=count))

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def done(self) -> list[SegmentEntry]:
        """All segments that are there, those beyond a gap too."""
        return [*self.entries, *self._beyond.values()]

    @property
    def written(self) -> int:
        """Bytes of all segments."""
        return sum(entry.written for entry in self.done)

    @property
    def frames(self) -> int:
        """How many frames the segments so far hold."""
        return sum(entry.segment.frames for entry in self.done)


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
        yield Segments(folder, lines, _found(folder, lines.lines[1:]))


def check_folder(folder: Path, job: dict[str, Any]) -> None:
    """Raises UsageError where `folder`, of another process, isn't there or is that of another job."""
    lines = read_log(folder / _JOURNAL)
    if not lines:
        raise UsageError(f"{folder} isn't there")
    _check_same(lines[0], job, folder)


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


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """How the job `now` differs from `before`, the first few settings by name."""
    old, new = _flat(json.loads(json.dumps(before))), _flat(json.loads(json.dumps(now)))
    differing = [name for name in new | old if old.get(name) != new.get(name)]
    return [f"{name} was {old.get(name)}, is {new.get(name)}" for name in differing[:_SHOWN_DIFFERENCES]]


def _check_same(header: dict[str, Any], job: dict[str, Any], folder: Path) -> None:
    differing = differences(header.get("job", {}), job)
    if header.get("version") != _VERSION or differing:
        shown = ", ".join(differing) or "of another version"
        raise UsageError(
            f"{folder} holds the work of another run ({shown}); repeat its command "
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


def _found(folder: Path, lines: list[dict[str, Any]]) -> dict[int, SegmentEntry]:
    """Segments by number whose files are there and of the size that was recorded."""
    try:
        # One that was done again has a later line, which holds.
        recorded = {int(line["number"]): _entry(line) for line in lines}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(f"{folder / _JOURNAL} is damaged; pass `restart=True` to start over") from error
    return {number: entry for number, entry in recorded.items() if _is_whole(folder, number, entry)}


def _is_whole(folder: Path, number: int, entry: SegmentEntry) -> bool:
    path = segment_path(folder, number)
    if path.is_file() and path.stat().st_size == entry.segment.size:
        return True
    log.warning("%s is missing or cut off; it is made again", path)
    return False


def _entry(line: dict[str, Any]) -> SegmentEntry:
    lead = line.get("lead")
    return SegmentEntry(
        Segment(**line["segment"]),
        _checksums(line["before"]),
        int(line["written"]),
        None if lead is None else _checksums(lead),
    )


def _checksums(values: dict[str, Any]) -> Checksums:
    return {int(frame): int(checksum) for frame, checksum in values.items()}
