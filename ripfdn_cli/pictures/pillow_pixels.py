"""Between Pillow's images and arrays of samples: every mode it reads, and the four it is given to write."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.colour_profiles import to_srgb
from ripfdn_cli.pictures.picture import Frame

_WRITTEN = ("L", "LA", "RGB", "RGBA")
_AS = {"1": "L", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
_SHALLOW_GREYS = {"L;2": 85, "L;4": 17}
"""What Pillow calls greys of 2 and 4 bits in a PNG, and multiplies their samples by."""
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def pixels_of(image: Image.Image) -> tuple[Frame, bytes | None]:
    """The samples of `image`, decoded, as (H, W, C), and the ICC profile they are in.

    Palettes and colour keys become channels, CMYK and LAB become sRGB. Raises InputError for sample types
    that no output could hold.
    """
    icc_profile = image.info.get("icc_profile") or None
    if image.mode in _SIXTEEN_BIT:
        return _three_dimensional(np.asarray(image).astype(np.uint16)), icc_profile
    if image.mode == "F":
        return _three_dimensional(np.asarray(image)), icc_profile
    if image.mode in ("CMYK", "LAB"):
        image, icc_profile = to_srgb(image, icc_profile)
    return _three_dimensional(np.array(eight_bit(image))), icc_profile


def scale_colour_key(image: ImageFile.ImageFile) -> None:
    """Make the transparent grey of a PNG of 2 or 4 bits, not decoded yet, one of 8 bits: Pillow does so with
    the samples only.
    """
    key = image.info.get("transparency")
    if image.format == "PNG" and isinstance(key, int) and image.tile:
        image.info["transparency"] = key * _SHALLOW_GREYS.get(str(image.tile[0].args), 1)


def image_of(frame: Frame) -> Image.Image:
    """`frame`, uint8, as an image in L, LA, RGB or RGBA."""
    pixels: NDArray[Any] = frame[..., 0] if frame.shape[2] == 1 else frame
    return Image.fromarray(np.ascontiguousarray(pixels))


def eight_bit(image: Image.Image) -> Image.Image:
    """`image` in L, LA, RGB or RGBA; what its palette or colour key makes transparent is so in a channel.

    Raises InputError.
    """
    if image.mode == "P":
        return _without_palette(image)
    if "transparency" in image.info and image.mode in ("1", "L", "RGB"):
        return image.convert("RGBA" if image.mode == "RGB" else "LA")
    mode = _AS.get(image.mode, image.mode)
    if mode not in _WRITTEN:
        raise InputError(
            f"its samples are of a type that is not supported ({image.mode}: 32-bit integers and the like); "
            "convert them to 16 bit or float"
        )
    return image if image.mode == mode else image.convert(mode)


def _without_palette(image: Image.Image) -> Image.Image:
    transparent = "transparency" in image.info
    table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    grey = bool((table == table[:, :1]).all())
    coloured = image.convert("RGBA" if transparent else "RGB")
    if not grey:
        return coloured
    return coloured.convert("LA" if transparent else "L")


def _three_dimensional(pixels: NDArray[Any]) -> Frame:
    return pixels[..., None] if pixels.ndim == 2 else pixels


def frame_count(image: Image.Image) -> int:
    """Frames of an animation: neither the previews of an MPO (a photograph by a phone) nor the pictures of a
    HEIC, which have no time.
    """
    return 1 if image.format in ("MPO", "HEIF") else int(getattr(image, "n_frames", 1))
