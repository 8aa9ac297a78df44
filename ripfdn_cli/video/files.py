"""Video files: opened so that nothing else is, what they hold, and when their frames show. No torch, no
command line.
"""

import hashlib
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from ripfdn_cli.errors import InputError, OutOfMemoryError, RipfdnError
from ripfdn_cli.pictures.files import check_regular
from ripfdn_cli.pictures.picture import DEFAULT_MAX_PIXELS, check_size
from ripfdn_cli.video.colour import Colour, alpha_of, bits_of, colour_of
from ripfdn_cli.video.formats import DEMUXERS
from ripfdn_cli.video.hdr import HdrMetadata, hdr_metadata_of
from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction, fraction, open_input, side_data_of
from ripfdn_cli.video.timeline import SourceTimes, source_times

log = logging.getLogger(__name__)

_PROBED_FRAMES = 12
_PROBED_PACKETS = 500
_PROGRESSIVE = (0, 1)
_PADDED = 2
"""FFmpeg counts the padding of its lines in, which matters for small pictures."""
_LENIENT = "mjpeg"
"""FFmpeg's decoder that says nothing of most damage unless it is told to; others say the same either way."""
_VP8_SHOWN = 0x10
GENERATE_PTS = 1  # AVFMT_FLAG_GENPTS, which PyAV sets
CAPTIONS = "A53_CC"
"""FFmpeg's name for closed captions (ATSC A/53) inside a picture."""


@dataclass(frozen=True)
class VideoInfo:
    """What the video stream `index` of a file is, from its header and its first frames.

    `counted`: see `is_counted`. `start`: when the file starts, in seconds. `matrix`: FFmpeg's display matrix,
    for rotation and mirroring. `codes_fields`: each frame is a field only. `promised_frames`: what the header
    says, 0 where it doesn't; `probed`: how many of the first were decoded. `strict`: see `prepare`.
    """

    index: int
    codec: str
    width: int
    height: int
    pixel_format: str
    bits: int
    has_alpha: bool
    chroma: tuple[int, int]
    colour: Colour
    hdr: HdrMetadata
    sample_aspect_ratio: Fraction
    matrix: tuple[int, ...] | None
    is_interlaced: bool
    codes_fields: bool
    has_captions: bool
    counted: bool
    start: Fraction
    promised_frames: int
    probed: int
    strict: bool = False


@dataclass(frozen=True)
class Scan:
    """What reading every packet of a file tells. `sha256`: of all packets of all streams, in hexadecimal."""

    times: SourceTimes
    sha256: str
    copied_bytes: int


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever FFmpeg and PyAV raise for a damaged file becomes an InputError that names `path`."""
    try:
        yield
    except InputError as error:
        named = str(path) in str(error)
        raise error if named else InputError(f"can't read {path}: {error}") from error
    except RipfdnError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"out of memory while decoding {path}; close other programs") from error
    except (av.FFmpegError, ValueError, OverflowError, ZeroDivisionError, struct.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"can't read {path}: {reason}; check that it is a whole video") from error


@contextmanager
def opened(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Iterator[InputContainer]:
    """The video file `path`; nothing else is opened on its behalf. Raises InputError."""
    with reading(path):
        try:
            check_regular(path, path.stat())
        except OSError as error:
            raise InputError(f"{error.strerror}; check its name and permissions") from error
        # A name such as "concat:a|b" or "http:x" must stay a name.
        url = "file:" + os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
        options = {
            "protocol_whitelist": "file",
            "format_whitelist": ",".join(DEMUXERS),
            "max_pixels": str(_PADDED * max_pixels),
        }
        with open_input(url, options) as container:
            if is_counted(container):
                container.flags &= ~GENERATE_PTS
            yield container


def is_counted(container: InputContainer) -> bool:
    """AVI knows no timestamps: its frames show in turn, at the times that its packets have."""
    return bool(container.format.name == "avi")


def video_stream(container: InputContainer) -> av.VideoStream:
    """The stream to upscale: the default one, else the first, cover pictures aside. Raises InputError."""
    able = [stream for stream in container.streams.video if not is_cover(stream)]
    if not able:
        raise InputError("it has no video stream")
    default = [stream for stream in able if stream.disposition & av.stream.Disposition.default]
    stream = (default or able)[0]
    if stream.codec_context is None:
        raise InputError("its video is coded in a way that this build of FFmpeg can't decode")
    if fraction(stream.time_base) is None:
        raise InputError("its video stream has no time base")
    return stream


def position_of(container: InputContainer, index: int) -> int:
    """The place of stream `index` among the video streams of `container`."""
    return [stream.index for stream in container.streams.video].index(index)


def is_cover(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def probe(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> VideoInfo:
    """What the video in `path` is. Raises InputError for what can't be decoded or is not supported."""
    with opened(path, max_pixels=max_pixels) as container:
        stream = video_stream(container)
        check_size(stream.codec_context.width or 1, stream.codec_context.height or 1, 1, max_pixels)
        prepare(stream, max_pixels)
        frames = list(islice(_first_frames(container, stream), _PROBED_FRAMES))
        if not frames:
            raise InputError("none of its first frames can be decoded")
        info = _info(container, stream, frames)
    return replace(info, strict=info.codec == _LENIENT and _bears_strictness(path, info, max_pixels))


