"""A file of JSON lines for one process at a time; each line is on the disk before the next thing happens."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.files.atomic_file import output_error
from ripfdn_cli.files.file_lock import locked
from ripfdn_cli.files.storage import make_folder

if sys.platform != "win32":
    import fcntl

_LOCKS_HIDE = sys.platform == "win32"
"""Whether others can't read a file that is locked: then one beside it is."""
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write other ends of lines


class DurableLog:
    """Made by `open_log`; `lines` are those that were there."""

    def __init__(self, path: Path, descriptor: int, lines: list[dict[str, Any]]) -> None:
        self._path, self._descriptor, self.lines = path, descriptor, lines
        self._writing = threading.Lock()

    def append(self, *values: dict[str, Any]) -> None:
        """Add `values`, a line each, and wait until the disk has them. For any thread. Raises OutputError."""
        line = memoryview(b"".join(json.dumps(each).encode() + b"\n" for each in values))
        try:
            with self._writing:
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

    def delete(self) -> None:
        """Delete the file; all its lines where an open file can't be deleted, or this one mustn't be."""
        try:
            self._path.unlink()
        except OSError:
            os.ftruncate(self._descriptor, 0)


@contextmanager
def open_log(path: Path, *, skip_damaged: bool = False) -> Iterator[DurableLog]:
    """The lines in the file `path`, which is made where it isn't there, its folder too.

    What a killed run left of its last line is cut off. Raises UsageError where another process has it open,
    OutputError where it can't be written, or where a line is damaged and isn't to be skipped.
    """
    beside = path.with_name(f"{path.name}.lock")
    with locked(beside, busy=_busy(path)) if _LOCKS_HIDE else nullcontext():
        descriptor = _open_locked(path)
        try:
            whole = _whole_lines(path.read_bytes())
            os.ftruncate(descriptor, len(whole))
            yield DurableLog(path, descriptor, _parsed(path, whole, skip_damaged))
        finally:
            os.close(descriptor)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines that can be read in the file `path`, for looking only; none where there is no such file."""
    try:
        return _parsed(path, _whole_lines(path.read_bytes()), skip_damaged=True)
    except OSError:
        return []


def _open_locked(path: Path) -> int:
    while True:
        descriptor = _open(path)
        try:
            _lock(descriptor, path)
        except UsageError:
            os.close(descriptor)
            raise
        if os.fstat(descriptor).st_nlink or path.exists():
            return descriptor
        os.close(descriptor)  # who had the lock before has deleted it


def _open(path: Path) -> int:
    make_folder(path.parent)
    try:
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o666)
    except OSError as error:
        raise output_error(path, error) from error


def _whole_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def _parsed(path: Path, content: bytes, skip_damaged: bool) -> list[dict[str, Any]]:
    lines = []
    for line in content.splitlines():
        try:
            lines.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            if not skip_damaged:
                raise OutputError(f"{path} is damaged: {error}; delete it to start over") from error
    return lines


def _lock(descriptor: int, path: Path) -> None:
    if sys.platform != "win32" and not _LOCKS_HIDE:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(_busy(path)) from error
        except OSError:
            pass  # a file system without locks


def _busy(path: Path) -> str:
    return f"another run is writing to {path.parent}; wait for it, or stop it"
