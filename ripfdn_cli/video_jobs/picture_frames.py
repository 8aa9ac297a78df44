"""Pictures as the frames of one video: all in sRGB, with the size, depth and channels of the video."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.colour_profiles import is_usable
from ripfdn_cli.pictures.decoding import Glance, glance, read_picture
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import (
    Frame,
    as_rgb,
    as_samples,
    has_alpha,
    highest,
    is_opaque,
    without_alpha,
)
from ripfdn_cli.pictures.png_colour import ColourSpace
from ripfdn_cli.pictures.srgb import Meaning, in_srgb, meaning_of

log = logging.getLogger(__name__)

_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class PictureFrames:
    """Makes pictures into frames of `width` × `height` px with samples of the type `samples`, and with alpha
    or without. `background`: 8-bit RGB, for transparency in frames without alpha; None for white, with a
    warning. What is changed is said once, however many pictures there are.
    """

    width: int
    height: int
    samples: str
    has_alpha: bool
    background: tuple[int, int, int] | None = None
    _said: set[Hashable] = field(default_factory=set, init=False, compare=False, repr=False)

    def frame(self, pixels: Frame, metadata: Metadata, name: str) -> Frame:
        """The frame (H, W, 3 or 4) of the picture `name`. Raises InputError for another size."""
        height, width = pixels.shape[:2]
        if (width, height) != (self.width, self.height):
            raise _size_error(name, (width, height), (self.width, self.height))
        if pixels.dtype != np.uint8 and self.samples == "uint8":
            self._say(logging.INFO, "depth", "%s: rounded to 8 bits per channel, as in the first frame", name)
        pixels = as_samples(pixels, self.samples)
        meaning = self._meaning(pixels, metadata, name)
        if meaning is not None:
            pixels = in_srgb(pixels, meaning)
        return self._with_channels(as_rgb(pixels), name)

    def _meaning(self, pixels: Frame, metadata: Metadata, name: str) -> Meaning | None:
        """That of numbers which can be converted."""
        grey = pixels.shape[2] < 3
        meaning = meaning_of(metadata, grey=grey)
        if isinstance(meaning, bytes) and not is_usable(meaning, grey=grey):
            damaged = "%s: its profile is damaged or for other pixels; colours are left as they are"
            self._say(logging.WARNING, (meaning, grey), damaged, name)
            return None
        if isinstance(meaning, ColourSpace) and meaning.is_hdr:
            clipped = "%s: its HDR colours become sRGB, clipped above diffuse white"
            self._say(logging.WARNING, meaning, clipped, name)
        elif meaning is not None:
            self._say(logging.INFO, meaning, "%s: converted to sRGB, which the frames are in", name)
        return meaning

    def _with_channels(self, pixels: Frame, name: str) -> Frame:
        if self.has_alpha and not has_alpha(pixels):
            opaque = np.full((*pixels.shape[:2], 1), highest(pixels.dtype), pixels.dtype)
            return np.concatenate([pixels, opaque], axis=2)
        if self.has_alpha or not has_alpha(pixels):
            return pixels
        if self.background is None and not is_opaque(pixels):
            late = "%s has transparency, the first frame none; it is put on white (`background` for another)"
            self._say(logging.WARNING, "alpha", late, name)
        return without_alpha(pixels, self.background or _WHITE)

    def _say(self, level: int, subject: Hashable, message: str, name: str) -> None:
        if subject not in self._said:
            self._said.add(subject)
            log.log(level, message, name)


def glances(files: Sequence[Path]) -> list[Glance | None]:
    """What the heads of `files` tell before the work. Raises InputError where they differ in size, by more
    than a quarter turn.
    """
    seen = [glance(path) for path in files]
    sizes = [(path, found.size) for path, found in zip(files, seen, strict=True) if found is not None]
    for path, size in sizes:
        if sorted(size) != sorted(sizes[0][1]):
            raise _size_error(str(path), size, sizes[0][1])
    return seen


def read_frame(path: Path, max_pixels: int) -> tuple[Frame, Metadata]:
    """The one picture in the file `path`, and what it says of it. Raises InputError."""
    picture = read_picture(path, max_pixels=max_pixels)
    if len(picture.frames) != 1:
        count = len(picture.frames)
        raise InputError(f"{path} has {count} frames of its own and can't be a frame of a video")
    return picture.frames[0], picture.metadata


def _size_error(name: str, size: tuple[int, int], first: tuple[int, int]) -> InputError:
    return InputError(
        f"{name} is {size[0]}×{size[1]} px, the first frame {first[0]}×{first[1]} px; "
        "frames of a video have one size"
    )
