"""Data sets of super-resolution: HR pictures and the LR pictures that belong to them, as 8-bit RGB."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.files.storage import Location, is_folder, is_remote
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.pictures.decoding import read_rgb
from ripfdn_cli.pictures.find_pictures import find_pictures
from ripfdn_cli.pictures.formats import SUFFIXES

HR_FOLDER = "HR"
_OR_FOLDERS = ", or name folders of pictures with `hr` and `lr`"

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""


@dataclass(frozen=True)
class PicturePair:
    """Where one picture lies. Without `lr` it is made from `hr`; without `hr` there is no score."""

    name: str
    hr: Location | None
    lr: Location | None


@dataclass(frozen=True)
class DataSet:
    """At least one pair at `scale`, sorted by name. All have an HR picture or none has."""

    name: str
    scale: int
    pairs: tuple[PicturePair, ...]

    @property
    def has_hr(self) -> bool:
        """Whether its results can be scored."""
        return self.pairs[0].hr is not None


@dataclass(frozen=True)
class LoadedPair:
    """`lr` (h, w, 3) and `hr` (scale·h, scale·w, 3) or None."""

    name: str
    lr: Pixels
    hr: Pixels | None


def lr_folder(scale: int) -> str:
    """The customary name of the folder of LR pictures made by MATLAB's bicubic."""
    return f"LRbicx{scale}"


def find_data_sets(
    sets: Sequence[Location], hr: Location | None, lr: Location | None, scales: Sequence[int]
) -> list[DataSet]:
    """The data sets in the folders `sets`, and that of the pictures in `hr` and `lr`, at all `scales`; those
    of one name are numbered: Set5, Set5 (2). Raises UsageError where none is named, InputError.
    """
    if not sets and hr is None and lr is None:
        raise UsageError(
            "no data set given; name a folder with HR/ in it, or folders of pictures with `hr` and `lr`"
        )
    if lr is not None and len(scales) > 1:
        raise UsageError(
            "`lr` is a folder of pictures of one scale, but the weights are for several: "
            f"{', '.join(map(str, scales))}"
        )
    found = [find_data_set(folder, scale, _OR_FOLDERS) for folder in sets for scale in scales]
    if hr is not None or lr is not None:
        found += [pair_folders(hr, lr, scale) for scale in scales]
    return numbered(found)


def numbered(found: Sequence[DataSet]) -> list[DataSet]:
    """`found`, with numbers after the names of those whose name and scale another has: Set5, Set5 (2)."""
    result: dict[tuple[str, int], DataSet] = {}
    for data_set in found:
        names = chain([data_set.name], (f"{data_set.name} ({number})" for number in count(2)))
        name = next(name for name in names if (name, data_set.scale) not in result)
        result[name, data_set.scale] = replace(data_set, name=name)
    return list(result.values())


def find_data_set(folder: Location, scale: int, advice: str = "") -> DataSet:
    """The data set in `folder`: HR/ with LRbicx`scale`/ beside it or without, or the latter alone.

    Raises InputError where it has neither (ending in `advice`), no pictures, or names without a partner.
    """
    if not is_folder(folder):
        raise InputError(f"{folder} is not a folder; name the folder of a data set")
    hr, lr = folder / HR_FOLDER, folder / lr_folder(scale)
    has_hr, has_lr = is_folder(hr), is_folder(lr)
    if not has_hr and not has_lr:
        raise InputError(
            f"{folder} has no folder {HR_FOLDER} or {lr_folder(scale)}; give a folder that has one{advice}"
        )
    return pair_folders(hr if has_hr else None, lr if has_lr else None, scale)


def pair_folders(hr: Location | None, lr: Location | None, scale: int) -> DataSet:
    """The data set of the pictures in `hr` and `lr`, paired by name: a.png with a.png, a.jpg or ax4.png
    (DIV2K's way).

    Without `lr` the LR pictures will be made; without `hr` there will be no scores. Its name is that of the
    folder, or of the one around HR/. Raises UsageError without both, InputError where a folder has no
    pictures or names without a partner.
    """
    folder = hr or lr
    if folder is None:
        raise UsageError("a data set needs a folder of HR pictures, of LR pictures, or both")
    found_hr = {} if hr is None else _pictures(hr)
    found_lr = {} if lr is None else _pictures(lr)
    if hr is not None and lr is not None:
        found_lr = by_hr_name(found_lr, found_hr, scale)
        _check_partners(found_hr, found_lr, hr, lr)
    names = sorted(found_hr or found_lr)
    pairs = tuple(PicturePair(name, found_hr.get(name), found_lr.get(name)) for name in names)
    return DataSet(_set_name(folder if is_remote(folder) else folder.resolve(), scale), scale, pairs)


