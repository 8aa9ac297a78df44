"""A file of JSON lines for one process at a time; each line is on the disk before the next thing happens."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ripfdn_cli.atomic_file import output_error
from ripfdn_cli.errors import OutputError, UsageError

if sys.platform != "win32":
    import fcntl


class SyncedLines:
    """Made by `open_lines`; `lines` are those that were there."""

    def __init__(self, path: Path, descriptor: int, lines: list[dict[str, Any]]) -> None:
        self._path, self._descriptor, self.lines = path, descriptor, lines

    def append(self, values: dict[str, Any]) -> None:
        """Add `values` as a line, and wait until the disk has it. Raises OutputError."""
        line = memoryview(json.dumps(values).encode() + b"\n")
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise output_error(self._path, error) from error

    def restart(self, values: dict[str, Any]) -> None:
        """Delete all lines, and begin with `values`. Raises OutputError."""
        os.ftruncate(self._descriptor, 0)
        self.lines = [values]
        self.append(values)


@contextmanager
def open_lines(path: Path) -> Iterator[SyncedLines]:
    """The lines in the file `path`, which is made where it isn't there, its folder too.

    What a killed run left of its last line is cut off. Raises UsageError where another process has it open,
    OutputError where it can't be written or is damaged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise output_error(path, error) from error
    try:
        _lock(descriptor, path)
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        os.ftruncate(descriptor, len(whole))
        yield SyncedLines(path, descriptor, _parsed(path, whole))
    finally:
        os.close(descriptor)


def _parsed(path: Path, content: bytes) -> list[dict[str, Any]]:
    try:
        return [dict(json.loads(line)) for line in content.splitlines()]
    except (ValueError, TypeError) as error:
        raise OutputError(f"{path} is damaged: {error}; delete it to begin anew") from error


def _lock(descriptor: int, path: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another run is writing to {path.parent}; wait for it, or stop it") from error
    except OSError:
        pass  # a file system without locks
