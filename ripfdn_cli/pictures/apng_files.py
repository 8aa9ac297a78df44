"""Animated PNG (PNG specification, third edition, 11.3.4 and 13.14 to 13.16): frames composed as the
specification says, at 8 or 16 bits, and written each where it differs from the one before.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.frame_composition import Disposal, Part, composed
from ripfdn_cli.pictures.picture import Animation, Frame

_SIGNATURE_SIZE = 8
_DISPOSALS = {1: Disposal.CLEAR, 2: Disposal.RESTORE}
_MOST = 65535
_MOST_PLAYS = 2**31 - 1


def encode_apng(
    still: bytes, frames: Sequence[Frame], animation: Animation, png_of: Callable[[Frame], bytes]
) -> bytes:
    """The PNG file `still`, of the first of `frames`, with the others as its animation; `png_of` makes a PNG
    of a part of one.

    Every frame stays one, also where it equals its neighbour, and replaces what it covers: nothing is blended
    or disposed of, in which readers differ.
    """
    numbers = iter(range(2**31))
    first = 1 if animation.has_still else 0
    moving = frames[first:]
    chunks = list(_chunks(still))
    head = [chunk for chunk in chunks if chunk[0] not in (b"IDAT", b"IEND")]
    parts = [still[:_SIGNATURE_SIZE], _chunk(*head[0])]
    parts.append(_chunk(b"acTL", struct.pack(">II", len(moving), min(animation.plays, _MOST_PLAYS))))
    parts += [_chunk(*chunk) for chunk in head[1:]]
    if not animation.has_still:
        parts.append(_frame_control(next(numbers), moving[0], (0, 0), animation.durations[0]))
    parts += [_chunk(*chunk) for chunk in chunks if chunk[0] == b"IDAT"]
    for number in range(0 if animation.has_still else 1, len(moving)):
        frame = moving[number]
        before = moving[number - 1] if number else None
        part, corner = _changed(before, frame)
        parts.append(_frame_control(next(numbers), part, corner, animation.durations[first + number]))
        for kind, content in _chunks(png_of(part)):
            if kind == b"IDAT":
                parts.append(_chunk(b"fdAT", struct.pack(">I", next(numbers)) + content))
    return b"".join([*parts, _chunk(b"IEND", b"")])


def decode_apng(data: bytes, decode_png: Callable[[bytes], Frame]) -> tuple[list[Frame], Animation]:
    """The frames of the animated PNG `data` as they show; `decode_png` decodes a PNG of one part, all with
    the same channels. Raises InputError.
    """
    chunks = list(_chunks(data))
    (_, header), *others = chunks
    shared = [chunk for chunk in others if chunk[0] in (b"PLTE", b"tRNS")]
    still, parts = _parts(others)
    width, height = struct.unpack_from(">II", header)

    def decoded(size: bytes, content: bytes) -> Frame:
        whole = [(b"IHDR", size + header[8:]), *shared, (b"IDAT", content), (b"IEND", b"")]
        return decode_png(data[:_SIGNATURE_SIZE] + b"".join(_chunk(*chunk) for chunk in whole))

    placed = (_placed(decoded(control[4:12], content), control) for control, content in parts)
    frames = [] if still is None else [decoded(header[:8], still)]
    frames += composed(placed, height, width)
    durations = [_duration(control) for control, _ in parts]
    count, plays = next(struct.unpack(">II", content) for kind, content in others if kind == b"acTL")
    if count != len(parts):
        raise InputError(f"it has {len(parts)} of the {count} frames that its header states")
    return frames, Animation((*([] if still is None else [0.0]), *durations), plays, still is not None)


_Part = tuple[bytes, bytes]
"""The control chunk of a frame, and its compressed rows."""


def _parts(chunks: Sequence[tuple[bytes, bytes]]) -> tuple[bytes | None, list[_Part]]:
    """The rows of the picture that is no frame, if there is one, and the frames."""
    still, parts = b"", list[_Part]()
    for kind, content in chunks:
        if kind == b"fcTL":
            parts.append((content, b""))
        elif kind == b"IDAT" and not parts:
            still += content
        elif kind in (b"IDAT", b"fdAT") and parts:
            parts[-1] = parts[-1][0], parts[-1][1] + (content if kind == b"IDAT" else content[4:])
    return still or None, parts


def _placed(pixels: Frame, control: bytes) -> Part:
    left, top, disposal, blend = struct.unpack_from(">II4xBB", control, 12)
    return Part(pixels, left, top, _DISPOSALS.get(disposal, Disposal.KEEP), blended=blend == 1)


def _duration(control: bytes) -> float:
    numerator, denominator = struct.unpack_from(">HH", control, 20)
    return float(1000 * numerator / (denominator or 100))


def _changed(before: Frame | None, frame: Frame) -> tuple[Frame, tuple[int, int]]:
    """The smallest rectangle of `frame` that holds all that differs from `before`, and its left and top."""
    if before is None:
        return frame, (0, 0)
    differs = (before != frame).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return frame[:1, :1], (0, 0)
    part = frame[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.ascontiguousarray(part), (int(columns[0]), int(rows[0]))


def _frame_control(number: int, part: Frame, corner: tuple[int, int], duration: float) -> bytes:
    delay = _delay(duration)
    return _chunk(
        b"fcTL",
        struct.pack(
            ">IIIIIHHBB",
            number,
            part.shape[1],
            part.shape[0],
            *corner,
            delay.numerator,
            delay.denominator,
            0,
            0,
        ),
    )


def _delay(duration: float) -> Fraction:
    """`duration` (ms) in seconds, of two numbers of 16 bits."""
    seconds = Fraction(min(duration / 1000, _MOST))
    return seconds.limit_denominator(int(_MOST / max(float(seconds), 1.0)))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = _SIGNATURE_SIZE
    while position + 12 <= len(png):
        size = int.from_bytes(png[position : position + 4], "big")
        yield png[position + 4 : position + 8], png[position + 8 : position + 8 + size]
        position += 12 + size
