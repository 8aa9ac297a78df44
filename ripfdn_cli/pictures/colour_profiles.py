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


def sixteen_bits_to_srgb(frame: NDArray[np.uint16], icc_profile: bytes) -> NDArray[np.uint16]:
    """The same for samples (H, W, C) of 16 bits."""
    import imagecodecs

    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)).profile.xcolor_space.strip()
        space, channels = {"RGB": ("rgb", 3), "GRAY": ("gray", 1)}.get(found, ("", 0))
        grey = frame.shape[2] < 3
        if channels == 0 or (channels == 1 and not grey):
            return frame
        colours = frame[..., :1] if grey else frame[..., :3]
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
    except (ImageCms.PyCMSError, imagecodecs.CmsError, OSError, ValueError) as error:
        log.warning("the profile can't be used (%s); colours are left as they are", error)
        return frame
    # Of equal channels, as those of grey are, any is the grey.
    return np.concatenate([converted[..., : colours.shape[2]], frame[..., colours.shape[2] :]], axis=2)


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
