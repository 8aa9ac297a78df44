"""The pictures that are trained on: looked at before the run, decoded, and given their LR."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.pictures.decoding import read_header, read_picture
from ripfdn_cli.pictures.file_content import read_file
from ripfdn_cli.pictures.picture import as_rgb, as_samples
from ripfdn_cli.training.pair_checks import check_pair_sizes, cut_pair, misalignment

log = logging.getLogger(__name__)

THUMBNAIL_SIDE = 16
NEAR_DUPLICATE_RMS = 8.0
"""Grey levels between two thumbnails below which their pictures are taken to be the same."""
SHRINK_FACTORS = (0.875, 0.75, 0.625, 0.5, 0.375, 0.25)
"""Of the smaller copies of a large picture, as far as they are wanted."""

T = TypeVar("T")
R = TypeVar("R")

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Advance = Callable[[int], object]
"""Told how many more pictures are done."""


@dataclass(frozen=True)
class TrainingPicture:
    """A picture on disk, or a smaller copy of it: `height` and `width` px after shrinking by `factor`. Its LR
    is in the file `lr`, or made of it.
    """

    path: Path
    height: int
    width: int
    factor: float = 1.0
    lr: Path | None = None

    @property
    def pixels(self) -> int:
        """How many pixels it has: `height` · `width`."""
        return self.height * self.width


Copies = list[TrainingPicture]
"""One picture and its smaller copies."""


@dataclass(frozen=True)
class Skipped:
    """A file that is not trained on, and why: a clause that names it. `size`: its height and width in px,
    where they are known.
    """

    path: Path
    reason: str
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Preparation:
    """How pictures are made into pairs: the scale, the smallest HR side that is of use, which copies of
    large pictures there are (from `shrink_above` megapixels, down to the factor `shrink`), and what must not
    be trained on: `known` pictures by name and thumbnail, and LR that don't lie where their HR do, unless
    that is known not to be (`aligned`).
    """

    scale: int
    smallest_side: int
    shrink: float = 1.0
    shrink_above: float = 1.0
    known: tuple[tuple[str, NDArray[np.float32]], ...] = ()
    aligned: bool = False

    def copies(self, path: Path, height: int, width: int) -> list[TrainingPicture]:
        """The picture of that size, and its smaller copies."""
        found = [TrainingPicture(path, height, width)]
        if height * width >= self.shrink_above * 1e6:
            for factor in SHRINK_FACTORS:
                small = TrainingPicture(path, round(height * factor), round(width * factor), factor)
                if factor >= self.shrink and min(small.height, small.width) >= self.smallest_side:
                    found.append(small)
        return found

    def near_duplicate(self, pixels: Pixels) -> str | None:
        """The name of a known picture that `pixels` is nearly the same as."""
        own = thumbnail_of(pixels)
        for name, thumbnail in self.known:
            if np.sqrt(((thumbnail - own) ** 2).mean()) < NEAR_DUPLICATE_RMS:
                return name
        return None


def measure(path: Path, preparation: Preparation, lr: Path | None = None) -> list[TrainingPicture] | Skipped:
    """The picture in `path` with its smaller copies, or with its LR in the file `lr`; by headers alone."""
    try:
        height, width = _size_of(path)
        if lr is not None:
            check_pair_sizes(path, (height, width), lr, _size_of(lr), preparation.scale)
    except RipfdnError as error:
        return Skipped(path, str(error))
    if min(height, width) < preparation.smallest_side:
        reason = f"{path} has {width}×{height} px, and a patch needs {preparation.smallest_side}"
        return Skipped(path, reason, (height, width))
    return [TrainingPicture(path, height, width, lr=lr)] if lr else preparation.copies(path, height, width)


def load_copies(
    copies: Sequence[TrainingPicture], preparation: Preparation
) -> list[tuple[Pixels, Pixels]] | Skipped:
    """LR and HR of each of `copies`, which are of one file; it is decoded once."""
    path, lr_path = copies[0].path, copies[0].lr
    try:
        whole = read_rgb(path)
        lr = None if lr_path is None else read_rgb(lr_path)
    except RipfdnError as error:
        return Skipped(path, str(error))
    if whole.shape[:2] != (copies[0].height, copies[0].width):
        return Skipped(path, f"{path} is not of the size that its header states")
    known = preparation.near_duplicate(whole)
    if known is not None:
        return Skipped(path, f"{path} is nearly the same as {known} of the validation set")
    if lr is None:
        return [pair_of(whole, copy, preparation.scale) for copy in copies]
    pair = cut_pair(lr, whole, preparation.scale)
    trouble = None if preparation.aligned else misalignment(*pair, preparation.scale)
    return [pair] if trouble is None else Skipped(path, f"{lr_path} {trouble} {path}")


def pair_of(whole: Pixels, picture: TrainingPicture, scale: int) -> tuple[Pixels, Pixels]:
    """LR and HR: `whole` shrunk if `picture` is a smaller copy, cut to a multiple of `scale`; its LR by
    MATLAB's bicubic, rounded to 8 bit as benchmark LR images are.
    """
    if picture.factor != 1:
        size = (picture.width, picture.height)
        whole = np.asarray(Image.fromarray(whole).resize(size, Image.Resampling.BICUBIC))
    hr = whole[: picture.height // scale * scale, : picture.width // scale * scale]
    return imresize(hr, 1 / scale), hr


def _size_of(path: Path) -> tuple[int, int]:
    """Height and width of the upright picture in px, by its header. Raises RipfdnError."""
    header = read_header(read_file(path), str(path))
    return header.height, header.width


def read_rgb(path: Path) -> Pixels:
    """The upright picture as 8-bit RGB. Raises InputError, OutOfMemoryError, UnavailableError."""
    return np.ascontiguousarray(as_rgb(as_samples(read_picture(path).frames[0], np.uint8))[..., :3])


def thumbnail_of(pixels: Pixels) -> NDArray[np.float32]:
    """(16, 16, 3) means of areas, 0–255."""
    small = Image.fromarray(pixels).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def in_threads(function: Callable[[T], R], items: Sequence[T], advance: Advance) -> Iterator[R]:
    """`function` of each item, in order; Pillow and NumPy leave the interpreter free for other threads."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            for result in pool.map(function, items):
                advance(1)
                yield result
        except BaseException:
            pool.shutdown(cancel_futures=True)  # a Ctrl-C must not wait for the other thousand pictures
            raise
