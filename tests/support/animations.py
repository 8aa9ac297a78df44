"""Readers of animated GIF and PNG that share nothing with ours: by the specifications, Pillow and FFmpeg."""

import io
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import imagecodecs
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray
from PIL import Image

Frame = NDArray[Any]


@dataclass(frozen=True)
class GifFrame:
    """Indices (H, W) at `corner` (left, top), and what the file says of them; `delay` in hundredths."""

    indices: Frame
    corner: tuple[int, int]
    palette: list[tuple[int, int, int]]
    transparent: int | None
    disposal: int
    delay: int


@dataclass(frozen=True)
class Gif:
    size: tuple[int, int]
    background: int
    frames: list[GifFrame]


def parse_gif(data: bytes) -> Gif:
    """By the GIF89a specification."""
    assert data[:6] == b"GIF89a"
    width, height, flags, background = struct.unpack_from("<HHBB", data, 6)
    position = 13
    shared: list[tuple[int, int, int]] = []
    if flags & 0x80:
        shared, position = _colour_table(data, position, flags)
    frames: list[GifFrame] = []
    transparent, disposal, delay = None, 0, 0
    while data[position] != 0x3B:
        if data[position] == 0x21:
            kind, (content, position) = data[position + 1], _blocks(data, position + 2)
            if kind == 0xF9:
                packed, delay, index = struct.unpack_from("<BHB", content)
                transparent, disposal = (index if packed & 1 else None), packed >> 2 & 7
            continue
        assert data[position] == 0x2C
        left, top, across, down, packed = struct.unpack_from("<HHHHB", data, position + 1)
        position, palette = position + 10, shared
        if packed & 0x80:
            palette, position = _colour_table(data, position, packed)
        bits = data[position]
        content, position = _blocks(data, position + 1)
        indices = np.array(_lzw(content, bits)[: across * down], np.uint8).reshape(down, across)
        frames.append(GifFrame(indices, (left, top), palette, transparent, disposal, delay))
        transparent, disposal, delay = None, 0, 0
    return Gif((width, height), background, frames)


def gif_of(size: tuple[int, int], frames: list[GifFrame], background: int = 0) -> bytes:
    """A GIF of `frames`, whose palettes (the first one is the file's, too) have 128 colours."""
    content = b"GIF89a" + struct.pack("<HHBBB", *size, 0xF6, background, 0) + _table_of(frames[0])
    for frame in frames:
        flags = frame.disposal << 2 | (frame.transparent is not None)
        content += b"!\xf9\4" + struct.pack("<BHBx", flags, frame.delay, frame.transparent or 0)
        extent = (*frame.corner, frame.indices.shape[1], frame.indices.shape[0])
        content += b"," + struct.pack("<HHHHB", *extent, 0x86) + _table_of(frame) + b"\7"
        pixels = frame.indices.astype(np.uint8).tobytes()
        for start in range(0, len(pixels), 100):  # cleared before its codes grow longer than a byte
            codes = b"\x80" + pixels[start : start + 100] + (b"\x81" if start + 100 >= len(pixels) else b"")
            content += bytes((len(codes),)) + codes
        content += b"\0"
    return content + b";"


def composed_gif(data: bytes) -> list[Frame]:
    """Its frames as they show, RGBA; cleared to nothing where a frame that is cleared has a transparent
    entry, to the background's colour elsewhere.
    """
    gif = parse_gif(data)
    canvas = np.zeros((gif.size[1], gif.size[0], 4), np.uint8)
    shown = []
    for frame in gif.frames:
        (left, top), (height, width) = frame.corner, frame.indices.shape
        region = canvas[top : top + height, left : left + width]
        colours = np.array([(*colour, 255) for colour in frame.palette], np.uint8)[frame.indices]
        drawn = np.ones_like(frame.indices, bool)
        if frame.transparent is not None:
            drawn = frame.indices != frame.transparent
        region[drawn] = colours[drawn]
        shown.append(canvas.copy())
        if frame.disposal == 2:
            is_clear = frame.transparent == gif.background
            region[:] = 0 if is_clear else (*frame.palette[gif.background], 255)
    return shown


def read_by_pillow(data: bytes) -> list[Frame]:
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.array(image.convert("RGBA")))
        return frames


def read_by_ffmpeg(data: bytes, name: str) -> list[Frame]:
    with av.open(io.BytesIO(data), format=name) as container:
        assert isinstance(container, InputContainer)
        return [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]


