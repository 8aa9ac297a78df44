"""Frames into closed segments: files of one encoder's output that start with a keyframe and refer to no
other.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from ripfdn_cli.errors import InternalError, UnavailableError, UsageError
from ripfdn_cli.files.atomic_file import output_error, replacing
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.video.codecs import Codec, EncoderChoices
from ripfdn_cli.video.colour import WRITTEN_CHROMA, ColourTags, FromRgb
from ripfdn_cli.video.hdr import HdrMetadata
from ripfdn_cli.video.pixel_formats import described
from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction, open_output, warnings_of_ffmpeg
from ripfdn_cli.video.timeline import Ticks
from ripfdn_cli.video.yuv import frame_of, yuv_format

_READ_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": "nut,mov,matroska,webm"}
# Not EPERM: it is -1, which is what some muxers say of anything they don't take.
_FILE_ERRORS = {
    errno.ENOSPC,
    errno.EFBIG,
    errno.EDQUOT,
    errno.EIO,
    errno.EACCES,
    errno.ENOENT,
    errno.EROFS,
}

_ON_ITS_OWN_CLOCK = "matroska"
"""This muxer's clock is a millisecond: whatever a tick is, it is written as one of those."""
_MILLISECOND = Fraction(1, 1000)
_DEEPEST_REORDERING = 16
"""Frames that H.264 and H.265 can hold back at most (the sizes of their decoded picture buffers)."""

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes to stderr by itself; 1 is errors only


