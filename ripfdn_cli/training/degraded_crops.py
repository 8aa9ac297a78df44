"""Crops of pictures and their degraded LR, a fixed set: what a teacher makes of each is worth keeping."""

from collections.abc import Sequence

import numpy as np

from ripfdn_cli.image_math.dihedral import transformed
from ripfdn_cli.training.patches import CROP_STREAM, Sampler, generator
from ripfdn_cli.training.pictures import Copies, Pixels, Preparation, Skipped, TrainingPicture, load_copies
from ripfdn_cli.training.recipe_degradation import degraded
from ripfdn_cli.training.settings import TrainingSettings


class CropCutter:
    """Cuts the `settings.crops` crops of `settings.crop` LR px out of the files `found`.

    Each is a function of the pictures, the seed and its number, so that a second run cuts the same.
    """

    def __init__(self, found: Sequence[Copies], preparation: Preparation, settings: TrainingSettings) -> None:
        self._found, self._preparation, self._settings = found, preparation, settings
        count, side, s = settings.crops, settings.crop, settings.scale
        pictures: list[TrainingPicture] = [picture for copies in found for picture in copies]
        sampler = Sampler(pictures, scale=s, seed=settings.seed, by=settings.sampling)
        self._drawn = sampler.draw(0, side, count)  # picture, top, left, orientation
        self._starts = np.cumsum([0, *map(len, found)])  # of each file's pictures
        self._files = np.searchsorted(self._starts, self._drawn[:, 0], side="right") - 1
        self._lr = np.empty((count, side, side, 3), np.uint8)
        self._hr = np.empty((count, side * s, side * s, 3), np.uint8)

    def cut(self, index: int) -> Copies | Skipped:
        """All crops of the file `index`, which is decoded once. For any number of threads."""
        numbers = np.flatnonzero(self._files == index).tolist()
        if not numbers:
            return self._found[index]
        pairs = load_copies(self._found[index], self._preparation)
        if isinstance(pairs, Skipped):
            return pairs
        for number in numbers:
            self._cut_one(number, pairs[self._drawn[number, 0] - self._starts[index]][1])
        return self._found[index]

    def cut_from(self, usable: Sequence[bool]) -> tuple[Pixels, Pixels]:
        """LR (n, side, side, 3) and HR (n, s·side, s·side, 3) of the crops of files that are `usable`."""
        kept = np.asarray(usable)[self._files]
        return self._lr[kept], self._hr[kept]

    def _cut_one(self, number: int, picture: Pixels) -> None:
        s, side = self._settings.scale, self._settings.crop
        _, top, left, orientation = self._drawn[number].tolist()
        square = picture[top * s : (top + side) * s, left * s : (left + side) * s]
        random = generator(self._settings.seed, CROP_STREAM, 0, number)
        self._hr[number] = transformed(square, orientation)
        self._lr[number] = degraded(self._hr[number], s, self._settings.degradations, random)
