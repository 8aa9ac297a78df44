"""Samples of more bits than Pillow reads: 16-bit PNG, PPM of any maximum; AVIF, HEIC, JPEG XL."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.heif_properties import coded_bits
from ripfdn_cli.pictures.jxl_header import read_jxl_header
from ripfdn_cli.pictures.picture import (
    Frame,
)
from ripfdn_cli.pictures.pillow_pixels import frame_count

_PNG_BIT_DEPTH = 24
"""Where a PNG's first chunk has the bit depth."""


def deep_pixels(image: ImageFile.ImageFile, data: bytes) -> Frame | None:
    """Samples that Pillow would cut to 8 bits, or take minutes to read; None for all others."""
    if image.format == "PPM" and (maximum := _ppm_maximum(image)) is not None:
        pixels = _read_ppm(data, maximum)
    elif image.format == "PNG" and is_sixteen_bit(image, data):
        import imagecodecs

        pixels = imagecodecs.png_decode(data)
    elif image.format == "AVIF" and (bits := coded_bits(data)) > 8:
        import imagecodecs

        pixels = _stretched(imagecodecs.avif_decode(data), 2**bits - 1, np.uint16)
    elif image.format == "HEIF" and (bits := _heif_bits(image)) > 8:
        pixels = _read_heif(data, bits)
    elif is_float_jxl(image, data):
        import imagecodecs

        pixels = np.asarray(imagecodecs.jpegxl_decode(data)).astype(np.float32)
    elif image.format == "JXL" and (bits := read_jxl_header(data).bits or 0) > 8:
        import imagecodecs

        pixels = _stretched(imagecodecs.jpegxl_decode(data), 2**bits - 1, np.uint16)
    else:
        return None
    if pixels.shape[:2] != (image.height, image.width):
        raise InputError("its header contradicts its content")
    return pixels.reshape(image.height, image.width, -1)


def is_sixteen_bit(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether the file `data`, Pillow's `image`, has more than 8 bits a sample."""
    if image.format == "PNG":
        return data[_PNG_BIT_DEPTH] == 16
    if image.format == "AVIF":
        return frame_count(image) == 1 and coded_bits(data) > 8
    if image.format == "HEIF":
        return _heif_bits(image) > 8
    if image.format == "JXL":
        return (read_jxl_header(data).bits or 0) > 8
    return image.mode.startswith("I") or (image.format == "PPM" and (_ppm_maximum(image) or 0) > 255)


def is_float_jxl(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether the file `data`, Pillow's `image`, is a JPEG XL of floats, whose plugin cuts them to 8 bits."""
    return image.format == "JXL" and read_jxl_header(data).bits is None


def sixteen_bit_png(data: bytes) -> Frame:
    """(H, W, C) uint16 of a PNG of 16 bits."""
    import imagecodecs

    samples = imagecodecs.png_decode(data)
    return samples.reshape(*samples.shape[:2], -1)


def _heif_bits(image: ImageFile.ImageFile) -> int:
    """Bits of a channel of the main picture."""
    return int(image.info.get("bit_depth") or 8)


def _read_heif(data: bytes, bits: int) -> Frame:
    """uint16 of the main picture, whose samples libheif puts at the upper end of 16 bits."""
    import pillow_heif

    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    return _stretched(np.asarray(file) >> (16 - bits), 2**bits - 1, np.uint16)


def _ppm_maximum(image: ImageFile.ImageFile) -> int | None:
    """The sample that means full in a grey or colour PPM; None for the kinds that Pillow reads well."""
    codec, arguments = image.tile[0].codec_name, image.tile[0].args
    if codec == "raw":
        return 65535 if arguments == "I;16B" else None
    return int(arguments[-1]) if isinstance(arguments, tuple) and image.mode != "1" else None


def _read_ppm(data: bytes, maximum: int) -> Frame:
    """uint8 for a `maximum` up to 255, uint16 above it, with the range stretched to the type's."""
    import netpbmfile

    with netpbmfile.NetpbmFile(io.BytesIO(data)) as file:
        samples, colours = file.asarray(), file.magicnumber in ("P3", "P6")
    while samples.ndim > 2 + colours:  # several pictures in a row: the first, as everyone reads it
        samples = samples[0]
    if samples.max() > maximum:
        raise InputError(f"it has samples over its maximum of {maximum}")
    return _stretched(samples, maximum, np.uint8 if maximum < 256 else np.uint16)


def _stretched(samples: NDArray[Any], maximum: int, dtype: type[np.uint8 | np.uint16]) -> Frame:
    """`samples` of which `maximum` means full as samples of `dtype`."""
    top = np.iinfo(dtype).max
    if maximum == top:
        return samples.astype(dtype)
    return ((samples.astype(np.uint64) * top + maximum // 2) // maximum).astype(dtype)
