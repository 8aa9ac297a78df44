"""Frames that come in and go out as a stream nobody can seek in: YUV4MPEG2 (y4m), which says what it holds,
and raw RGB, which doesn't.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Protocol, Self

import av
import numpy as np

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.picture import Frame, check_size
from ripfdn_cli.video.colour import FromRgb, ToRgb, colour_of, output_tags
from ripfdn_cli.video.frames import deinterlaced
from ripfdn_cli.video.pixel_formats import bits_of
from ripfdn_cli.video.pyav_versions import fraction
from ripfdn_cli.video.y4m_headers import LONGEST, Y4M, completed, stated_chroma

log = logging.getLogger(__name__)

Y4M_MAGIC = b"YUV4MPEG2"
_NAME = "stdin"
_BEYOND_THE_STANDARD: Any = {"strict": "-1"}  # what FFmpeg says of more than 8 bits, which all write alike


class FrameStream(Protocol):
    """Frames as they come, and a writer for what becomes of them."""

    samples: str
    """uint8 or uint16."""
    width: int
    height: int

    def frames(self) -> Iterator[Frame]:
        """(H, W, 3) RGB. Raises InputError where the stream is damaged or ends within a frame."""

    def writer(self, stream: BinaryIO, width: int, height: int) -> FrameWriter:
        """For results of `width` × `height` px."""


class FrameWriter(Protocol):
    """Writes frames to a stream, one after the other."""

    def add(self, pixels: Frame) -> None:
        """Write a frame, RGB, (H, W, 3)."""

    def close(self) -> None:
        """Write what is held back, if anything."""


@dataclass
class RawStream:
    """rgb24: frames of `width` × `height` px, three bytes a pixel and nothing between them."""

    stream: BinaryIO
    width: int
    height: int
    samples: str = "uint8"

    def frames(self) -> Iterator[Frame]:
        """The frames in order, RGB, (H, W, 3) in uint8. Raises InputError at one that is cut short."""
        size = 3 * self.width * self.height
        while data := self.stream.read(size):
            if len(data) < size:
                raise InputError(
                    f"{_NAME} ends within a frame, after {len(data)} of {size} bytes; check `raw`, and what "
                    "writes it"
                )
            yield np.frombuffer(data, np.uint8).reshape(self.height, self.width, 3)

    def writer(self, stream: BinaryIO, width: int, height: int) -> FrameWriter:
        """A writer of raw RGB to `stream`."""
        return _RawWriter(stream)


@dataclass
class _RawWriter:
    _stream: BinaryIO

    def add(self, pixels: Frame) -> None:
        self._stream.write(np.ascontiguousarray(pixels).data)
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


class Y4mStream:
    """The y4m `stream`, whose first bytes `head` are read already. Use as a context manager.

    Interlaced frames become whole ones. Raises InputError where it is none, or its frames have more than
    `max_pixels`.
    """

    def __init__(self, stream: BinaryIO, head: bytes, max_pixels: int) -> None:
        header = head + stream.readline(LONGEST)
        self._source = Resumed(header, stream)
        with ExitStack() as stack:
            try:
                self._container: Any = stack.enter_context(av.open(self._source, format=Y4M))
                self._video = self._container.streams.video[0]
            except (av.FFmpegError, IndexError) as error:
                raise _unreadable(error) from error
            self.width, self.height = self._video.width, self._video.height
            try:
                check_size(self.width, self.height, 1, max_pixels)
            except InputError as error:
                raise InputError(f"can't read {_NAME}: {error}") from error
            self._decoded = deinterlaced(self._decode(), _tell_interlaced)
            self._first = next(self._decoded, None)
            if self._first is None:
                raise InputError(f"{_NAME} has no frames")
            self._colour = colour_of(self._first, "rawvideo", stated_chroma(header))
            self._open = stack.pop_all()
        self.samples = "uint16" if bits_of(self._first.format) > 8 else "uint8"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def frames(self) -> Iterator[Frame]:
        """The frames in order, as RGB, (H, W, 3)."""
        assert self._first is not None
        to_rgb = ToRgb(self._first, self._colour)
        yield to_rgb(self._first)
        for frame in self._decoded:
            yield to_rgb(frame)

    def writer(self, stream: BinaryIO, width: int, height: int) -> FrameWriter:
        """A writer of YUV4MPEG2 to `stream`, for frames of `width`×`height` pixels."""
        log.info(
            "the frames keep their colours, in %s, which y4m can't state: tell the program that reads them",
            self._colour.tags,
        )
        return _Y4mWriter(self, stream, width, height)

    def _decode(self) -> Iterator[av.VideoFrame]:
        end = 0
        try:
            for packet in self._container.demux(self._video):
                if not packet.size:
                    continue
                # FRAME and its parameters, as long before each frame.
                header = packet.pos - end if end else len(b"FRAME\n")
                end = packet.pos + header + packet.size
                yield from packet.decode()
        except av.FFmpegError as error:
            raise _unreadable(error) from error
        if end and self._source.count > end:
            raise InputError(f"{_NAME} ends within a frame; check the program that writes it")

    def add_stream(self, container: Any, width: int, height: int) -> Any:
        """A stream in `container` for frames like these, in another size."""
        assert self._first is not None
        rate = fraction(self._video.average_rate) or Fraction(25)
        like: Any = container.add_stream("rawvideo", rate=rate, width=width, height=height)
        context = like.codec_context
        context.pix_fmt = self._first.format.name
        context.time_base = like.time_base = 1 / rate
        context.color_range = 2 if self._colour.tags.full_range else 1
        return like

    def aspect(self, width: int, height: int) -> Fraction | None:
        """The shape of a pixel, for frames of that size."""
        if (aspect := fraction(self._video.sample_aspect_ratio)) is None:
            return None
        return (aspect * Fraction(self.width * height, self.height * width)).limit_denominator(10_000)

    def from_rgb(self, like: Frame) -> FromRgb:
        """The conversion of frames like `like` to the stream's own pixel format and colours."""
        assert self._first is not None
        pixel_format = self._first.format.name
        return FromRgb(like, pixel_format, output_tags(self._colour.tags, pixel_format))


