"""Colour spaces that the network doesn't know, to sRGB through the picture's profile."""

import io
import logging
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_FIXED_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
"""In place of the moment at which LittleCMS made the profile (ICC.1:2010, bytes 24 to 35 of the header)."""
_LATTICE = 9
"""Values of each channel in the colours by which a profile is told to be sRGB's."""
_SAME = 128
"""Levels of 65535, half a level of 255, up to which two results of a profile are the same."""
log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """An ICC profile of sRGB, always the same bytes."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + _FIXED_DATE + made[36:]


def to_srgb(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """`image` in CMYK or LAB as RGB, and the profile of the result: sRGB's where one was used.

    CMYK without a profile, or with one that is damaged (said with a warning), is converted by Pillow's plain
    rule.
    """
    try:
        if image.mode == "LAB":
            return _through(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))), srgb_profile()
        if icc_profile:
            return _through(image, ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))), srgb_profile()
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.warning("the %s profile can't be used (%s); converted without it", image.mode, error)
    return image.convert("RGB"), None


def rgb_to_srgb(image: Image.Image, icc_profile: bytes) -> Image.Image:
    """`image` (L, LA, RGB or RGBA), whose numbers mean what `icc_profile` says, in sRGB: for files that can't
    hold a profile. Grey may have a profile for RGB. A damaged profile leaves the numbers as they are, with a
    warning.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        mode = image.mode.removesuffix("A")
        space = {"RGB": "RGB", "GRAY": "L"}.get(profile.profile.xcolor_space.strip())
        if space is None or (space == "L" and mode == "RGB"):
            return image
        converted = _through(image.convert(space), profile, mode)
        if image.mode != mode:
            converted.putalpha(image.getchannel("A"))
        return converted
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.warning("the profile can't be used (%s); colours are left as they are", error)
        return image


@lru_cache(maxsize=16)
def is_srgb(icc_profile: bytes, *, grey: bool) -> bool:
    """Whether numbers mean by `icc_profile` what they mean without one, in grey or in RGB."""
    axes = [np.linspace(0, 65535, _LATTICE).astype(np.uint16)] * (1 if grey else 3)
    colours = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(_LATTICE, -1, len(axes))
    try:
        converted = _by_profile(colours, icc_profile)
    except ValueError:
        return False
    return converted is not None and int(np.abs(converted.astype(int) - colours).max()) <= _SAME


@lru_cache(maxsize=16)
def is_usable(icc_profile: bytes, *, grey: bool) -> bool:
    """Whether `icc_profile` is whole, and for pixels in grey, or in RGB."""
    try:
        return _by_profile(np.zeros((1, 1, 1 if grey else 3), np.uint16), icc_profile) is not None
    except ValueError:
        return False


def sixteen_bits_to_srgb(frame: NDArray[np.uint16], icc_profile: bytes) -> NDArray[np.uint16]:
    """What `rgb_to_srgb` does, for samples (H, W, C) of 16 bits."""
    colours = frame[..., :1] if frame.shape[2] < 3 else frame[..., :3]
    try:
        converted = _by_profile(colours, icc_profile)
    except ValueError as error:
        log.warning("the profile can't be used (%s); colours are left as they are", error)
        return frame
    if converted is None:
        return frame
    return np.concatenate([converted, frame[..., colours.shape[2] :]], axis=2)


def _by_profile(colours: NDArray[np.uint16], icc_profile: bytes) -> NDArray[np.uint16] | None:
    """`colours` (H, W, 1 or 3) in sRGB, None where `icc_profile` is not for such pixels. Raises ValueError
    where it is damaged.
    """
    import imagecodecs

    grey = colours.shape[2] == 1
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)).profile.xcolor_space.strip()
        space, channels = {"RGB": ("rgb", 3), "GRAY": ("gray", 1)}.get(found, ("", 0))
        if channels == 0 or (channels == 1 and not grey):
            return None
        source = np.repeat(colours, channels, axis=2) if grey else colours
        converted = imagecodecs.cms_transform(
            np.ascontiguousarray(source[..., 0] if channels == 1 else source),
            icc_profile,
            srgb_profile(),
            colorspace=space,
            outcolorspace="rgb",
            intent=int(ImageCms.Intent.RELATIVE_COLORIMETRIC),
            flags=int(ImageCms.Flags.BLACKPOINTCOMPENSATION),
        )
    except (ImageCms.PyCMSError, imagecodecs.CmsError, OSError) as error:
        raise ValueError(str(error)) from error
    # Of equal channels, as those of grey are, any is the grey.
    return np.asarray(converted[..., : colours.shape[2]])


def _through(image: Image.Image, profile: ImageCms.ImageCmsProfile, mode: str = "RGB") -> Image.Image:
    target: ImageCms.ImageCmsProfile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    converted = ImageCms.profileToProfile(
        image,
        profile,
        target,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # inPlace is off
    return converted if mode == "RGB" else converted.convert(mode)
