"""JSON lines in a store whose objects can't be appended to: each process writes objects of its own.

A process keeps the lines of its last object in memory and writes that anew, with what came in the meantime,
until it is full. Threads that add lines together wait for one write together.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ripfdn_cli.files.storage import Location, is_remote, publish, read_objects, walk_objects

OBJECTS_FOLDER = ".ripfdn.journal"
_FULL = 1000
"""Lines of an object, about 400 bytes each."""
_INTERVAL = 0.2
"""Seconds between two writes of a process at least: lines that come in between share one."""
_READ_AT_ONCE = 500


class ObjectLog:
    """Made by `open_object_log`; `lines` are those that were there."""

    def __init__(self, folder: Location, shard: str, lines: list[dict[str, Any]]) -> None:
        began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self._name = f"{began}-{shard or 'all'}-{secrets.token_hex(4)}"
        self._folder, self.lines = folder, lines
        self._changed = threading.Condition()
        self._open: list[bytes] = []
        self._number, self._added, self._saved = 0, 0, 0
        self._saving, self._last_save = False, 0.0

    def append(self, *values: dict[str, Any]) -> None:
        """Add `values`, and wait until the store has them. For any thread. Raises OutputError."""
        with self._changed:
            self._open += [json.dumps(line).encode() + b"\n" for line in values]
            self._added += len(values)
            mine = self._added
            self._changed.wait_for(lambda: self._saved >= mine or not self._saving)
            if self._saved >= mine:
                return
            self._saving = True
        try:
            self._save()
        finally:
            with self._changed:
                self._saving = False
                self._changed.notify_all()

    def _save(self) -> None:
        time.sleep(max(0.0, self._last_save + _INTERVAL - time.monotonic()))
        with self._changed:
            lines, added = list(self._open), self._added
        publish(self._folder / f"{self._name}-{self._number:06d}.jsonl", b"".join(lines), overwrite=True)
        with self._changed:
            self._saved, self._last_save = added, time.monotonic()
            if len(lines) >= _FULL:
                self._number += 1
                del self._open[: len(lines)]


@contextmanager
def open_object_log(folder: Location, shard: str) -> Iterator[ObjectLog]:
    """The lines in the objects of `folder`, and objects of this process for more. Any number of processes may
    have them open. Raises InputError where they can't be read.
    """
    yield ObjectLog(folder, shard, read_object_log(folder))


def read_object_log(folder: Location) -> list[dict[str, Any]]:
    """The lines in the objects of `folder`; none where there are none. Raises InputError."""
    assert is_remote(folder)
    names = list(walk_objects(folder))
    lines: list[dict[str, Any]] = []
    for first in range(0, len(names), _READ_AT_ONCE):
        contents = read_objects(folder, names[first : first + _READ_AT_ONCE])
        for content in contents.values():
            lines += _parsed(content)
    return lines


def _parsed(content: bytes) -> list[dict[str, Any]]:
    lines = []
    for line in content.splitlines():
        try:
            lines.append(dict(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return lines
