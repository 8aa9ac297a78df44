"""What a picture is once it is read: frames of samples, what its file said beside them, and its limits."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_math.dihedral import EXIF_TRANSFORMS, transformed
from ripfdn_cli.image_math.value_range import DIM
from ripfdn_cli.pictures.formats import Format
from ripfdn_cli.pictures.metadata import NO_METADATA, Metadata

DEFAULT_MAX_PIXELS = 250_000_000
"""Pixels of all frames of an input together; more is taken for an attack or a mistake."""

Frame = NDArray[Any]
"""(H, W, C): C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; uint8, uint16, or float32 with 0..1 as its nominal
range; from a TIFF also signed and 32-bit integers. Alpha is not premultiplied.
"""


@dataclass(frozen=True)
class Animation:
    """When each frame shows: `durations` in ms, `plays` in all (0: for ever). With `has_still` the first
    frame is none of the animation but what programs show that can't play it (animated PNG).
    """

    durations: tuple[float, ...]
    plays: int
    has_still: bool = False


@dataclass(frozen=True)
class Picture:
    """One file's content, its pixels standing upright.

    One frame; or an animation's frames, all of one shape, with `animation`; or the pages of a TIFF, of which
    those after the first have `later_metadata`. `jpeg_quality` is about that at which libjpeg would have
    written a JPEG.
    """

    frames: tuple[Frame, ...]
    file_format: Format
    metadata: Metadata = NO_METADATA
    animation: Animation | None = None
    jpeg_quality: int | None = None
    later_metadata: tuple[Metadata, ...] = ()

    @property
    def page_metadata(self) -> tuple[Metadata, ...]:
        """What the file says beside each frame."""
        missing = len(self.frames) - 1 - len(self.later_metadata)
        return (self.metadata, *self.later_metadata, *[NO_METADATA] * missing)

    def with_page_metadata(self, pages: Iterable[Metadata]) -> Self:
        """A copy with each page's metadata; that of later pages is dropped where there was none before."""
        first, *later = pages
        return replace(self, metadata=first, later_metadata=tuple(later) if self.later_metadata else ())

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.frames[0].shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.frames[0].shape[0])


@dataclass(frozen=True)
class Header:
    """What a file says of itself before anything is decoded; `width` and `height` of the upright picture: in
    a TIFF of its first page, with the most `channels` and `sample_bytes` of any. `pixels`: of all frames
    together where they differ in size. `jpeg_quality`: as in `Picture`.
    """

    width: int
    height: int
    channels: int
    sample_bytes: int
    frames: int
    file_format: Format
    pixels: int | None = None
    jpeg_quality: int | None = None

    @property
    def all_pixels(self) -> int:
        """Of all frames together."""
        return self.width * self.height * self.frames if self.pixels is None else self.pixels


def check_size(width: int, height: int, frames: int, max_pixels: int) -> None:
    """Raises InputError where a picture has no pixels, or more than `max_pixels` over all its frames."""
    if width < 1 or height < 1 or frames < 1:
        raise InputError(f"its header states {width}×{height} px")
    if width * height * frames > max_pixels:
        count = f"{frames} frames of " if frames > 1 else ""
        raise too_many_pixels(f"its header states {count}{width}×{height} px", max_pixels)


def too_many_pixels(says: str, max_pixels: int) -> InputError:
    """The error to raise for a file that `says` a size over the limit."""
    return InputError(
        f"{says}, over the limit of {max_pixels} pixels; raise `max_pixels` if this is intended"
    )


MEASURED_SAMPLES = ("int8", "int16", "uint32", "int32")
"""Types that hold measurements rather than pictures: what they can hold says nothing of what they do."""


def holds_measurements(frame: Frame, result: str) -> bool:
    """Whether `frame`, of which a result with samples of the type `result` is to be made, keeps its unit: by
    its type, or as counts of 12 bits in 16 and the like, which as a picture would be all but black.
    """
    if result in MEASURED_SAMPLES:
        return True
    sixteen = frame.dtype.name == result == "uint16" and not has_alpha(frame)
    return sixteen and int(frame.max()) < DIM * highest(frame.dtype)


def highest(dtype: np.dtype[Any]) -> int:
    """The sample that means full: 255, 65535, or 1 for floats. Of signed integers, too, it is what unsigned
    ones of their size can have, as libtiff and libvips take them.
    """
    return 1 if dtype.kind == "f" else int(2 ** (8 * dtype.itemsize)) - 1


