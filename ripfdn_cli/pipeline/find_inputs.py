"""Which files an upscale is about: the arguments themselves, and the pictures in folders among them."""

import fnmatch
import logging
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ripfdn_cli.files.storage import Location, is_folder, is_remote, walk_objects
from ripfdn_cli.pictures.formats import SUFFIXES

log = logging.getLogger(__name__)

_NOT_PICTURES = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Source:
    """The `path` of an input, and its path `below` the folder it was found in; for a file given, its name."""

    path: Location
    below: Path


def find_inputs(
    arguments: Sequence[Location],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    leave_out: Location | None = None,
    suffixes: Collection[str] = SUFFIXES,
) -> list[Source]:
    """Files as they are given; from folders every file with one of `suffixes` (a picture's), at any depth,
    sorted.

    Hidden files and folders, and `leave_out` (where the results go), are not entered, and links to folders
    aren't followed. `include` and `exclude` are globs on the name or on the path below the folder ("*.png",
    "raw/*"); they say nothing to files that are given themselves. A source is named once.
    """
    found: dict[str, Source] = {}
    for argument in arguments:
        if is_folder(argument):
            for source in _sources_in(argument, leave_out, suffixes):
                if _wanted(source.below, include, exclude):
                    found.setdefault(str(source.path), source)
        else:
            found.setdefault(str(argument), Source(argument, Path(argument.name)))
    return list(found.values())


def _sources_in(folder: Location, leave_out: Location | None, suffixes: Collection[str]) -> Iterator[Source]:
    if is_remote(folder):
        return _walk_store(folder, leave_out, suffixes)
    local = None if leave_out is None or is_remote(leave_out) else leave_out
    return (Source(path, path.relative_to(folder)) for path in _walk(folder, local, suffixes))


def _walk_store(folder: Location, leave_out: Location | None, suffixes: Collection[str]) -> Iterator[Source]:
    assert is_remote(folder)
    inner = "" if leave_out is None else str(leave_out).rstrip("/") + "/"
    for name in walk_objects(folder):
        below, path = Path(name), folder / name
        hidden = any(_hidden(part) for part in below.parts)
        if not hidden and below.suffix.lower() in suffixes and not (inner and _is_inner(path, inner, folder)):
            yield Source(path, below)


def _is_inner(path: Location, inner: str, folder: Location) -> bool:
    """Whether `path` lies in the folder of results `inner`, where that is one inside of `folder`."""
    return str(path).startswith(inner) and inner != str(folder).rstrip("/") + "/"


def _walk(folder: Path, leave_out: Path | None, suffixes: Collection[str]) -> Iterator[Path]:
    def report(error: OSError) -> None:
        # Taken up as an input, so that it is listed with its reason like any other that can't be read.
        unreadable.append(Path(error.filename))

    unreadable: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=report):
        folders[:] = sorted(name for name in folders if _enters(Path(parent, name), leave_out))
        for name in sorted(files):
            path = Path(parent, name)
            if not _hidden(name) and path.suffix.lower() in suffixes:
                yield path
    yield from unreadable


def _enters(folder: Path, leave_out: Path | None) -> bool:
    if _hidden(folder.name):
        return False
    if folder.is_symlink():
        log.info("%s is a link to a folder and is not followed; give it as an input of its own", folder)
        return False
    return leave_out is None or not leave_out.is_dir() or not folder.samefile(leave_out)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NOT_PICTURES


def _wanted(below: Path, include: Sequence[str], exclude: Sequence[str]) -> bool:
    def matches(patterns: Sequence[str]) -> bool:
        names = (below.name, below.as_posix())
        return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)

    return (not include or matches(include)) and not matches(exclude)
