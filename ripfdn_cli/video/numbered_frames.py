"""Pictures that are the frames of a video: found by number, and named by number. Names only, no pixels."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.files.storage import is_folder
from ripfdn_cli.pictures.find_pictures import find_pictures, is_hidden

_PLACE = re.compile(r"%(0?)(\d*)d")
_NUMBER = re.compile(r"(\d+)")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class FramePattern:
    """File names with a number in them, as in out/%06d.png."""

    folder: Path
    name: str

    def path(self, number: int) -> Path:
        """The file of frame `number`."""
        return self.folder / _PLACE.sub(lambda place: _padded(number, place), self.name)

    @property
    def suffix(self) -> str:
        """That of the files' names, with its dot."""
        return Path(self.name).suffix


def is_pattern(path: Path) -> bool:
    """`path` stands for numbered files: its name has a place such as %06d."""
    return _PLACE.search(path.name) is not None


def frame_pattern(path: Path) -> FramePattern:
    """`path` as a pattern. Raises UsageError where its name has not just one place for the number."""
    if len(_PLACE.findall(path.name)) != 1 or _PLACE.search(str(path.parent)):
        raise UsageError(f"{path}: the name needs exactly one place for the frame's number, such as %06d.png")
    return FramePattern(path.parent, path.name)


def is_sequence(path: Path) -> bool:
    """`path` stands for several pictures: a folder, a pattern, or a glob that is no file's name."""
    return (
        is_folder(path)
        or is_pattern(path)
        or (bool(_WILDCARD.search(path.name)) and not os.path.lexists(path))
    )


def find_frames(paths: Sequence[Path]) -> list[tuple[int, Path]]:
    """The frames that are meant, with their numbers, in order: `paths` is one folder, glob (*.png) or pattern
    (%06d.png), or the files themselves.

    Raises InputError where there are none, some are missing, or it is unclear which belong together.
    """
    path = paths[0]
    if len(paths) > 1 or not is_sequence(path):
        frames = _one_series(path.parent, paths)
    elif is_folder(path):
        frames = _one_series(path, [path / below for below in find_pictures(path, deep=False)])
    elif is_pattern(path):
        frames = _of_pattern(frame_pattern(path))
    else:
        files = [entry for entry in _files(path.parent) if fnmatch(entry.name, path.name)]
        frames = _one_series(path, files)
    if not frames:
        raise InputError(f"no numbered frames in {path}; name a folder, a glob or a pattern such as %06d.png")
    return _complete(path, sorted(frames))


def _of_pattern(pattern: FramePattern) -> list[tuple[int, Path]]:
    before, _, _, after = _PLACE.split(pattern.name)
    name = re.compile(re.escape(before) + r" *(\d+)" + re.escape(after))
    matches = [(name.fullmatch(entry.name), entry) for entry in _files(pattern.folder)]
    return [(int(match[1]), entry) for match, entry in matches if match is not None]


def _files(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if not is_hidden(entry.name) and entry.is_file()]
    except OSError as error:
        raise InputError(f"can't read {folder}: {error.strerror}; check its name and permissions") from error


def _one_series(path: Path, entries: Sequence[Path]) -> list[tuple[int, Path]]:
    """Files whose names are alike but for one number."""
    alike: dict[tuple[str, ...], list[_NumberedName]] = {}
    for entry in entries:
        name = _NumberedName(entry, tuple(_NUMBER.split(entry.stem)))
        if len(name.parts) == 1:
            raise InputError(f"{entry} has no number in its name; its place among the frames is unknown")
        alike.setdefault((*name.parts[::2], entry.suffix), []).append(name)
    series: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for names in alike.values():
        place = _counting_place(names)
        for name in names:
            series.setdefault(name.around(place), []).append((int(name.parts[place]), name.path))
    if len(series) > 1:
        named = ", ".join(f"{before}N{after}" for before, after in sorted(series)[:4])
        raise InputError(f"{path} has frames of several series ({named}); choose one with a glob")
    return next(iter(series.values()), [])


@dataclass(frozen=True)
class _NumberedName:
    """The name of the file `path`, without its suffix: what is no number and numbers in turn."""

    path: Path
    parts: tuple[str, ...]

    def around(self, place: int) -> tuple[str, str]:
        """What is before and after the number at `place`."""
        return "".join(self.parts[:place]), "".join(self.parts[place + 1 :]) + self.path.suffix


def _counting_place(names: Sequence[_NumberedName]) -> int:
    """Where the number is that differs most often between names with the same text; else the last one."""
    places = range(1, len(names[0].parts), 2)
    return max(places, key=lambda place: (len({name.parts[place] for name in names}), place))


def _complete(path: Path, frames: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    for (number, entry), (following, other) in pairwise(frames):
        if following == number:
            raise InputError(f"{entry} and {other} have the same number")
        if following != number + 1:
            missing = f"{number + 1}" if following == number + 2 else f"{number + 1} to {following - 1}"
            raise InputError(f"frame {missing} of {path} is missing; {other.name} comes after {entry.name}")
    return frames


def _padded(number: int, place: "re.Match[str]") -> str:
    return str(number).rjust(int(place[2] or 0), "0" if place[1] else " ")