def as_samples(frame: Frame, dtype: DTypeLike) -> Frame:
    """`frame` with its range mapped to that of `dtype`, rounded half up; what lies outside of the range of
    integers (0..1 in floats, for unsigned ones) is clamped to it.
    """
    target = np.dtype(dtype)
    if frame.dtype == target:
        return frame
    if target.kind == "f":
        unit: Frame = (frame / _divisor(frame.dtype)).astype(target)
        return unit
    if frame.dtype.kind == "f" and target.name in ("uint8", "uint16"):
        levels: Frame = (np.clip(frame, 0, 1) * highest(target) + 0.5).astype(target)
        return levels
    if target.name not in ("uint8", "uint16") or frame.dtype.name not in ("uint8", "uint16"):
        return _through_floats(frame, target)
    if target == np.uint16:
        return frame.astype(np.uint16) * np.uint16(257)
    # 65535 = 255 · 257, and adding the half before dividing rounds.
    return ((frame.astype(np.uint32) + 128) // 257).astype(np.uint8)


def share_outside(frame: Frame) -> float:
    """The part of samples that unsigned integers can't hold, by more than half a level of 8 bits: 0 to 1."""
    if frame.dtype.kind == "u":
        return 0.0
    top = highest(frame.dtype)
    return float(((frame < -top / 510) | (frame > top + top / 510)).mean())


def whole_numbers(values: Frame, dtype: DTypeLike) -> Frame:
    """Floats, in the unit of integers of `dtype`, as those."""
    limits = np.iinfo(dtype)
    rounded: Frame = np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max).astype(dtype)
    return rounded


def _through_floats(frame: Frame, target: np.dtype[Any]) -> Frame:
    limits, top = np.iinfo(target), highest(target)
    wide = np.float64 if target.itemsize == 4 else np.float32  # 32 bits and a half don't fit in float32
    unit = as_samples(frame, wide)
    rounded: Frame = np.floor(np.clip(unit, limits.min / top, limits.max / top) * wide(top) + wide(0.5))
    limited: Frame = np.clip(rounded, limits.min, limits.max).astype(target)
    return limited


def _divisor(dtype: np.dtype[Any]) -> np.floating[Any]:
    """In as many bits as keep 32-bit samples."""
    return (np.float64 if dtype.itemsize == 4 and dtype.kind != "f" else np.float32)(highest(dtype))


def has_alpha(frame: Frame) -> bool:
    """Whether a frame (H, W, C) has two or four channels: the last is then alpha."""
    return frame.shape[2] in (2, 4)


def is_opaque(frame: Frame) -> bool:
    """Whether there is no alpha, or all of it is at the highest value of its type."""
    return not has_alpha(frame) or bool((frame[..., -1] >= highest(frame.dtype)).all())


def without_opaque_alpha(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """`frames`, without their alpha where all of them are opaque."""
    frames = tuple(frames)
    if all(has_alpha(frame) and is_opaque(frame) for frame in frames):
        return tuple(np.ascontiguousarray(frame[..., :-1]) for frame in frames)
    return frames


def without_alpha(frame: Frame, background: tuple[int, int, int] = (255, 255, 255)) -> Frame:
    """`frame` laid on `background` (8-bit RGB), with one or three channels."""
    if not has_alpha(frame):
        return frame
    if is_opaque(frame):
        return frame[..., :-1]
    if frame.shape[2] == 2 and len(set(background)) > 1:
        frame = np.concatenate([np.repeat(frame[..., :1], 3, axis=2), frame[..., 1:]], axis=2)
    top = np.float32(highest(frame.dtype))
    alpha = frame[..., -1:].astype(np.float32) / top
    behind = np.array(background[: frame.shape[2] - 1], np.float32) / 255 * top
    mixed = frame[..., :-1] * alpha + behind * (1 - alpha)
    rounded: Frame = (mixed + 0.5 if frame.dtype.kind == "u" else mixed).astype(frame.dtype)
    return rounded


def as_rgb(frame: Frame) -> Frame:
    """Grey as three equal channels; an alpha channel stays where it is."""
    if frame.shape[2] >= 3:
        return frame
    return np.concatenate([np.repeat(frame[..., :1], 3, axis=2), frame[..., 1:]], axis=2)


def as_grey(frame: Frame) -> Frame:
    """The mean of three channels, (H, W, 3) → (H, W, 1), rounded to nearest; thirds leave no ties."""
    if frame.dtype.kind == "f":
        return np.asarray(frame.mean(axis=2, keepdims=True, dtype=np.float32))
    total = frame.sum(axis=2, keepdims=True, dtype=np.uint32)
    mean: Frame = ((total + 1) // 3).astype(frame.dtype)
    return mean


def upright(frame: Frame, orientation: int) -> Frame:
    """`frame` with EXIF's `orientation` applied: where the stored first row and column belong (EXIF 2.3, tag
    274).
    """
    return np.ascontiguousarray(transformed(frame, EXIF_TRANSFORMS[orientation]))