class _Y4mWriter:
    def __init__(self, source: Y4mStream, stream: BinaryIO, width: int, height: int) -> None:
        self._source, self._target = source, _Writable(stream, source.aspect(width, height))
        self._container: Any = av.open(self._target, "w", format=Y4M, container_options=_BEYOND_THE_STANDARD)
        self._stream = source.add_stream(self._container, width, height)
        self._from_rgb: FromRgb | None = None
        self._count = 0

    def add(self, pixels: Frame) -> None:
        if self._from_rgb is None:
            self._from_rgb = self._source.from_rgb(pixels)
        frame = self._from_rgb(pixels)
        frame.pts, frame.time_base = self._count, self._stream.time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))
        self._target.check()

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._target.check()


class Resumed(io.RawIOBase):
    """`head`, then what is left of `stream`; nobody can seek in it. `count`: bytes read so far."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream, self.count = head, stream, 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, with what was read before first; the number of bytes, 0 at the end."""
        size = len(buffer)
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            # What is there now: to wait for `size` bytes would hold back frames that are whole.
            stream = self._stream
            data = stream.read1(size) if isinstance(stream, io.BufferedReader) else stream.read(size)
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Writable:
    """`stream`, whose error isn't lost on its way through FFmpeg. The header, which is written first, gets
    what PyAV has no way to tell the muxer (see `y4m_headers.completed`).
    """

    def __init__(self, stream: BinaryIO, aspect: Fraction | None) -> None:
        self._stream, self._aspect, self._begun = stream, aspect, False
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        shown = data if self._begun else completed(data, self._aspect)
        self._begun = True
        try:
            self._stream.write(shown)
            self._stream.flush()
        except OSError as error:
            self._error = self._error or error
        return len(data)

    def check(self) -> None:
        if self._error is not None:
            raise self._error


def _tell_interlaced(number: int) -> None:
    log.info("%s is interlaced from frame %d on; its frames become whole ones, one for one", _NAME, number)


def _unreadable(error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"can't read {_NAME}: {reason}; send y4m, or give raw frames with `raw`")
