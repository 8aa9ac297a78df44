"""Which patch of which picture a step sees, and cutting it out.

What is drawn is a function of the seed and the step, and for a streamed set of how much memory it may take:
no generator has a state to lose, any step can be drawn again, and the ranks of a distributed run share out
one global batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.pictures import TrainingPicture

ORIENTATIONS = 8
"""Of a square: bit 0 turns it upside down, bit 1 left to right, then bit 2 swaps its axes."""
_CROPPED_AT_ONCE = 16
SAMPLING_STREAM, DEGRADING_STREAM, ORDER_STREAM, CROP_STREAM = 0, 1, 2, 3


@dataclass(frozen=True)
class Request:
    """Patches `first` … `first + count − 1` of the `batch` LR patches, `patch` px wide, of step `step`."""

    step: int
    patch: int
    batch: int
    first: int
    count: int

    def next_step(self) -> Self:
        """The same patches of the step after this one."""
        return replace(self, step=self.step + 1)


Patches = tuple[Tensor, Tensor]
"""LR (n, 3, patch, patch) and HR (n, 3, scale·patch, scale·patch): uint8, channels last in memory."""


class PatchSource(Protocol):
    """Where a run's patches come from."""

    def patches(self, request: Request) -> Patches:
        """The same for the same request, whatever came before. Raises UsageError where no picture is that
        large.
        """
        ...

    def close(self) -> None:
        """Stop what works ahead."""


def generator(seed: int, stream: int, step: int, index: int = 0) -> np.random.Generator:
    """Random numbers that belong to one `step` (and one patch of it) of one `stream` of a run."""
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, index, step]))


class Sampler:
    """Draws a picture, a place in it and an orientation for each patch of a step.

    By "pixels" a picture's chance is its share of all pixels, by "pictures" all have the same; a picture and
    its shrunk copies share one picture's chance.
    """

    def __init__(self, pictures: Sequence[TrainingPicture], *, scale: int, seed: int, by: str) -> None:
        self._sides = lr_sides(pictures, scale)
        self._weights = _weights(pictures, by)
        self._seed = seed
        self._cumulative: dict[int, NDArray[np.float64]] = {}

    def draw(self, step: int, patch: int, batch: int) -> NDArray[np.int64]:
        """(batch, 4): picture, top, left (LR px), orientation. Raises UsageError where no picture is large
        enough.
        """
        chances = self._chances(patch)
        uniform = generator(self._seed, SAMPLING_STREAM, step).random((batch, 4))
        picture = np.searchsorted(chances, uniform[:, 0] * chances[-1], side="right")
        return np.column_stack((picture, placed(uniform[:, 1:], self._sides[picture], patch)))

    def _chances(self, patch: int) -> NDArray[np.float64]:
        if patch not in self._cumulative:
            self._cumulative[patch] = np.cumsum(self._weights * large_enough(self._sides, patch))
        return self._cumulative[patch]


def lr_sides(pictures: Sequence[TrainingPicture], scale: int) -> NDArray[np.int64]:
    """(pictures, 2): height and width of each LR."""
    return np.array([(p.height // scale, p.width // scale) for p in pictures], np.int64).reshape(-1, 2)


def large_enough(sides: NDArray[np.int64], patch: int) -> NDArray[np.bool_]:
    """Which of the LR pictures hold a patch. Raises UsageError where none does."""
    fits = (sides >= patch).all(axis=1)
    if not fits.any():
        raise UsageError(f"no picture is large enough for LR patches of {patch}×{patch} px; lower `patch`")
    return np.asarray(fits)


def placed(uniform: NDArray[np.float64], sides: NDArray[np.int64], patch: int) -> NDArray[np.int64]:
    """(n, 3): top, left and orientation, from as many `uniform` numbers in [0, 1), in LR pictures of
    `sides`.
    """
    place = uniform[:, :2] * (sides - patch + 1)
    return np.column_stack((place, uniform[:, 2] * ORIENTATIONS)).astype(np.int64)


def _weights(pictures: Sequence[TrainingPicture], by: str) -> NDArray[np.float64]:
    copies: dict[object, int] = {}
    for picture in pictures:
        copies[picture.path] = copies.get(picture.path, 0) + 1
    whole = {p.path: p.pixels if by == "pixels" else 1 for p in pictures if p.factor == 1}
    return np.array([whole[p.path] / copies[p.path] for p in pictures], np.float64)


class PackedPictures:
    """A whole set in memory, on `device`: LR and HR of all pictures end to end as (pixels, 3) uint8.

    Crops, flips and rotations are one gather on the device. `starts` says where each picture's LR begins.
    """

    def __init__(
        self,
        lr: Tensor,
        hr: Tensor,
        starts: NDArray[np.int64],
        pictures: Sequence[TrainingPicture],
        sampler: Sampler,
        *,
        scale: int,
        device: torch.device,
    ) -> None:
        self._sampler, self._scale, self.device = sampler, scale, device
        self._lr, self._hr = lr.to(device), hr.to(device)
        widths = lr_sides(pictures, scale)[:, 1]
        self._layout = torch.from_numpy(np.column_stack((starts, widths))).to(device)  # (pictures, 2)

    def patches(self, request: Request) -> Patches:
        """As PatchSource says, on `device`."""
        # A few at a time: their indices take eight bytes for three of pixels.
        few = torch.split(self.drawn(request), _CROPPED_AT_ONCE)
        parts = [self.crop(drawn.to(self.device), request.patch) for drawn in few]
        lr, hr = zip(*parts, strict=True)
        return torch.cat(lr), torch.cat(hr)

    def drawn(self, request: Request) -> Tensor:
        """(count, 4) int64 on the CPU: what `crop` cuts out."""
        drawn = self._sampler.draw(request.step, request.patch, request.batch)
        return torch.from_numpy(drawn[request.first : request.first + request.count])

    def crop(self, drawn: Tensor, patch: int) -> Patches:
        """LR and HR of `drawn`, on the device, without a value that the CPU would have to wait for."""
        picture, top, left, orientation = drawn.unbind(dim=1)
        start, width = self._layout[picture].unbind(dim=1)
        s = self._scale
        lr = _gather(self._lr, start + top * width + left, width, orientation, patch)
        corner = start * s**2 + top * s * width * s + left * s
        return lr, _gather(self._hr, corner, width * s, orientation, patch * s)

    def close(self) -> None:
        """Nothing works ahead."""


def _gather(pixels: Tensor, corner: Tensor, width: Tensor, orientation: Tensor, side: int) -> Tensor:
    """(n, 3, side, side) of `pixels` (total, 3): squares whose upper left pixel is at `corner` of pictures
    `width` wide.
    """
    row, column = _oriented(orientation, side)
    index = corner[:, None, None] + row * width[:, None, None] + column
    return pixels[index].permute(0, 3, 1, 2)


def _oriented(orientation: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """(n, side, side) each: row and column of the source for each pixel of the square, transformed as in
    `image_math.dihedral`.
    """
    ramp = torch.arange(side, device=orientation.device)
    down, right = ramp[None, :, None], ramp[None, None, :]
    over, mirrored, swapped = (((orientation >> bit) & 1).bool()[:, None, None] for bit in range(3))
    row = torch.where(swapped, right, down)
    column = torch.where(swapped, down, right)
    return torch.where(over, side - 1 - row, row), torch.where(mirrored, side - 1 - column, column)