def _bears_strictness(path: Path, info: VideoInfo, max_pixels: int) -> bool:
    """Most of the first frames can be decoded by the letter, so that others that can't are damaged: some
    cameras write files that never can.
    """
    with opened(path, max_pixels=max_pixels) as container:
        stream = container.streams.video[position_of(container, info.index)]
        prepare(stream, max_pixels, strict=True)
        whole = sum(1 for _ in islice(_first_frames(container, stream), _PROBED_FRAMES))
    return 2 * whole > min(_PROBED_FRAMES, info.probed)


def scan(path: Path, index: int, *, complete: bool = True, fields: bool = False) -> Scan:
    """Read every packet of `path`, whose video stream is `index`. Raises InputError where the file is
    damaged or cut off; with `complete=False`, a cut-off file is what it is, with a warning.

    `fields`: packets may hold single fields; what is a frame is found out by decoding all of them.
    """
    digest, copied = hashlib.sha256(), 0
    pts: list[int | None] = []
    durations: list[int] = []
    with opened(path) as container:
        stream = container.streams.video[position_of(container, index)]
        codec = stream.codec_context.name
        for packet in _packets(container, complete):
            digest.update(struct.pack("<iq", packet.stream_index, packet.pts or 0))
            digest.update(packet)
            if packet.stream_index != index:
                copied += packet.size
            elif is_shown(packet, codec):
                pts.append(packet.dts if is_counted(container) else packet.pts)
                durations.append(packet.duration or 0)
        _check_whole(container, stream, len(pts), complete)
        base, rate = as_fraction(stream.time_base), fraction(stream.average_rate)
    frames = list(zip(pts, durations, strict=True))
    if fields:
        frames = without_second_fields(frames, _decoded_times(path, index))
    times = _timed(base, frames, rate if len(frames) == len(pts) else None)
    return Scan(times, digest.hexdigest(), copied)


def _timed(base: Fraction, frames: list[tuple[int | None, int]], rate: Fraction | None) -> SourceTimes:
    pts = [time for time, _ in frames if time is not None]
    if not frames:
        raise InputError("it has no frames")
    if len(pts) != len(frames):
        raise InputError(
            "it has frames without a timestamp; put it in another container first, "
            "or pass --deinterlace if it is interlaced"
        )
    return source_times(base, pts, [duration for _, duration in frames], rate)


def without_second_fields(
    packets: list[tuple[int | None, int]], decoded: set[int]
) -> list[tuple[int | None, int]]:
    """Those of `packets` (timestamps and durations, in coding order) that begin a frame, where others hold
    the second field of the frame before; `decoded` are the timestamps of the frames that came out.

    One that gave no frame counts as one, for nothing to be lost in silence, unless it follows a frame's first
    packet and its time is unknown or too soon for a frame.
    """
    steps = np.diff(sorted(decoded))
    frame = int(steps.min()) if len(steps) else 0
    kept: list[tuple[int | None, int]] = []
    first: int | None = None
    for time, duration in packets:
        if first is not None and time not in decoded and (time is None or 4 * (time - first) < 3 * frame):
            kept[-1], first = (first, 0), None  # how long both are shown isn't said
            continue
        kept.append((time, duration))
        first = time if time in decoded else None
    return kept


