"""Profiles of the kind of their pixels: libpng refuses grey with a profile for RGB, and the reverse."""

import logging

import numpy as np

from ripfdn_cli.pictures.colour_profiles import rgb_to_srgb, srgb_profile
from ripfdn_cli.pictures.formats import Format
from ripfdn_cli.pictures.picture import Frame, as_rgb
from ripfdn_cli.pictures.pillow_pixels import image_of, pixels_of

log = logging.getLogger(__name__)

_SPACE = slice(16, 20)
"""Where a profile names the colour space of its pixels (ICC.1:2010, 7.2.6)."""


def fitted_to_profile(
    frames: tuple[Frame, ...], icc_profile: bytes | None, file_format: Format, name: str
) -> tuple[tuple[Frame, ...], bytes | None]:
    """`frames` of the picture `name` and a profile of their kind, for a file of the format `file_format`.

    Grey under a profile for RGB becomes RGB. Pixels under one for grey become grey, or sRGB where the format
    has no grey. A profile for pixels of another kind is left out, with a warning.
    """
    if icc_profile is None or "icc_profile" not in file_format.metadata:
        return frames, icc_profile
    space = icc_profile[_SPACE]
    if space == b"RGB ":
        return tuple(map(as_rgb, frames)), icc_profile
    if space == b"GRAY" and all(map(_is_grey, frames)):
        grey = tuple(map(_as_grey, frames))
        if 1 in file_format.channels:
            return grey, icc_profile
        log.info(
            "%s: converted to sRGB, as %s has no greyscale to go with its profile", name, file_format.title
        )
        converted = (pixels_of(rgb_to_srgb(image_of(frame), icc_profile))[0] for frame in grey)
        return tuple(map(as_rgb, converted)), srgb_profile()
    kind = space.decode("latin-1").strip()
    pixels = "grey" if all(frame.shape[2] < 3 for frame in frames) else "RGB"
    log.warning("%s: its %s profile is not for %s pixels; it is left out", name, kind or "damaged", pixels)
    return frames, None


def _is_grey(frame: Frame) -> bool:
    return frame.shape[2] < 3 or bool(
        np.array_equal(frame[..., 0], frame[..., 1]) and np.array_equal(frame[..., 0], frame[..., 2])
    )


def _as_grey(frame: Frame) -> Frame:
    """One channel in place of three equal ones; alpha stays."""
    return frame if frame.shape[2] < 3 else np.ascontiguousarray(frame[..., [0, *range(3, frame.shape[2])]])
