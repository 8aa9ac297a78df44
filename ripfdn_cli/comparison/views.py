"""What a page shows of one picture: the input, what each network made of it, and differences."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.evaluation.benchmark import Method, Upscale, interpolation_methods
from ripfdn_cli.evaluation.datasets import Pixels
from ripfdn_cli.evaluation.report_pictures import Window, webp_uri
from ripfdn_cli.files.storage import Location
from ripfdn_cli.image_math.metrics import PAPERS, Score, score
from ripfdn_cli.pictures.colour_profiles import rgb_to_srgb
from ripfdn_cli.pictures.decoding import read_picture
from ripfdn_cli.pictures.picture import as_rgb, as_samples, without_alpha
from ripfdn_cli.pictures.pillow_pixels import image_of
from ripfdn_cli.pictures.png_colour import colour_space_of, to_srgb

LARGEST_SIDE = 768
"""Of the part of an input that is shown unless another is asked for, in px: every view holds scale² times as
many pixels, without loss.
"""
LARGEST_RESULT = 16383
"""Pixels of a side that WebP can hold."""
NEAREST, REFERENCE = "Input (nearest)", "Reference"
DIFFERENCE_GAIN = 8
"""By how much differences are amplified: most are of a few levels in 255."""


@dataclass(frozen=True)
class View:
    """A picture on the page. `seconds`: what a network took, None for others; `score`: with a reference."""

    label: str
    uri: str
    seconds: float | None = None
    score: Score | None = None


@dataclass(frozen=True)
class ComparedPicture:
    """All of one picture: `width` and `height` of the part of the input that is shown, `whole` of all."""

    name: str
    width: int
    height: int
    scale: int
    whole: tuple[int, int]
    views: tuple[View, ...]
    compared: tuple[str, str]

    @property
    def megapixels(self) -> float:
        """Of the part of the input that is shown."""
        return self.width * self.height / 1e6

    @property
    def is_cut(self) -> bool:
        """Whether less than the whole input is shown."""
        return self.whole != (self.width, self.height)


def common_scale(methods: Sequence[Method]) -> int:
    """The one scale of `methods`. Raises UsageError."""
    scales = {method.name: method.scale for method in methods}
    if len(set(scales.values())) > 1:
        listed = ", ".join(f"{name} ×{scale}" for name, scale in scales.items())
        raise UsageError(
            f"networks of different scales can't be compared ({listed}); give networks of the same scale"
        )
    return methods[0].scale


def compare_picture(
    path: Location, methods: Sequence[Method], *, reference: Location | None, crop: Window | None
) -> ComparedPicture:
    """The picture in `path` by all of `methods`, networks of one scale.

    `crop`: the part of the input to show, by default at most LARGEST_SIDE px a side of its middle.
    `reference`: a picture scale times as large, to score against. Raises InputError, UsageError.
    """
    scale = methods[0].scale
    whole = read_shown(path)
    window = _window(whole, crop, scale, str(path))
    hr = None if reference is None else _reference(reference, whole, path, scale)
    pixels = np.ascontiguousarray(window.of(whole))
    shown_hr = None if hr is None else _larger(window, scale).of(hr)
    bicubic = interpolation_methods(scale)[0]
    views = [View(NEAREST, webp_uri(pixels, lossless=True))]
    differences = []
    for method in (bicubic, *methods):
        output, seconds = _timed(method.upscale, pixels)
        views.append(
            View(
                method.name,
                webp_uri(output, lossless=True),
                None if method is bicubic else seconds,
                None if shown_hr is None else _score(output, shown_hr, scale),
            )
        )
        if shown_hr is not None:
            label = f"{method.name}: difference ×{DIFFERENCE_GAIN}"
            differences.append(View(label, webp_uri(difference(output, shown_hr), lossless=True)))
    if shown_hr is not None:
        views.append(View(REFERENCE, webp_uri(shown_hr, lossless=True)))
    return ComparedPicture(
        name=path.name,
        width=window.width,
        height=window.height,
        scale=scale,
        whole=(whole.shape[1], whole.shape[0]),
        views=(*views, *differences),
        compared=(bicubic.name, methods[0].name),
    )


def read_shown(path: Location) -> Pixels:
    """(H, W, 3) uint8 sRGB, upright, transparency laid on white: the picture as a browser shows it. Raises
    InputError.
    """
    picture = read_picture(path)
    frame, profile = picture.frames[0], picture.metadata.icc_profile
    space = colour_space_of(picture.metadata)
    if space is not None and frame.dtype.kind != "f":
        frame, profile = to_srgb(frame, space), None
    frame = as_rgb(without_alpha(as_samples(frame, np.uint8)))
    return np.asarray(frame if profile is None else rgb_to_srgb(image_of(frame), profile), np.uint8)


def difference(output: Pixels, reference: Pixels) -> Pixels:
    """The mean absolute difference of the channels, amplified: black where both are the same."""
    levels = np.abs(output.astype(np.int16) - reference).mean(axis=2, keepdims=True) * DIFFERENCE_GAIN
    return np.repeat(np.rint(levels.clip(0, 255)).astype(np.uint8), 3, axis=2)


def _window(whole: Pixels, crop: Window | None, scale: int, name: str) -> Window:
    height, width = whole.shape[:2]
    if crop is None:
        rows, columns = min(height, LARGEST_SIDE), min(width, LARGEST_SIDE)
        return Window((height - rows) // 2, (width - columns) // 2, rows, columns)
    if crop.top + crop.height > height or crop.left + crop.width > width:
        raise UsageError(f"`crop` reaches beyond {name}, which has {width}×{height} px; give a smaller part")
    if scale * max(crop.height, crop.width) > LARGEST_RESULT:
        raise UsageError(
            f"`crop` {crop.width}x{crop.height} is too large for the page: it may have at most "
            f"{LARGEST_RESULT // scale} px a side"
        )
    return crop


def _larger(window: Window, scale: int) -> Window:
    return Window(scale * window.top, scale * window.left, scale * window.height, scale * window.width)


def _reference(path: Location, whole: Pixels, of: Location, scale: int) -> Pixels:
    """What `path` holds, cut to scale times the sides of the picture `of`: data sets cut pictures so."""
    hr = read_shown(path)
    height, width = scale * whole.shape[0], scale * whole.shape[1]
    if not (0 <= hr.shape[0] - height < scale and 0 <= hr.shape[1] - width < scale):
        raise InputError(
            f"reference {path} has {hr.shape[1]}×{hr.shape[0]} px; {of} ×{scale} has {width}×{height}: "
            "give the picture that the input was made from"
        )
    return hr[:height, :width]


def _score(output: Pixels, hr: Pixels, scale: int) -> Score | None:
    """None where the picture is too small to score."""
    if min(hr.shape[:2]) < PAPERS.smallest_side(scale):
        return None
    return score(output, np.ascontiguousarray(hr), scale=scale, protocol=PAPERS)


def _timed(upscale: Upscale, pixels: Pixels) -> tuple[Pixels, float]:
    """The result, and the seconds of a second run: the first compiles what the size asks for."""
    upscale(pixels)
    start = time.perf_counter()
    output = upscale(pixels)
    return output, time.perf_counter() - start
