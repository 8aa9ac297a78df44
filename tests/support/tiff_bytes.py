"""TIFFs written tag by tag, as no careful program would; and what two other readers make of them."""

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHORT, LONG = 3, 4
_SIZES = {1: 1, 2: 1, SHORT: 2, LONG: 4, 5: 8}
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
OFFSETS, SAMPLES, ROWS, COUNTS, PLANAR, COLOURMAP, EXTRA = 273, 277, 278, 279, 284, 320, 338
SUBFILE, SAMPLE_FORMAT, SUBSAMPLING = 254, 339, 530

Tags = Mapping[int, Sequence[int] | None]
"""Code → values; None leaves out a tag that there would be."""


def tiff_bytes(*pages: tuple[NDArray[Any] | bytes, Tags]) -> bytes:
    """A little-endian TIFF of these pages: an array (H, W) or (H, W, S), or encoded bytes, and tags over
    those that describe the array as one uncompressed strip, grey or RGB.
    """
    out = bytearray(b"II*\0\0\0\0\0")
    link = 4
    for pixels, changes in pages:
        data = pixels if isinstance(pixels, bytes) else pixels.tobytes()
        tags = _tags_of(pixels) | {OFFSETS: [len(out)], COUNTS: [len(data)]} | dict(changes)
        out += data + bytes(len(data) % 2)
        out[link : link + 4] = struct.pack("<I", len(out))
        link = _add_directory(out, {code: values for code, values in tags.items() if values is not None})
    return bytes(out)


def _tags_of(pixels: NDArray[Any] | bytes) -> dict[int, Sequence[int] | None]:
    if isinstance(pixels, bytes):
        return {}
    height, width, *more = pixels.shape
    samples = more[0] if more else 1
    return {
        WIDTH: [width],
        HEIGHT: [height],
        BITS: [8 * pixels.dtype.itemsize] * samples,
        COMPRESSION: [1],
        PHOTOMETRIC: [2 if samples >= 3 else 1],
        SAMPLES: [samples],
        ROWS: [height],
        SAMPLE_FORMAT: [{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * samples,
    }


def _add_directory(out: bytearray, tags: Mapping[int, Sequence[int]]) -> int:
    """Where the offset of the next directory goes."""
    start = len(out)
    body_at = start + 2 + 12 * len(tags) + 4
    entries, body = b"", b""
    for code, values in sorted(tags.items()):
        kind = LONG if code in (OFFSETS, COUNTS, WIDTH, HEIGHT, ROWS, SUBFILE) else SHORT
        packed = struct.pack(f"<{len(values)}{'I' if kind == LONG else 'H'}", *values)
        entries += struct.pack("<HHI", code, kind, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", body_at + len(body))
            body += packed
    out += struct.pack("<H", len(tags)) + entries + bytes(4) + body
    return start + 2 + 12 * len(tags)


def libtiffs_rgba(data: bytes, page: int = 0) -> NDArray[np.uint8]:
    """(H, W, 4) as libtiff's own converter shows the page, alpha multiplied in."""
    pixels: NDArray[np.uint8] = imagecodecs.tiff_decode(data, page, asrgb=True)
    return pixels


def pillows_rgba(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"))


def as_rgba(frame: NDArray[np.uint8], *, premultiplied: bool) -> NDArray[np.uint8]:
    """A frame of ours as those readers give theirs."""
    if frame.shape[2] in (1, 2):
        frame = frame[..., [0, 0, 0, *([1] if frame.shape[2] == 2 else [])]]
    alpha = frame[..., 3:] if frame.shape[2] == 4 else np.full_like(frame[..., :1], 255)
    colours = frame[..., :3]
    if premultiplied:
        colours = np.rint(colours * (alpha / 255)).astype(np.uint8)
    return np.concatenate([colours, alpha], axis=2)