def load_pair(pair: PicturePair, scale: int) -> LoadedPair:
    """Read `pair`, make its LR by MATLAB's bicubic where it has none, and cut HR to `scale` times the LR.

    Raises InputError for a file that can't be read and for sizes that don't belong together.
    """
    hr = None if pair.hr is None else read_rgb(pair.hr)
    lr = None if pair.lr is None else read_rgb(pair.lr)
    if hr is not None and lr is None:
        hr = _cut_to_multiple(hr, scale, pair)
        lr = imresize(hr, 1 / scale)
    assert lr is not None
    if hr is not None:
        hr = _cut_to(hr, lr.shape[0] * scale, lr.shape[1] * scale, scale, pair)
    return LoadedPair(pair.name, lr, hr)


def require_side(data_set: str, pair: LoadedPair, smallest: int, how: str = "") -> None:
    """Raise InputError where the HR of `pair`, of the set of that name, has a side under `smallest` px, which
    scoring (`how`) needs.
    """
    if pair.hr is not None and min(pair.hr.shape[:2]) < smallest:
        height, width = pair.hr.shape[:2]
        raise InputError(
            f"{pair.name} of {data_set} has {width}×{height} px, too small to score{how} "
            f"(at least {smallest} px per side are needed); remove it from the data set"
        )


def _set_name(folder: Location, scale: int) -> str:
    return folder.parent.name if folder.name in (HR_FOLDER, lr_folder(scale)) else folder.name


def _pictures(folder: Location) -> dict[str, Location]:
    """Pictures in `folder` by name without suffix. Raises InputError."""
    if not is_folder(folder):
        raise InputError(f"{folder} is not a folder; name a folder of pictures")
    paths = [folder / below.name for below in find_pictures(folder, deep=False)]
    found = by_name((path.stem, path) for path in paths)
    if not found:
        raise InputError(f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))})")
    return found


def by_name(named: Iterable[tuple[str, Location]]) -> dict[str, Location]:
    """Pictures by their names. Raises InputError where two have one."""
    found: dict[str, Location] = {}
    for name, path in named:
        if name in found:
            raise InputError(f"{found[name]} and {path} have the same name; remove one of them")
        found[name] = path
    return found


def by_hr_name(lr: Mapping[str, Location], hr: Container[str], scale: int) -> dict[str, Location]:
    """LR pictures by the names of their partners: the same, or, as in DIV2K, without x4 at the end. Raises
    InputError where a picture has two.
    """
    return by_name(
        (name if name in hr else name.removesuffix(f"x{scale}"), path) for name, path in lr.items()
    )


def _check_partners(
    hr: dict[str, Location], lr: dict[str, Location], hr_folder: Location, lr_folder: Location
) -> None:
    for have, lack, folder in ((hr, lr, lr_folder), (lr, hr, hr_folder)):
        alone = sorted(have.keys() - lack.keys())
        if alone:
            more = f" ({len(alone)} such pictures in all)" if len(alone) > 1 else ""
            raise InputError(
                f"{have[alone[0]]} has no partner in {folder}{more}; add it, or remove the picture: "
                "the score of a part of a data set is not that of the whole"
            )


def _cut_to_multiple(hr: Pixels, scale: int, pair: PicturePair) -> Pixels:
    height, width = (side - side % scale for side in hr.shape[:2])
    if not height or not width:
        size = f"{hr.shape[1]}×{hr.shape[0]} px"
        raise InputError(f"{pair.hr} has {size}, less than one LR pixel at scale {scale}; remove it")
    return hr[:height, :width]


def _cut_to(hr: Pixels, height: int, width: int, scale: int, pair: PicturePair) -> Pixels:
    surplus = hr.shape[0] - height, hr.shape[1] - width
    if not all(0 <= pixels < scale for pixels in surplus):
        raise InputError(
            f"{pair.lr} has {width // scale}×{height // scale} px and {pair.hr} {hr.shape[1]}×{hr.shape[0]}: "
            f"they are not a pair at scale {scale}; give folders of this scale"
        )
    return hr[:height, :width]
