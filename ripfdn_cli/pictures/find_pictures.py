"""The pictures, or files of other kinds, in a folder or in one of a store: what counts as one is decided
here, for all that look for them.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ripfdn_cli.errors import InputError
from ripfdn_cli.files.storage import Location, is_folder, is_remote, walk_objects
from ripfdn_cli.pictures.formats import SUFFIXES

log = logging.getLogger(__name__)

_SYSTEM_FILES = ("thumbs.db", "desktop.ini")

OnUnreadable = Callable[[Path, InputError], None]
"""Told of a folder that can't be read; the others are searched."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder called `name` is one that users don't see, or the system's own."""
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def is_picture_name(name: str, suffixes: Collection[str] = SUFFIXES) -> bool:
    """Whether `name` has one of `suffixes` (a picture's), and isn't hidden."""
    return not is_hidden(name) and Path(name).suffix.lower() in suffixes


def find_pictures(
    folder: Location,
    *,
    deep: bool = True,
    leave_out: Location | None = None,
    on_unreadable: OnUnreadable | None = None,
    suffixes: Collection[str] = SUFFIXES,
) -> Iterator[Path]:
    """The paths from `folder` of the files in it with one of `suffixes`, sorted; at any depth if `deep`.

    Hidden files and folders, and the folder `leave_out`, are not entered, and links to folders aren't
    followed. Raises InputError for a folder that can't be read, unless there is `on_unreadable`.
    """
    if is_remote(folder):
        yield from _in_store(folder, deep, leave_out, suffixes)
        return
    local = None if leave_out is None or is_remote(leave_out) else leave_out

    def report(error: OSError) -> None:
        place = Path(error.filename)
        reason = f"can't read {place}: {error.strerror or error}; check its name and permissions"
        if on_unreadable is None:
            raise InputError(reason) from error
        on_unreadable(place, InputError(reason))

    for parent, folders, files in os.walk(folder, onerror=report):
        entered = sorted(name for name in folders if deep and _enters(Path(parent, name), local))
        folders[:] = entered
        for name in sorted(files):
            if is_picture_name(name, suffixes):
                yield Path(parent, name).relative_to(folder)


def _in_store(
    folder: Location, deep: bool, leave_out: Location | None, suffixes: Collection[str]
) -> Iterator[Path]:
    inner = "" if leave_out is None else str(leave_out).rstrip("/") + "/"
    if inner == str(folder).rstrip("/") + "/":
        inner = ""
    for name in walk_objects(folder):
        below = Path(name)
        hidden = any(is_hidden(part) for part in below.parts) or (len(below.parts) > 1 and not deep)
        left_out = bool(inner) and str(folder / name).startswith(inner)
        if not hidden and not left_out and is_picture_name(below.name, suffixes):
            yield below


def _enters(folder: Path, leave_out: Path | None) -> bool:
    if is_hidden(folder.name):
        return False
    if folder.is_symlink():
        log.info("%s is a link to a folder and is not followed; name it as an input to include it", folder)
        return False
    return leave_out is None or not is_folder(leave_out) or not folder.samefile(leave_out)
