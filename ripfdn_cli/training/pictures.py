"""The pictures that are trained on: found, looked at before the run, decoded, and given their LR."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.errors import InputError
from ripfdn_cli.evaluation.datasets import PICTURE_SUFFIXES, Pixels, read_rgb
from ripfdn_cli.matlab_bicubic import imresize

log = logging.getLogger(__name__)

THUMBNAIL_SIDE = 16
NEAR_DUPLICATE_RMS = 8.0
"""Grey levels between two thumbnails below which their pictures are taken to be the same."""
SHRINK_STEP = 0.75
"""Factor from one shrunk copy of a large picture to the next."""

T = TypeVar("T")
R = TypeVar("R")

Advance = Callable[[int], object]
"""Told how many more pictures are done."""


@dataclass(frozen=True)
class Picture:
    """A picture on disk, or a smaller copy of it: `height` and `width` px after shrinking by `factor`."""

    path: Path
    height: int
    width: int
    factor: float = 1.0

    @property
    def pixels(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class CheckedPictures:
    """What a look at the folders found. Each of the lists has the reason why a file is left out."""

    usable: tuple[Picture, ...]
    left_out: tuple[tuple[Path, str], ...]


def find_files(folders: tuple[str, ...]) -> list[Path]:
    """All pictures under `folders`, by suffix, sorted. Raises InputError for a folder that holds none."""
    found: list[Path] = []
    for name in folders:
        folder = Path(name)
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; name a folder of pictures to train on")
        files = sorted(path for path in folder.rglob("*") if _is_picture(path, folder))
        if not files:
            raise InputError(f"{folder} holds no pictures ({', '.join(sorted(PICTURE_SUFFIXES))})")
        found.extend(files)
    return found


def check_pictures(
    files: list[Path], *, smallest_side: int, known: list[tuple[str, NDArray[np.float32]]], advance: Advance
) -> CheckedPictures:
    """Read every file once. Left out are those that can't be decoded, those with a side under
    `smallest_side` px, and near duplicates of `known` pictures, given by name and thumbnail.
    """
    thumbnails = np.stack([thumbnail for _, thumbnail in known]) if known else None

    def check(path: Path) -> Picture | str:
        try:
            pixels = read_rgb(path)
        except InputError:
            return "it can't be read"
        height, width = pixels.shape[:2]
        if min(height, width) < smallest_side:
            return f"{width}×{height} px, and a patch needs {smallest_side}"
        if thumbnails is not None:
            distances = np.sqrt(((thumbnails - thumbnail_of(pixels)) ** 2).mean(axis=(1, 2, 3)))
            nearest = int(distances.argmin())
            if distances[nearest] < NEAR_DUPLICATE_RMS:
                return f"nearly the same as {known[nearest][0]} of the validation set"
        return Picture(path, height, width)

    usable, left_out = [], []
    for path, outcome in zip(files, in_threads(check, files, advance), strict=True):
        if isinstance(outcome, Picture):
            usable.append(outcome)
        else:
            left_out.append((path, outcome))
    return CheckedPictures(tuple(usable), tuple(left_out))


def with_shrunk(pictures: tuple[Picture, ...], *, smallest: float, above: float) -> tuple[Picture, ...]:
    """`pictures`, those of `above` megapixels and more followed by copies shrunk by steps down to
    `smallest`.
    """
    result: list[Picture] = []
    for picture in pictures:
        result.append(picture)
        factor = SHRINK_STEP
        while picture.pixels >= above * 1e6 and factor >= smallest - 1e-9:
            height, width = round(picture.height * factor), round(picture.width * factor)
            result.append(Picture(picture.path, height, width, factor))
            factor = round(factor - (1 - SHRINK_STEP), 6)
    return tuple(result)


def load_hr(picture: Picture, scale: int) -> Pixels:
    """The picture, shrunk if it is a smaller copy, cut to a multiple of `scale`. Raises InputError."""
    pixels = read_rgb(picture.path)
    if picture.factor != 1:
        size = (picture.width, picture.height)
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    if pixels.shape[:2] != (picture.height, picture.width):
        raise InputError(f"{picture.path} changed its size since the run began; leave training data alone")
    return pixels[: picture.height // scale * scale, : picture.width // scale * scale]


def lr_of(hr: Pixels, scale: int) -> Pixels:
    """The LR of a whole picture by MATLAB's bicubic, rounded to 8 bit as benchmark LR images are."""
    return imresize(hr, 1 / scale)


def thumbnail_of(pixels: Pixels) -> NDArray[np.float32]:
    """(16, 16, 3) means of areas, 0–255."""
    small = Image.fromarray(pixels).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def in_threads(function: Callable[[T], R], items: list[T], advance: Advance) -> Iterator[R]:
    """`function` of each item, in order; Pillow and NumPy leave the interpreter free for other threads."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in pool.map(function, items):
            advance(1)
            yield result


def _is_picture(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in PICTURE_SUFFIXES and not hidden and path.is_file()
