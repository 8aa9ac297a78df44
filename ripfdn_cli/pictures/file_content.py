"""The content of picture files, read whole within limits. No Pillow."""

import os
import stat
from pathlib import Path
from typing import Any

from ripfdn_cli.errors import InputError
from ripfdn_cli.files.atomic_file import kind_of
from ripfdn_cli.files.storage import Location, is_remote, read_object
from ripfdn_cli.pictures.picture import (
    DEFAULT_MAX_PIXELS,
)

_BYTES_PER_PIXEL = 16  # the most that a pixel takes uncompressed: RGBA in float32
_FILE_OVERHEAD = 64 * 2**20  # profiles, previews and such beside the pixels


def read_file(path: Location, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """The content of the regular file `path`, or of the object; never waits on a pipe or a device. Raises
    InputError.
    """
    if is_remote(path):
        return _limited(read_object(path, _most_bytes(max_pixels)), str(path), max_pixels)
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer that may never come.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            check_regular(path, os.fstat(descriptor))
            return read_limited(stream, str(path), max_pixels)
    except OSError as error:
        raise InputError(
            f"can't read {path}: {error.strerror or error}; check its name and permissions"
        ) from error


def read_limited(stream: Any, name: str, max_pixels: int) -> bytes:
    """All of `stream`, unless it is longer than any file of `max_pixels` can be. Raises InputError."""
    return _limited(stream.read(_most_bytes(max_pixels) + 1), name, max_pixels)


def _most_bytes(max_pixels: int) -> int:
    return _BYTES_PER_PIXEL * max_pixels + _FILE_OVERHEAD


def _limited(data: bytes, name: str, max_pixels: int) -> bytes:
    if len(data) > (most := _most_bytes(max_pixels)):
        raise InputError(f"{name} is over the limit of {most} bytes; raise `max_pixels` if this is intended")
    return data


def check_regular(path: Path, status: os.stat_result) -> None:
    """Raises InputError that says what `path` is, where it is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        advice = "; read it through stdin, which is called -" if stat.S_ISFIFO(status.st_mode) else ""
        raise InputError(f"can't read {path}: it is {kind_of(status.st_mode)}, not a file{advice}")
