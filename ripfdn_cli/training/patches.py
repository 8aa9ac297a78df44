"""Which patch of which picture a step sees, and cutting it out.

What is drawn is a function of the seed and the step alone: no generator has a state to lose, any step can be
drawn again, and the ranks of a distributed run share out one global batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.pictures import Advance, Picture, Pixels, in_threads, load_hr, lr_of

ORIENTATIONS = 8
"""Of a square: bit 0 turns it over, bit 1 left to right, bit 2 swaps its axes."""
SAMPLING_STREAM, DEGRADING_STREAM = 0, 1


@dataclass(frozen=True)
class Request:
    """Patches `first` … `first + count − 1` of the `batch` LR patches, `patch` px wide, of step `step`."""

    step: int
    patch: int
    batch: int
    first: int
    count: int


class PatchSource(Protocol):
    """Where a run's patches come from."""

    def patches(self, request: Request) -> tuple[Tensor, Tensor]:
        """LR (n, 3, patch, patch) and HR (n, 3, scale·patch, scale·patch): uint8, channels last in memory."""
        ...

    def close(self) -> None: ...


def generator(seed: int, stream: int, step: int) -> np.random.Generator:
    """Random numbers that belong to one `step` of one `stream` of a run."""
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, 0, step]))


class Sampler:
    """Draws a picture, a place in it and an orientation for each patch of a step.

    By "pixels" a picture's chance is its share of all pixels, by "pictures" all have the same; a picture and
    its shrunk copies share one picture's chance.
    """

    def __init__(self, pictures: Sequence[Picture], *, scale: int, seed: int, by: str) -> None:
        self._sides = np.array([(p.height // scale, p.width // scale) for p in pictures], np.int64)
        self._weights = _weights(pictures, by)
        self._seed = seed
        self._cumulative: dict[int, NDArray[np.float64]] = {}

    def draw(self, step: int, patch: int, batch: int) -> NDArray[np.int64]:
        """(batch, 4): picture, top, left (LR px), orientation. Raises UsageError where no picture is that
        large.
        """
        chances = self._chances(patch)
        uniform = generator(self._seed, SAMPLING_STREAM, step).random((batch, 4))
        picture = np.searchsorted(chances, uniform[:, 0] * chances[-1], side="right")
        room = self._sides[picture] - patch + 1
        place = (uniform[:, 1:3] * room).astype(np.int64)
        orientation = (uniform[:, 3] * ORIENTATIONS).astype(np.int64)
        return np.column_stack((picture, place, orientation))

    def _chances(self, patch: int) -> NDArray[np.float64]:
        if patch not in self._cumulative:
            fits = (self._sides >= patch).all(axis=1)
            if not fits.any():
                raise UsageError(
                    f"no picture is large enough for LR patches of {patch}×{patch} px; lower --patch"
                )
            self._cumulative[patch] = np.cumsum(self._weights * fits)
        return self._cumulative[patch]


def _weights(pictures: Sequence[Picture], by: str) -> NDArray[np.float64]:
    copies: dict[object, int] = {}
    originals = {p.path: p.pixels for p in pictures if p.factor == 1}
    for picture in pictures:
        copies[picture.path] = copies.get(picture.path, 0) + 1
    whole = {path: pixels if by == "pixels" else 1.0 for path, pixels in originals.items()}
    return np.array([whole[p.path] / copies[p.path] for p in pictures], np.float64)


class PackedPictures:
    """A whole set in memory on `device`: HR and LR of all pictures end to end as (pixels, 3) uint8.

    Crops, flips and rotations are one gather on the device.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        sampler: Sampler,
        *,
        scale: int,
        device: torch.device,
        advance: Advance,
    ) -> None:
        self._sampler, self._scale, self._device = sampler, scale, device
        sides = np.array([(p.height // scale, p.width // scale) for p in pictures], np.int64)
        starts = np.concatenate(([0], np.cumsum(sides.prod(axis=1))))
        lr = np.empty((starts[-1], 3), np.uint8)
        hr = np.empty((starts[-1] * scale**2, 3), np.uint8)

        def load(index: int) -> None:
            pixels = load_hr(pictures[index], scale)
            begin, end = starts[index], starts[index + 1]
            hr[begin * scale**2 : end * scale**2] = pixels.reshape(-1, 3)
            lr[begin:end] = lr_of(pixels, scale).reshape(-1, 3)

        for _ in in_threads(load, list(range(len(pictures))), advance):
            pass
        self._lr, self._hr = torch.from_numpy(lr).to(device), torch.from_numpy(hr).to(device)
        # (pictures, 2): where a picture's LR begins, and its width.
        self._layout = torch.from_numpy(np.column_stack((starts[:-1], sides[:, 1]))).to(device)

    def patches(self, request: Request) -> tuple[Tensor, Tensor]:
        return self.crop(self.drawn(request).to(self._device), request.patch)

    def drawn(self, request: Request) -> Tensor:
        """(count, 4) int64 on the CPU: what `crop` cuts out."""
        drawn = self._sampler.draw(request.step, request.patch, request.batch)
        return torch.from_numpy(drawn[request.first : request.first + request.count])

    def crop(self, drawn: Tensor, patch: int) -> tuple[Tensor, Tensor]:
        """LR and HR of `drawn`, on the device; no result depends on a value the CPU would have to wait
        for.
        """
        picture, top, left, orientation = drawn.unbind(dim=1)
        start, width = self._layout[picture].unbind(dim=1)
        scale = self._scale
        lr = _gather(self._lr, start, width, top, left, orientation, patch)
        hr = _gather(
            self._hr, start * scale**2, width * scale, top * scale, left * scale, orientation, patch * scale
        )
        return lr, hr

    def close(self) -> None: ...


def _gather(
    pixels: Tensor, start: Tensor, width: Tensor, top: Tensor, left: Tensor, orientation: Tensor, side: int
) -> Tensor:
    """(n, 3, side, side) of `pixels` (total, 3): squares at (`top`, `left`) of pictures that begin at
    `start`.
    """
    row, column = _oriented(orientation, side)
    index = (start + top * width + left)[:, None, None] + row * width[:, None, None] + column
    return pixels[index].permute(0, 3, 1, 2)


def _oriented(orientation: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """(n, side, side) rows and columns of the source for each pixel of the turned square."""
    ramp = torch.arange(side, device=orientation.device)
    down, right = ramp[None, :, None], ramp[None, None, :]
    over, mirrored, swapped = (((orientation >> bit) & 1).bool()[:, None, None] for bit in range(3))
    row = torch.where(swapped, right, down)
    column = torch.where(swapped, down, right)
    return torch.where(over, side - 1 - row, row), torch.where(mirrored, side - 1 - column, column)


def orient(square: Pixels, orientation: int) -> Pixels:
    """`square` (n, n, 3) turned as a patch of that `orientation` is."""
    if orientation & 4:
        # The gather reads (column, row) after flipping by these; so flips come first, the swap last.
        return np.swapaxes(_flipped(square, orientation), 0, 1)
    return _flipped(square, orientation)


def _flipped(square: Pixels, orientation: int) -> Pixels:
    rows = slice(None, None, -1) if orientation & 1 else slice(None)
    columns = slice(None, None, -1) if orientation & 2 else slice(None)
    return square[rows, columns]