@dataclass(frozen=True)
class EncoderSettings:
    """Everything that an encoder is told."""

    codec: Codec
    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    rate: Fraction
    tags: ColourTags = field(default_factory=ColourTags)
    hdr: HdrMetadata = field(default_factory=HdrMetadata)
    sample_aspect_ratio: Fraction = Fraction(1)
    choices: EncoderChoices = field(default_factory=EncoderChoices)

    def __post_init__(self) -> None:
        columns, lines = side_steps(self.codec, self.pixel_format)
        if self.width % columns or self.height % lines:
            even = f"{self.width + self.width % 2}×{self.height + self.height % 2}"
            raise UsageError(
                f"the result is {self.width}×{self.height} px and {self.codec.title} has even sides only "
                f"in {self.pixel_format}; ask for {even} with `width` and `height`, or use "
                "`pixel_format=yuv444p`"
            )

    @property
    def has_alpha(self) -> bool:
        """Whether the pixel format has an alpha channel."""
        return described(self.pixel_format).has_alpha

    @property
    def segment_muxer(self) -> str:
        """FFmpeg's name of the container of a segment."""
        return (self.has_alpha and self.codec.alpha_segment_muxer) or self.codec.segment_muxer

    @property
    def options(self) -> dict[str, str]:
        """FFmpeg's options for the encoder. Raises UsageError for what it doesn't have."""
        threads = {} if self.codec.most_threads is None else {"threads": str(self._threads)}
        return threads | self.codec.encoder_options(self.choices, self.hdr, alpha=self.has_alpha)

    @property
    def _threads(self) -> int:
        """Where their number shapes the result, by the size alone, not by the machine: a thread for two rows
        of blocks, as x264 has it at most.
        """
        return min(self.codec.most_threads or 1, max(1, -(-self.height // 16) // 2))

    @property
    def frame_bytes(self) -> float:
        """About what a frame takes in a file."""
        if self.choices.bitrate is not None:
            return float(self.choices.bitrate / 8 / self.rate)
        return self.width * self.height * self.codec.bits_per_pixel / 8

    @property
    def layout(self) -> YuvFormat | None:
        """The format of frames that need no conversion; None where it is not one that devices write."""
        return yuv_format(self.pixel_format, self.width, self.height, self.tags, WRITTEN_CHROMA)

    def describe(self) -> dict[str, Any]:
        """What makes two encodings differ, for a journal."""
        return {
            "codec": self.codec.name,
            "options": self.options,
            "pixel_format": self.pixel_format,
            "size": [self.width, self.height],
            "time_base": str(self.time_base),
            "colour": [self.tags.matrix, self.tags.primaries, self.tags.transfer, self.tags.full_range],
            "aspect": str(self.sample_aspect_ratio),
        }


def side_steps(codec: Codec, pixel_format: str) -> tuple[int, int]:
    """The px of which width and height are multiples in what `codec` writes in this format."""
    columns, lines = described(pixel_format).chroma
    return 1 + (codec.even_sides and columns < 8), 1 + (codec.even_sides and lines < 8)


@dataclass(frozen=True)
class Segment:
    """A closed segment in a file: its frames, and what to subtract from its timestamps for the real ones."""

    frames: int
    offset: int
    size: int
    sha256: str


class SegmentWriter:
    """Encodes frames into an open segment."""

    def __init__(self, container: OutputContainer, settings: EncoderSettings) -> None:
        self._container, self._settings = container, settings
        self._stream = add_encoder(container, settings)
        self._to_yuv: FromRgb | None = None
        self._pts: list[int] = []
        self._delay = 0 if self._stream.codec.intra_only else _DEEPEST_REORDERING
        self.packets = 0
        self.time_base = settings.time_base

    def add(
        self, pixels: NDArray[Any], pts: int, duration: int, carrier: av.VideoFrame | None = None
    ) -> None:
        """`pixels` (H, W, 3 or 4) RGB or RGBA, uint8 or uint16, or samples (K,) in the `layout` of the
        settings, shows at `pts`, later than any before.
        """
        if self._pts and pts <= self._pts[-1]:
            raise InternalError(f"frame at {pts} after one at {self._pts[-1]}")
        frame = self._frame(pixels, carrier)
        frame.pts, frame.time_base, frame.duration = pts, self._settings.time_base, duration
        self._pts.append(pts)
        self._write(self._stream.encode(frame))

    def _frame(self, pixels: NDArray[Any], carrier: av.VideoFrame | None) -> av.VideoFrame:
        settings = self._settings
        if pixels.ndim == 1:
            assert settings.layout is not None
            return frame_of(pixels, settings.layout, settings.tags, carrier)
        if self._to_yuv is None:
            self._to_yuv = FromRgb(pixels, settings.pixel_format, settings.tags)
        return self._to_yuv(pixels, carrier)

    @property
    def frames(self) -> int:
        """The number of frames given so far."""
        return len(self._pts)

    @property
    def offset(self) -> int | None:
        """What was subtracted from the timestamps, so that the file's begin with 0; None without frames."""
        return decoding_time(self._pts, 0, self._delay) if self._pts else None

    def flush(self) -> None:
        """Write what the encoder still holds. Raises InternalError if frames and packets differ in number."""
        self._write(self._stream.encode(None))
        if self.packets != self.frames:
            raise InternalError(f"{self.frames} frames gave {self.packets} packets")

    def _write(self, packets: list[AnyPacket]) -> None:
        for packet in packets:
            if packet.pts is None:
                raise InternalError("the encoder gave a packet without a timestamp")
            # Encoders' own decoding times are not used: of one or two frames, x265's are garbage.
            first, dts = (decoding_time(self._pts, number, self._delay) for number in (0, self.packets))
            packet.pts, packet.dts = packet.pts - first, dts - first
            if self._settings.segment_muxer == _ON_ITS_OWN_CLOCK:
                packet.time_base = _MILLISECOND
            self.packets += 1
            self._container.mux(packet)


@dataclass
class WrittenSegment:
    """What `segment_writer` made, known once its block has ended."""

    writer: SegmentWriter
    segment: Segment | None = None


@contextmanager
def segment_writer(path: Path, settings: EncoderSettings) -> Iterator[WrittenSegment]:
    """A writer for the segment `path`, which appears, fsynced, when the block ends without an exception.

    Raises OutputError where the file can't be written, UsageError and UnavailableError where the encoder
    refuses its settings.
    """
    with replacing(path) as file, writing(path):
        with open_output(
            f"file:{file.name}", settings.segment_muxer, _segment_options(settings)
        ) as container:
            written = WrittenSegment(SegmentWriter(container, settings))
            yield written
            written.writer.flush()
        written.segment = _checked(Path(file.name), written.writer)


def _segment_options(settings: EncoderSettings) -> dict[str, str]:
    return {"avoid_negative_ts": "disabled"} if settings.segment_muxer == _ON_ITS_OWN_CLOCK else {}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Errors of FFmpeg while writing `path` as ours: of the file system as OutputError, others as faults."""
    try:
        yield
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _FILE_ERRORS:
            raise output_error(path, OSError(error.errno, os.strerror(error.errno))) from error
        reason = getattr(error, "strerror", None) or error
        raise InternalError(f"FFmpeg can't write {path}: {reason}") from error


def add_encoder(container: OutputContainer, settings: EncoderSettings) -> av.VideoStream:
    """A stream in `container` with an open encoder. Raises UsageError, UnavailableError."""
    codec, options = settings.codec, _for_this_machine(settings)
    stream: Any = container.add_stream(
        codec.encoder,
        rate=settings.rate.limit_denominator(1_000_000),
        options=options,
        width=settings.width,
        height=settings.height,
    )
    context = stream.codec_context
    context.pix_fmt = settings.pixel_format
    context.time_base = stream.time_base = settings.time_base
    context.sample_aspect_ratio = settings.sample_aspect_ratio
    put_tags(context, settings.tags)
    if codec.most_threads is not None:
        context.thread_type = "FRAME"  # PyAV's is by slices, which cost x264 bits, and race each other
    refusal: av.FFmpegError | None = None
    with warnings_of_ffmpeg() as warnings:
        try:
            context.open()
        except av.FFmpegError as error:
            refusal = error
    _check_options(settings, warnings)
    if refusal is not None:
        raise _refused(settings, refusal) from refusal
    return stream  # type: ignore[no-any-return]


def _for_this_machine(settings: EncoderSettings) -> dict[str, str]:
    """The options of `settings`, and what makes them give the same on every machine."""
    codec, options = settings.codec, settings.options
    if not codec.without_avx512 or not _has_avx512():
        return options
    assert codec.parameters_option is not None
    stated = options.get(codec.parameters_option)
    parameters = [*codec.without_avx512, *([] if stated is None else [stated])]
    return options | {codec.parameters_option: ":".join(parameters)}


def _has_avx512() -> bool:
    """By what NumPy has found out for itself."""
    found = getattr(np._core._multiarray_umath, "__cpu_features__", {})  # type: ignore[attr-defined]
    return bool(found.get("AVX512F"))


def _check_options(settings: EncoderSettings, warnings: list[str]) -> None:
    """Encoders' own libraries only warn of options that they don't know or can't read."""
    for name, value in settings.choices.options:
        warned = [text for text in warnings if name in text or value in text]
        if warned:
            raise UsageError(f"`encoder_options` {name}={value}: {settings.codec.title} says {warned[0]!r}")


def put_tags(context: Any, tags: ColourTags) -> None:
    """Write `tags` into a codec context."""
    context.colorspace, context.color_primaries, context.color_trc = (
        tags.matrix,
        tags.primaries,
        tags.transfer,
    )
    context.color_range = 2 if tags.full_range else 1


def decoding_time(pts: Ticks | list[int], number: int, delay: int, step: int = 1) -> int:
    """When packet `number`, in coding order, is to be decoded, for frames that show at `pts` (rising): at the
    `number`-th of those times, `delay` frames earlier, which are `step` apart before the first.
    """
    return int(pts[number - delay]) if number >= delay else int(pts[0]) - (delay - number) * step


def segment_packets(path: Path, segment: Segment, time_base: Fraction) -> Iterator[AnyPacket]:
    """The packets of `segment`, whose file is `path`, in coding order, with their own timestamps in
    `time_base`. Raises InternalError where they are not those that were written.
    """
    count = 0
    with av.open(f"file:{path}", options=_READ_OPTIONS) as container:
        stream = container.streams.video[0]
        own_clock = container.format.name.startswith(_ON_ITS_OWN_CLOCK)
        ratio = Fraction(1) if own_clock else as_fraction(stream.time_base) / time_base
        for packet in container.demux(stream):
            if not packet.size:
                continue
            ticks = packet.pts * ratio if packet.pts is not None else None
            if ticks is None or ticks.denominator != 1:
                raise InternalError(f"{path}: a packet has no valid timestamp")
            packet.pts, packet.dts, packet.time_base = int(ticks) + segment.offset, None, time_base
            count += 1
            yield packet
    if count != segment.frames:
        raise InternalError(f"{path} has {count} packets instead of {segment.frames}")


def open_segment(path: Path) -> InputContainer:
    """A segment's file, to take the form of a stream from."""
    return av.open(f"file:{path}", options=_READ_OPTIONS)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hex. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checked(path: Path, writer: SegmentWriter) -> Segment:
    """Read back what was written: libavformat reports some errors of a full disk to nobody."""
    if writer.offset is None:
        raise InternalError("a segment without frames")
    segment = Segment(writer.frames, writer.offset, path.stat().st_size, file_sha256(path))
    for _ in segment_packets(path, segment, writer.time_base):
        pass
    return segment


def _refused(settings: EncoderSettings, error: av.FFmpegError) -> UsageError:
    codec, reason = settings.codec, error.strerror or str(error)
    if codec.name != codec.encoder or codec.encoder in ("prores_ks", "ffv1"):
        kind, advice = UsageError, "try another `codec`, `pixel_format` or size"
    else:
        kind, advice = UnavailableError, "it needs its maker's hardware and driver; use `codec` x264 or x265"
    return kind(
        f"{codec.title} refuses {settings.width}×{settings.height} px in {settings.pixel_format} "
        f"({reason}); {advice}"
    )
