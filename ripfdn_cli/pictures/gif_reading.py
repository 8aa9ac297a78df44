"""GIF files read, still and animated: their blocks after the GIF89a specification, their frames composed as
browsers do, on a canvas that is transparent until something is drawn. Pillow decompresses each.

Pillow composes them otherwise: what no frame has drawn, or what is cleared, it fills with some entry's colour
where it finds no transparent one, which no viewer shows.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.frame_composition import Disposal, Part, composed
from ripfdn_cli.pictures.gif_files import GIF_UNIT
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Animation, Frame, Picture, check_size, without_opaque_alpha

_HEAD_SIZE, _FLAGS_AT = 13, 10
_HAS_PALETTE, _INTERLACED, _HAS_TRANSPARENT = 0x80, 0x40, 0x01
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _COMMENT, _APPLICATION = 0xF9, 0xFE, 0xFF
_LOOPS = b"NETSCAPE2.0\x01"
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE, 4: Disposal.RESTORE}
"""4 is what some programs took for 3."""

Block = tuple[int, bytes]
"""An extension's label and its content, or `_IMAGE` and all that follows that byte."""


def decode_gif(data: bytes, max_pixels: int) -> Picture:
    """The picture in the GIF file `data`, which Pillow has opened; a frame that reaches past the canvas
    enlarges it. Raises InputError for more than `max_pixels` in all, and whatever Pillow raises for damage.
    """
    palette, position = _palette(data, _HEAD_SIZE, data[_FLAGS_AT])
    images, comments, plays, control = list[_Image](), list[bytes](), 1, b""
    for kind, content in _blocks(data, position):
        if kind == _IMAGE:
            images.append(_image(content, palette, control))
            control = b""
        elif kind == _CONTROL:
            control = content
        elif kind == _COMMENT:
            comments.append(content)
        elif kind == _APPLICATION and content.startswith(_LOOPS):
            plays = _plays(content)
    width, height = struct.unpack_from("<HH", data, 6)
    width = max(width, *(image.left + image.width for image in images))
    height = max(height, *(image.top + image.height for image in images))
    check_size(width, height, len(images), max_pixels)
    frames = without_opaque_alpha(composed(map(_part, images), height, width))
    metadata = Metadata(comment=b"\n".join(filter(None, comments)) or None)
    if len(frames) > 1:
        animation = Animation(tuple(float(GIF_UNIT * image.delay) for image in images), plays)
        return Picture(frames, format_named("gif"), metadata, animation)
    if (images[0].colours[:, :3] == images[0].colours[:, :1]).all():
        frames = (np.ascontiguousarray(np.delete(frames[0], (1, 2), axis=2)),)
    return Picture(frames, format_named("gif"), metadata)


@dataclass(frozen=True)
class _Image:
    """`colours` (256, 4) are RGBA, `rows` are compressed; `delay` is in hundredths of a second."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    colours: NDArray[np.uint8]
    rows: bytes
    disposal: Disposal
    delay: int


def _blocks(data: bytes, position: int) -> Iterator[Block]:
    """What begins at `position`, up to the end. Bytes that begin no block are passed over."""
    while position < len(data) and data[position] != _END:
        start, kind = position, data[position]
        position += 1
        if kind == _IMAGE:
            flags = data[start + 9]
            palette_size = 3 << (flags & 7) + 1 if flags & _HAS_PALETTE else 0
            position = _end_of_parts(data, start + 11 + palette_size)
            yield kind, data[start + 1 : position]
        elif kind == _EXTENSION:
            position = _end_of_parts(data, start + 2)
            yield data[start + 1], _joined(data[start + 2 : position])


def _image(content: bytes, palette: NDArray[np.uint8], control: bytes) -> _Image:
    """That of a block, with the file's `palette` unless it has its own, and the `control` before it."""
    left, top, width, height, flags = struct.unpack_from("<HHHHB", content)
    own, position = _palette(content, 9, flags)
    colours = (own if flags & _HAS_PALETTE else palette).copy()
    packed, delay, transparent = struct.unpack_from("<BHB", control or bytes(4))
    if packed & _HAS_TRANSPARENT:
        colours[transparent] = 0
    disposal = _DISPOSALS.get(packed >> 2 & 7, Disposal.KEEP)
    interlaced = bool(flags & _INTERLACED)
    return _Image(left, top, width, height, interlaced, colours, content[position:], disposal, delay)


def _part(image: _Image) -> Part:
    """`image` decompressed by Pillow, as a file of its own, which without a palette gives the indices."""
    size = struct.pack("<HH", image.width, image.height)
    descriptor = bytes((_IMAGE, *bytes(4), *size, _INTERLACED * image.interlaced))
    content = b"GIF89a" + size + bytes(3) + descriptor + image.rows + bytes((_END,))
    with Image.open(io.BytesIO(content), formats=["GIF"]) as indices:
        pixels: Frame = image.colours[np.asarray(indices)]
    return Part(pixels, image.left, image.top, image.disposal, blended=True)


def _palette(data: bytes, position: int, flags: int) -> tuple[NDArray[np.uint8], int]:
    """The opaque colours (256, 4) at `position`, and where they end: of a file that has none greys; what is
    past the end of a palette is black.
    """
    colours = np.full((256, 4), 255, np.uint8)
    if not flags & _HAS_PALETTE:
        colours[:, :3] = np.arange(256)[:, None]
        return colours, position
    end = position + (3 << (flags & 7) + 1)
    stored = np.frombuffer(data[position:end], np.uint8).reshape(-1, 3)
    colours[:, :3] = 0
    colours[: len(stored), :3] = stored
    return colours, end


def _plays(content: bytes) -> int:
    """Of a file that says how often it is repeated, which browsers count so; 0 is for ever."""
    repetitions = int.from_bytes(content[len(_LOOPS) : len(_LOOPS) + 2], "little")
    return repetitions + 1 if repetitions else 0


def _end_of_parts(data: bytes, position: int) -> int:
    """Where the parts of a block that begin at `position` end, each after its length."""
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _joined(parts: bytes) -> bytes:
    content, position = b"", 0
    while position < len(parts):
        content += parts[position + 1 : position + 1 + parts[position]]
        position += 1 + parts[position]
    return content