def _decoded_times(path: Path, index: int) -> set[int]:
    with opened(path) as container:
        stream = container.streams.video[position_of(container, index)]
        prepare(stream, DEFAULT_MAX_PIXELS)
        return {frame.pts for frame in decode_packets(container, stream) if frame.pts is not None}


def is_shown(packet: AnyPacket, codec: str) -> bool:
    """A frame is to come out of `packet`: not of one that an edit list skips, nor of VP8's hidden frames."""
    if not packet.size or packet.is_discard:
        return False
    # RFC 6386, section 9.1: bit 4 of the frame tag is show_frame.
    return codec != "vp8" or bool(memoryview(packet)[0] & _VP8_SHOWN)


def prepare(stream: av.VideoStream, max_pixels: int, *, strict: bool = False) -> None:
    """Decode with threads, and nothing larger than `max_pixels`; `strict`: what is not by the letter of its
    format is an error.
    """
    stream.thread_type = "AUTO"
    options = {"max_pixels": str(_PADDED * max_pixels)}
    stream.codec_context.options = options | ({"err_detect": "explode"} if strict else {})


def decode_packets(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded, in showing order; packets that can't be leave a gap."""
    for packet in container.demux(stream):
        if not packet.size:
            continue  # an empty packet would end the decoder's work
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            log.debug("a packet at %s can't be decoded: %s", packet.pts, error)
            continue
        yield from frames
    try:
        yield from stream.decode(None)
    except av.FFmpegError as error:
        log.debug("the end can't be decoded: %s", error)


def _first_frames(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    for packet in islice(container.demux(stream), _PROBED_PACKETS):
        if packet.size:
            try:
                yield from stream.decode(packet)
            except av.FFmpegError:
                continue
    try:
        yield from stream.decode(None)
    except av.FFmpegError:
        return


def _info(container: InputContainer, stream: av.VideoStream, frames: list[av.VideoFrame]) -> VideoInfo:
    context, first = stream.codec_context, frames[0]
    if first.format.name.startswith(("xyz", "bayer")) or first.format.name in ("cuda", "vaapi"):
        raise InputError(f"its pixels are {first.format.name}, which is not supported")
    matrix = side_data_of(first).get("DISPLAYMATRIX")
    start = Fraction(container.start_time or 0, 1_000_000)
    stream_start = None if stream.start_time is None else stream.start_time * as_fraction(stream.time_base)
    if stream_start is not None and abs(stream_start - start) < Fraction(1, 100_000):
        start = stream_start  # the file's own start is rounded to microseconds
    return VideoInfo(
        index=stream.index,
        codec=context.name,
        width=first.width,
        height=first.height,
        pixel_format=first.format.name,
        bits=bits_of(first.format),
        has_alpha=alpha_of(first.format),
        chroma=(first.format.chroma_width(8), first.format.chroma_height(8)),
        colour=colour_of(first, context.name),
        hdr=hdr_metadata_of(frames),
        sample_aspect_ratio=fraction(stream.sample_aspect_ratio) or Fraction(1),
        matrix=None if matrix is None else struct.unpack("=9i", bytes(matrix)[:36]),
        is_interlaced=context.field_order not in _PROGRESSIVE or any(f.interlaced_frame for f in frames),
        # FFmpeg marks pictures of H.265 only where they are fields (pic_struct of ITU-T H.265, table D.2).
        codes_fields=context.name == "hevc" and any(f.interlaced_frame for f in frames),
        has_captions=any(CAPTIONS in side_data_of(frame) for frame in frames),
        counted=is_counted(container),
        start=start,
        promised_frames=stream.frames,
        probed=len(frames),
    )


def _packets(container: InputContainer, complete: bool) -> Iterator[AnyPacket]:
    """All packets with content; where the file breaks off, an InputError, or a warning."""
    try:
        yield from (packet for packet in container.demux() if packet.size)
    except av.FFmpegError as error:
        if complete:
            raise InputError(
                f"it breaks off: {error.strerror}; --bad-frames repeat takes what is there"
            ) from error
        log.warning("the input breaks off (%s); going on with what is there", error.strerror)


def _check_whole(container: InputContainer, stream: av.VideoStream, count: int, complete: bool) -> None:
    """Compare the `count` of packets that were there with what the header promised."""
    missing = stream.frames - count
    if container.format.name.startswith("mov") and missing > 0 and complete:
        raise InputError(
            f"{missing} of its {stream.frames} frames are missing; --bad-frames repeat takes what is there"
        )
