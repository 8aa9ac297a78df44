"""One picture of a report: what every method made of it, and the place where the network is furthest off."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.evaluation.benchmark import Method, UpscaledPicture
from ripfdn_cli.evaluation.datasets import Pixels
from ripfdn_cli.image_math.metrics import Protocol, Score, cut_border, psnr

CROP_SIDE = 64
"""Pixels of the crops that are shown enlarged, without loss."""
SHOWN_SIDE = 640
"""Pixels of a picture under the slider. A larger one is cut, never shrunk, which would hide its faults."""
_QUALITY = 92
_HR = "HR"


@dataclass(frozen=True)
class Window:
    """A rectangle in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, pixels: Pixels) -> Pixels:
        """The part of `pixels` (H, W, 3) in it."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Shot:
    """A picture by one method under the slider."""

    label: str
    uri: str


@dataclass(frozen=True)
class Crop:
    """The worst place by one method. `psnr` is that of the crop alone, None for HR."""

    label: str
    uri: str
    psnr: float | None


@dataclass(frozen=True)
class PictureScore:
    """How one method did on one picture; `seconds` from pixels to pixels."""

    label: str
    score: Score
    seconds: float
    is_network: bool


@dataclass(frozen=True)
class Card:
    """All of one picture. `shown` and `worst` are parts of the result; `worst` is None without HR."""

    data_set: str
    scale: int
    name: str
    width: int
    height: int
    shown: Window
    worst: Window | None
    shots: tuple[Shot, ...]
    crops: tuple[Crop, ...]
    scores: tuple[PictureScore, ...]

    @property
    def zoom(self) -> int:
        """By how much the slider may enlarge a small picture."""
        return max(1, SHOWN_SIDE // max(self.shown.width, self.shown.height))

    @property
    def compared(self) -> tuple[str, str]:
        """The first network and the first interpolation, which are under the slider at first."""
        return self.shots[1].label, self.shots[0].label

    @property
    def psnr(self) -> float | None:
        """Of the first network, in dB; None without HR and where it is infinite."""
        return self._psnr_of(self.compared[0])

    @property
    def gain(self) -> float | None:
        """Of the first network over the first interpolation, in dB."""
        own, baseline = (self._psnr_of(label) for label in self.compared)
        return None if own is None or baseline is None else own - baseline

    def _psnr_of(self, label: str) -> float | None:
        psnr = next((row.score.psnr for row in self.scores if row.label == label), math.inf)
        return psnr if math.isfinite(psnr) else None


def picture_card(picture: UpscaledPicture, protocol: Protocol) -> Card:
    """What the report shows of `picture`: the first interpolation, every network, HR."""
    hr, scale = picture.pair.hr, picture.methods[0].scale
    shown_methods = _shown(picture.methods)
    network = picture.outputs[shown_methods[1]]
    height, width = network.shape[:2]
    worst = None if hr is None else worst_window(network, hr, protocol, scale)
    shown = _around(worst, height, width)
    images = [(picture.methods[i].name, picture.outputs[i]) for i in shown_methods]
    if hr is not None:
        images.append((_HR, hr))
    return Card(
        data_set=picture.data_set,
        scale=scale,
        name=picture.pair.name,
        width=width,
        height=height,
        shown=shown,
        worst=worst,
        shots=tuple(Shot(label, webp_uri(shown.of(pixels))) for label, pixels in images),
        crops=() if worst is None or hr is None else _crops(images, hr, worst, protocol),
        scores=_scores(picture, protocol),
    )


def worst_window(output: Pixels, hr: Pixels, protocol: Protocol, scale: int) -> Window:
    """Where, inside the border, the PSNR of `output` over CROP_SIDE² px (or what there is) is lowest."""
    border = protocol.border_at(scale)
    error = protocol.values(output).astype(np.float64) - protocol.values(hr)
    squares = cut_border(error**2 if error.ndim == 2 else (error**2).mean(axis=2), border)
    height, width = (min(CROP_SIDE, side) for side in squares.shape)
    sums = _box_sums(squares, height, width)
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return Window(int(top) + border, int(left) + border, height, width)


def _box_sums(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Sums over every `height` × `width` box: (H − height + 1, W − width + 1)."""
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    rows: NDArray[np.float64] = total[height:] - total[:-height]
    return rows[:, width:] - rows[:, :-width]


def _shown(methods: Sequence[Method]) -> list[int]:
    """Indices of the first interpolation and of all networks."""
    interpolations = [i for i, method in enumerate(methods) if method.network is None]
    return interpolations[:1] + [i for i, method in enumerate(methods) if method.network is not None]


def _around(worst: Window | None, height: int, width: int) -> Window:
    """At most SHOWN_SIDE a side of a picture, with `worst` or else the centre in its middle."""
    middle_y = height // 2 if worst is None else worst.top + worst.height // 2
    middle_x = width // 2 if worst is None else worst.left + worst.width // 2
    rows, columns = min(height, SHOWN_SIDE), min(width, SHOWN_SIDE)
    top = min(max(middle_y - rows // 2, 0), height - rows)
    left = min(max(middle_x - columns // 2, 0), width - columns)
    return Window(top, left, rows, columns)


def _crops(
    images: Sequence[tuple[str, Pixels]], hr: Pixels, worst: Window, protocol: Protocol
) -> tuple[Crop, ...]:
    reference = protocol.values(worst.of(hr))
    return tuple(
        Crop(
            label,
            webp_uri(worst.of(pixels), lossless=True),
            None if pixels is hr else psnr(protocol.values(worst.of(pixels)), reference),
        )
        for label, pixels in images
    )


def _scores(picture: UpscaledPicture, protocol: Protocol) -> tuple[PictureScore, ...]:
    if picture.pair.hr is None:
        return ()
    return tuple(
        PictureScore(method.name, result.scores[protocol.name], result.seconds, method.network is not None)
        for method, result in zip(picture.methods, picture.results, strict=True)
    )


def webp_uri(pixels: Pixels, *, lossless: bool = False) -> str:
    """`pixels` as a WebP data URI."""
    stream = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(stream, "WEBP", lossless=lossless, quality=100 if lossless else _QUALITY)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