def composed_apng(data: bytes) -> tuple[Frame, list[Frame], list[Fraction], int]:
    """The picture that programs show that can't play it, the frames of the animation, their delays (s) and
    how often it plays; of files whose frames replace what they cover (blend 0, disposal 0).
    """
    chunks, position = [], 8
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kind, content = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        assert zlib.crc32(kind + content) == int.from_bytes(data[position + 8 + size :][:4], "big")
        chunks.append((kind, content))
        position += 12 + size
    header = chunks[0][1]
    count, plays = struct.unpack(">II", dict(chunks)[b"acTL"])
    still = _png(header, b"".join(content for kind, content in chunks if kind == b"IDAT"))
    canvas = np.zeros_like(still)
    frames: list[Frame] = []
    delays: list[Fraction] = []
    numbers, pending, control = [], b"", b""

    def draw() -> None:
        _, width, height, left, top, num, den, disposal, blend = struct.unpack(">IIIIIHHBB", control)
        assert (disposal, blend) == (0, 0)
        part = _png(struct.pack(">II", width, height) + header[8:], pending)
        canvas[top : top + height, left : left + width] = part
        frames.append(canvas.copy())
        delays.append(Fraction(num, den))

    for kind, content in chunks:
        if kind in (b"fcTL", b"IEND") and control:
            draw()
        if kind == b"fcTL":
            control, pending = content, b""
            numbers.append(int.from_bytes(content[:4], "big"))
        if kind == b"fdAT":
            numbers.append(int.from_bytes(content[:4], "big"))
            pending += content[4:]
        if kind == b"IDAT" and control:
            pending += content
    assert numbers == list(range(len(numbers)))
    assert len(frames) == count
    return still, frames, delays, plays


def apng_of(
    frames: list[Frame], corners: list[tuple[int, int]], disposal: int, blend: int, times: int
) -> bytes:
    """An APNG of RGBA `frames` (8 bits) at `corners`, their samples times `times`: 257 makes 16 bits."""
    samples = [frame.astype(np.uint16) * times if times > 1 else frame for frame in frames]
    pngs = [bytes(imagecodecs.png_encode(frame)) for frame in samples]
    content, number = pngs[0][:33] + png_chunk(b"acTL", struct.pack(">II", len(frames), 0)), 0
    for index, (png, frame, corner) in enumerate(zip(pngs, frames, corners, strict=True)):
        size = (frame.shape[1], frame.shape[0])
        control = struct.pack(">IIIIIHHBB", number, *size, *corner, 1, 10, disposal, blend if index else 0)
        content, number = content + png_chunk(b"fcTL", control), number + 1
        position = 8
        while position < len(png):
            length = int.from_bytes(png[position : position + 4], "big")
            if png[position + 4 : position + 8] == b"IDAT":
                body = png[position + 8 : position + 8 + length]
                if index == 0:
                    content += png_chunk(b"IDAT", body)
                else:
                    content += png_chunk(b"fdAT", struct.pack(">I", number) + body)
                    number += 1
            position += 12 + length
    return content + png_chunk(b"IEND", b"")


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(header: bytes, content: bytes) -> Frame:
    """The samples (H, W, C) of a PNG with this header and these compressed rows."""
    data = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", content)
        + png_chunk(b"IEND", b"")
    )
    samples = np.asarray(imagecodecs.png_decode(data))
    return samples.reshape(*samples.shape[:2], -1)


def _table_of(frame: GifFrame) -> bytes:
    assert len(frame.palette) == 128
    return bytes(value for colour in frame.palette for value in colour)


def _colour_table(data: bytes, position: int, flags: int) -> tuple[list[tuple[int, int, int]], int]:
    count = 2 << (flags & 7)
    colours = list(struct.iter_unpack("BBB", data[position : position + 3 * count]))
    return [(red, green, blue) for red, green, blue in colours], position + 3 * count


def _blocks(data: bytes, position: int) -> tuple[bytes, int]:
    content = b""
    while data[position]:
        content += data[position + 1 : position + 1 + data[position]]
        position += 1 + data[position]
    return content, position + 1


def _lzw(content: bytes, bits: int) -> list[int]:
    clear, end = 1 << bits, (1 << bits) + 1
    number, place, width = int.from_bytes(content, "little"), 0, bits + 1
    table: list[list[int]] = []
    indices: list[int] = []
    before: list[int] | None = None
    while True:
        code = number >> place & (1 << width) - 1
        place += width
        if code == clear:
            table, width, before = [[i] for i in range(clear)] + [[], []], bits + 1, None
            continue
        if code == end:
            return indices
        if code < len(table):
            entry = table[code]
        else:
            assert before is not None
            entry = [*before, before[0]]
        indices += entry
        if before is not None and len(table) < 4096:
            table.append([*before, entry[0]])
        before = entry
        if len(table) == 1 << width and width < 12:
            width += 1
