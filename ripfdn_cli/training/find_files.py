"""Which files are trained on, and which hold the LR of others."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.evaluation.datasets import HR_FOLDER, by_hr_name, by_name, lr_folder
from ripfdn_cli.pictures.find_pictures import find_pictures
from ripfdn_cli.pictures.formats import SUFFIXES

log = logging.getLogger(__name__)

_SCALES = range(2, 17)
"""Of folders LRbicxN."""


@dataclass(frozen=True)
class PictureFile:
    """A picture, and the file of its LR where it isn't made."""

    path: Path
    lr: Path | None = None


@dataclass(frozen=True)
class SizedFile:
    """A picture's path and its sides in pixels, as its header has them."""

    path: Path
    height: int
    width: int


def find_files(
    folders: Sequence[str], lr_folders: Sequence[str], scale: int, *, use_lr: bool = True
) -> list[PictureFile]:
    """All pictures under `folders`, by suffix, sorted; with those of the same name under `lr_folders`, one
    for each folder, as their LR.

    Without `lr_folders`, of a folder with HR/ and LRbicxN/, as benchmarks are laid out, the pictures of HR/
    count, with their LR if there are some of `scale` and they are wanted (`use_lr`). Raises InputError for a
    folder without pictures, or without any that has a partner.
    """
    if lr_folders:
        pairs = zip(folders, lr_folders, strict=True)
        return [file for hr, lr in pairs for file in _paired(Path(hr), Path(lr), scale)]
    return [file for name in folders for file in _in_folder(Path(name), scale, use_lr)]


def refuse_shrunk_copies(files: Iterable[SizedFile], scale: int) -> None:
    """Raises UsageError where half of the pictures in a folder, or more, are others of the same name at
    1/`scale` of their size: LR pictures, and nothing to learn sharp pictures from.
    """
    named: dict[str, list[SizedFile]] = defaultdict(list)
    pictures: dict[Path, int] = defaultdict(int)
    for file in files:
        named[file.path.stem.removesuffix(f"x{scale}")].append(file)
        pictures[file.path.parent] += 1
    shrunk: dict[Path, list[tuple[Path, Path]]] = defaultdict(list)
    for same in named.values():
        large = {size: file.path for file in same for size in _shrunk_sizes(file, scale)}
        for file in same:
            if original := large.get((file.height, file.width)):
                shrunk[file.path.parent].append((file.path, original))
    for folder, found in shrunk.items():
        if 2 * len(found) >= pictures[folder]:
            small, original = found[0]
            more = f" (and {len(found) - 1} more in that folder)" if len(found) > 1 else ""
            raise UsageError(
                f"{small} is {original} at 1/{scale} of its size{more}, and would be trained on as a sharp "
                f"picture; name the folder of the large ones alone, and that of the small ones as `lr_folder`"
            )


def _shrunk_sizes(file: SizedFile, scale: int) -> set[tuple[int, int]]:
    """Rounded down, and up."""
    down = (file.height // scale, file.width // scale)
    return {down, (-(-file.height // scale), -(-file.width // scale))}


def _in_folder(folder: Path, scale: int, use_lr: bool) -> list[PictureFile]:
    lr_folders = [name for name in map(lr_folder, _SCALES) if (folder / name).is_dir()]
    if not lr_folders:
        return [PictureFile(path) for path in pictures_in(folder)]
    hr = folder / HR_FOLDER
    if not hr.is_dir():
        raise InputError(
            f"{folder} has {lr_folders[0]} without {HR_FOLDER}: the sharp pictures are missing; "
            f"add the folder {HR_FOLDER}, or name the folder of the pictures themselves"
        )
    wanted = lr_folder(scale)
    if use_lr and wanted in lr_folders:
        log.info("%s: training on %s, with %s as LR", folder, HR_FOLDER, wanted)
        return _paired(hr, folder / wanted, scale)
    log.info("%s: training on %s alone; LR is made from it", folder, HR_FOLDER)
    return [PictureFile(path) for path in pictures_in(hr)]


def _paired(hr_folder: Path, lr_folder: Path, scale: int) -> list[PictureFile]:
    """The pictures of `hr_folder` that have a partner; the others are logged."""
    hr, lr = _named(hr_folder), _named(lr_folder)
    found = by_hr_name(lr, hr, scale)
    for alone, folder in ((hr.keys() - found.keys(), lr_folder), (found.keys() - hr.keys(), hr_folder)):
        for name in sorted(alone):
            log.warning("skipped: %s has no partner in %s", hr.get(name) or found[name], folder)
    pairs = [PictureFile(hr[name], found[name]) for name in sorted(hr.keys() & found.keys())]
    if not pairs:
        raise InputError(
            f"no picture in {hr_folder} has one of the same name in {lr_folder}; name them alike: "
            f"a.png and a.png, a.jpg or ax{scale}.png"
        )
    return pairs


def _named(folder: Path) -> dict[str, Path]:
    """The pictures under `folder` by their names from there, without suffix. Raises InputError."""
    return by_name(
        (path.relative_to(folder).with_suffix("").as_posix(), path) for path in pictures_in(folder)
    )


def pictures_in(folder: Path) -> list[Path]:
    """The picture files under `folder`, sorted. Raises InputError where there is none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name a folder of pictures to train on")
    files = sorted(folder / below for below in find_pictures(folder))
    if not files:
        raise InputError(f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))})")
    return files
