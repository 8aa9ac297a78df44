"""What the numbers of pictures mean, by a profile or by PNG's chunks, and the same colours in sRGB."""

import numpy as np

from ripfdn_cli.pictures.colour_profiles import is_srgb, rgb_to_srgb, sixteen_bits_to_srgb
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Frame
from ripfdn_cli.pictures.pillow_pixels import image_of, pixels_of
from ripfdn_cli.pictures.png_colour import ColourSpace, colour_space_of, to_srgb

Meaning = ColourSpace | bytes
"""Of numbers: a space, or an ICC profile."""


def meaning_of(metadata: Metadata, *, grey: bool) -> Meaning | None:
    """What the numbers of a picture with `metadata` mean, None for sRGB's colours."""
    space, icc_profile = colour_space_of(metadata), metadata.icc_profile
    if space is not None or icc_profile is None:
        return space
    return None if is_srgb(icc_profile, grey=grey) else icc_profile


def in_srgb(frame: Frame, meaning: Meaning) -> Frame:
    """`frame`, uint8 or uint16, in sRGB: what is outside of it is clipped. HDR's diffuse white becomes white;
    a profile that can't be used leaves the numbers as they are, with a warning.
    """
    if isinstance(meaning, ColourSpace):
        return to_srgb(frame, meaning)
    if frame.dtype == np.uint8:
        return pixels_of(rgb_to_srgb(image_of(frame), meaning))[0]
    return sixteen_bits_to_srgb(frame, meaning)
