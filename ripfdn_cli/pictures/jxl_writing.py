"""JPEG XL of 16 bits, which its Pillow plugin can't write: the codestream by libjxl through imagecodecs."""

import struct

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.pictures.exif import HEAD

_NO_OFFSET = bytes(4)
"""Bytes between the start of an Exif box's content and the TIFF header in it (ISO/IEC 18181-2, 9.3)."""


def encode_sixteen_bit_jxl(
    frame: NDArray[np.uint16], *, quality: int | None, exif: bytes | None, xmp: bytes | None
) -> bytes:
    """`frame` (H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA, as a file. `quality` 1 to 100 as libjxl
    counts it; None is lossless.
    """
    import imagecodecs

    samples = frame[..., 0] if frame.shape[2] == 1 else frame
    how = {"lossless": True} if quality is None else {"lossless": False, "level": quality}
    content = bytes(imagecodecs.jpegxl_encode(samples, usecontainer=True, **how))
    if exif is not None:
        content += _box(b"Exif", _NO_OFFSET + exif.removeprefix(HEAD))
    return content if xmp is None else content + _box(b"xml ", xmp)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
