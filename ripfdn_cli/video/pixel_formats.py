"""What FFmpeg's pixel formats hold, derived from its own descriptions of them."""

from dataclasses import dataclass

import av


@dataclass(frozen=True)
class PixelFormat:
    """What frames of a format hold, however their samples lie in memory. `bits` a sample; `chroma`: columns
    and lines of chroma for 8×8 pixels of luma.
    """

    bits: int
    chroma: tuple[int, int]
    is_rgb: bool
    is_grey: bool
    has_alpha: bool


def described(name: str) -> PixelFormat:
    """What FFmpeg's format `name` holds."""
    return describe(av.VideoFormat(name, 8, 8))


def describe(pixel_format: av.VideoFormat) -> PixelFormat:
    """Bits, channels and layout of a pixel format of FFmpeg."""
    is_rgb = pixel_format.is_rgb or pixel_format.has_palette
    colours = [part for part in pixel_format.components if not part.is_alpha]
    return PixelFormat(
        bits=bits_of(pixel_format),
        chroma=(pixel_format.chroma_width(8), pixel_format.chroma_height(8)),
        is_rgb=is_rgb,
        is_grey=len(colours) == 1 and not is_rgb,
        has_alpha=alpha_of(pixel_format),
    )


def bits_of(pixel_format: av.VideoFormat) -> int:
    """Bits a sample."""
    return 8 if pixel_format.has_palette else max(part.bits for part in pixel_format.components)


def alpha_of(pixel_format: av.VideoFormat) -> bool:
    """Whether a format has an alpha channel, or a palette, whose entries have alpha."""
    return pixel_format.has_palette or any(part.is_alpha for part in pixel_format.components)


def is_encodable(name: str) -> bool:
    """Frames of the format can be made from RGB and given to an encoder: samples in memory (not on a device),
    integers in this machine's order, each of its own bytes, with the range told apart from the format.
    """
    pixel_format = av.VideoFormat(name, 8, 8)
    if not pixel_format.components or pixel_format.is_big_endian or pixel_format.has_palette:
        return False
    is_float = name.rstrip("bel").endswith(("f16", "f32"))
    return not (pixel_format.is_bit_stream or pixel_format.is_bayer or is_float or name.startswith("yuvj"))


def shows_the_same(decoded: str, encoded: str) -> bool:
    """Frames that were `encoded` in one format can come out of a decoder as `decoded`: the same planes in
    another order or range, or in more bits (ProRes 4444 has 12 in any case); grey as YUV without colours.
    """
    have, want = described(decoded), described(encoded)
    if have.bits < want.bits or (have.is_rgb, have.has_alpha) != (want.is_rgb, want.has_alpha):
        return False
    return want.is_grey or (have.chroma, have.is_grey) == (want.chroma, want.is_grey)
