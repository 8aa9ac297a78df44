"""Which files an upscale is about: the arguments themselves, and the pictures in folders among them."""

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ripfdn_cli.errors import InputError
from ripfdn_cli.files.storage import Location, is_folder
from ripfdn_cli.pictures.find_pictures import find_pictures
from ripfdn_cli.pictures.formats import RAW_SUFFIXES, SUFFIXES


@dataclass(frozen=True)
class Source:
    """The `path` of an input, and its path `below` the folder it was found in; for a file given, its name."""

    path: Location
    below: Path


@dataclass(frozen=True)
class FoundInputs:
    """What there is to do, and folders that are `unreadable`, with the reason."""

    sources: list[Source] = field(default_factory=list)
    unreadable: list[tuple[Location, InputError]] = field(default_factory=list)


def find_inputs(
    arguments: Sequence[Location],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    leave_out: Location | None = None,
    suffixes: Collection[str] = (*SUFFIXES, *RAW_SUFFIXES),
) -> FoundInputs:
    """Files as they are given; from folders every file with one of `suffixes` (a picture's) that
    `find_pictures` finds, at any depth, sorted; `leave_out` is where the results go.

    `include` and `exclude` are globs on the name or on the path below the folder ("*.png", "raw/*"); they say
    nothing to files that are given themselves. A source is named once.
    """
    sources: dict[str, Source] = {}
    unreadable: list[tuple[Location, InputError]] = []
    for argument in arguments:
        if not is_folder(argument):
            sources.setdefault(str(argument), Source(argument, Path(argument.name)))
            continue
        found = find_pictures(
            argument,
            leave_out=leave_out,
            on_unreadable=lambda *trouble: unreadable.append(trouble),
            suffixes=suffixes,
        )
        for below in found:
            if _wanted(below, include, exclude):
                path = argument / below.as_posix()
                sources.setdefault(str(path), Source(path, below))
    return FoundInputs(list(sources.values()), unreadable)


def _wanted(below: Path, include: Sequence[str], exclude: Sequence[str]) -> bool:
    def matches(patterns: Sequence[str]) -> bool:
        names = (below.name, below.as_posix())
        return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)

    return (not include or matches(include)) and not matches(exclude)
