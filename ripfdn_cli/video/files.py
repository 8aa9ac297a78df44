"""Video files: opened so that nothing else is, what they hold, and when their frames show. No torch, no
command line.
"""

import hashlib
import logging
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from math import hypot
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.container import InputContainer

from ripfdn_cli.errors import InputError, OutOfMemoryError, RipfdnError
from ripfdn_cli.pictures.file_content import check_regular
from ripfdn_cli.pictures.picture import DEFAULT_MAX_PIXELS, check_size
from ripfdn_cli.video.colour import Colour, colour_of
from ripfdn_cli.video.damage import avi_is_cut_off, lost_frames, short_sound
from ripfdn_cli.video.decoders import decoder_of, is_lossy
from ripfdn_cli.video.formats import DEMUXERS
from ripfdn_cli.video.hdr import HdrMetadata, hdr_metadata_of
from ripfdn_cli.video.packet_times import ClockWatch, Joint, offsets, retimed
from ripfdn_cli.video.pixel_formats import alpha_of, bits_of, describe
from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction, fraction, open_input, side_data_of
from ripfdn_cli.video.quicktime_boxes import is_cut_off
from ripfdn_cli.video.timeline import SourceTimes, source_times
from ripfdn_cli.video.vp9_headers import shows_a_frame
from ripfdn_cli.video.y4m_headers import LONGEST, Y4M, stated_chroma

log = logging.getLogger(__name__)

_PROBED_FRAMES = 12
_PROBED_PACKETS = 500
_PROGRESSIVE = (0, 1)
Field = Literal["top", "bottom"]
_FIRST_FIELD: dict[int, Field] = {2: "top", 3: "bottom", 4: "bottom", 5: "top"}
"""FFmpeg's numbers for the order of fields (AVFieldOrder) → the one that shows first."""
_PADDED = 2
"""FFmpeg counts the padding of its lines in, which matters for small pictures."""
_LENIENT = "mjpeg"
"""FFmpeg's decoder that says nothing of most damage unless it is told to; others say the same either way."""
_VP8_SHOWN = 0x10
_TS_DISCONT = 0x200  # AVFMT_TS_DISCONT
_ONE_VIEW, _FLAT = 0, 4  # AV_STEREO3D_2D, AV_SPHERICAL_RECTILINEAR
_PALETTE_ENTRIES, _ALPHA_BITS, _OPAQUE = 256, 24, 255
GENERATE_PTS = 1  # AVFMT_FLAG_GENPTS, which PyAV sets
STEREO_MODE = "stereo_mode"
"""FFmpeg's name of the tag for how the frames of Matroska hold two views."""
CAPTIONS = "A53_CC"
"""FFmpeg's name for closed captions (ATSC A/53) inside a picture."""


@dataclass(frozen=True)
class VideoInfo:
    """What the video stream `index` of a file is, from its header and its first frames.

    `unmarked`: the field that shows first, where the container says that all frames are interlaced and they
    don't. `counted`: see `is_counted`. `start`: when the file starts, in seconds, where it says so. `matrix`:
    FFmpeg's display matrix, for rotation and mirroring. `codes_fields`: each frame is a field only. `probed`:
    how many of the first frames were decoded; `first_shown`: when the first of them shows, in ticks of the
    stream. `strict`: see `prepare`.
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
    unmarked: Field | None
    codes_fields: bool
    has_captions: bool
    counted: bool
    start: Fraction | None
    probed: int
    first_shown: int | None = None
    strict: bool = False
    unwritten: tuple[str, ...] = ()
    """What is said of the picture that no result here says."""

    def starts(self, times: SourceTimes) -> Fraction:
        """When the file starts, in seconds: where it doesn't say, with the first of its frames at `times`."""
        return times.start if self.start is None else self.start


@dataclass(frozen=True)
class Scan:
    """What reading every packet of a file tells. `sha256`: of all packets of all streams, in hexadecimal.
    `joints`: where its clock starts anew. `lost_frames`: about how many a damaged file has not.
    """

    times: SourceTimes
    sha256: str
    copied_bytes: int
    joints: tuple[Joint, ...] = ()
    lost_frames: int = 0


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
        raise InputError(f"can't read {path}: {reason}; check that the file is complete") from error


@contextmanager
def opened(
    path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS, demuxer_options: dict[str, str] | None = None
) -> Iterator[InputContainer]:
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
        with open_input(url, options | (demuxer_options or {})) as container:
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


def holds_video(path: Path) -> bool:
    """Whether the file `path` has, by its content, a video stream in a container that is read."""
    try:
        with opened(path) as container:
            video_stream(container)
    except InputError:
        return False
    return True


def position_of(container: InputContainer, index: int) -> int:
    """The place of stream `index` among the video streams of `container`."""
    return [stream.index for stream in container.streams.video].index(index)


def is_cover(stream: av.stream.Stream) -> bool:
    """Whether a stream of pictures is the cover art of the file."""
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
        info = _info(path, container, stream, frames)
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


def scan(
    path: Path, index: int, *, complete: bool = True, fields: bool = False, first_shown: int | None = None
) -> Scan:
    """Read every packet of `path`, whose video stream is `index`. Raises InputError where the file is
    damaged or cut off; with `complete=False`, a cut-off file is what it is, with a warning.

    `first_shown`: the time of the first frame that can be decoded, where known. What lies before it and
    before the first keyframe is no damage: recordings begin anywhere, and every player leaves it out.
    `fields`: packets may hold single fields; what is a frame is found out by decoding all of them.
    """
    with opened(path) as container:
        stream = container.streams.video[position_of(container, index)]
        base, rate = as_fraction(stream.time_base), fraction(stream.average_rate)
        demuxer, promised, promised_frames = container.format.name, _promised_end(container), stream.frames
        counted = is_counted(container)
        seen = _Seen(index, stream.codec_context.name, ClockWatch(base), counted=counted)
        for packet in _packets(path, container, complete):
            seen.add(packet)
        missing = _check_whole(path, container, stream, seen.packets, complete)
        _tell_short_sound(path, container, seen.ends)
    joints = seen.clock.joints(index) if _may_be_joined(demuxer) else ()
    frames = seen.frames(joints, base)
    breaks = seen.first_times(joints, frames)
    frames = _from_first_whole(path, frames, seen.first_key, first_shown)
    packets = len(frames)
    if fields:
        frames = without_second_fields(frames, _decoded_times(path, index, joints))
    if counted and avi_is_cut_off(path) is False:
        frames = _held(frames, promised_frames)
    with reading(path):
        times = _timed(path, base, frames, rate if len(frames) == packets else None)
    lost = missing or lost_frames(
        path,
        demuxer,
        times,
        breaks,
        end=seen.end,
        promised_end=promised,
        promised_frames=promised_frames,
    )
    return Scan(times, seen.digest.hexdigest(), seen.copied, joints, lost)


class _Seen:
    """What is gathered from the packets of a file whose picture is stream `index`."""

    def __init__(self, index: int, codec: str, clock: ClockWatch, *, counted: bool) -> None:
        self._index, self._codec, self._counted, self.clock = index, codec, counted, clock
        self.digest, self.copied, self.packets, self.end = hashlib.sha256(), 0, 0, Fraction(0)
        self.ends: dict[int, Fraction] = {}
        """When each stream ends, in seconds."""
        self.first_key: int | None = None
        """The time of the first keyframe."""
        self._pts: list[int | None] = []
        self._durations: list[int] = []
        self._positions: list[int] = []

    def add(self, packet: AnyPacket) -> None:
        self.digest.update(struct.pack("<iq", packet.stream_index, packet.pts or 0))
        self.digest.update(packet)
        position, own = self.clock.add(packet), packet.stream_index == self._index
        time = packet.dts if packet.pts is None else packet.pts
        if time is not None and packet.time_base:
            end = (time + (packet.duration or 0)) * as_fraction(packet.time_base)
            self.end = max(self.end, end)
            self.ends[packet.stream_index] = max(self.ends.get(packet.stream_index, end), end)
        self.copied += 0 if own else packet.size
        self.packets += own
        if own and packet.is_keyframe and self.first_key is None:
            self.first_key = time
        if own and is_shown(packet, self._codec):
            self._pts.append(packet.dts if self._counted else packet.pts)
            self._durations.append(packet.duration or 0)
            self._positions.append(position)

    def frames(self, joints: Sequence[Joint], base: Fraction) -> list[tuple[int | None, int]]:
        """Timestamps and durations of the packets that show a frame, on one clock."""
        added = offsets(np.array(self._positions, np.int64), joints, base).tolist()
        pts = [None if time is None else time + more for time, more in zip(self._pts, added, strict=True)]
        return list(zip(pts, self._durations, strict=True))

    def first_times(self, joints: Sequence[Joint], frames: list[tuple[int | None, int]]) -> frozenset[int]:
        """The timestamps of the first frames after `joints`, of `frames` as `frames` gave them."""
        starts = [joint.position for joint in joints]
        firsts: dict[int, int] = {}
        for position, (time, _) in zip(self._positions, frames, strict=True):
            part = bisect_right(starts, position)
            if time is not None:
                firsts[part] = min(time, firsts.get(part, time))
        return frozenset(firsts.values())


def _from_first_whole(
    path: Path, frames: list[tuple[int | None, int]], first_key: int | None, first_shown: int | None
) -> list[tuple[int | None, int]]:
    """`frames` (timestamps and durations) without those before the first that can be decoded, where they
    refer to a keyframe that the file begins after.
    """
    if first_key is None or first_shown is None:
        return frames
    whole = [frame for frame in frames if frame[0] is None or frame[0] >= min(first_key, first_shown)]
    if left_out := len(frames) - len(whole):
        log.warning(
            "%s begins between two keyframes: its first %s",
            path,
            "frame can't be decoded and is left out"
            if left_out == 1
            else f"{left_out} frames can't be decoded and are left out",
        )
    return whole


def _held(frames: list[tuple[int | None, int]], end: int) -> list[tuple[int | None, int]]:
    """`frames` (timestamps and durations), of which the last to show does so until `end`: in AVI nothing but
    the count of frames tells of empty chunks after it, with which capture programs repeat it.
    """
    last = max((time for time, _ in frames if time is not None), default=end)
    return [(time, max(duration, end - last) if time == last else duration) for time, duration in frames]


def _may_be_joined(demuxer: str) -> bool:
    """Files of this kind can be joined byte by byte, and players read them so."""
    return bool(av.ContainerFormat(demuxer.partition(",")[0]).flags & _TS_DISCONT)


def _promised_end(container: InputContainer) -> Fraction | None:
    """When the file ends at least, in seconds, by its header (see `damage`): some programs write how long it
    is, others, FFmpeg's for Matroska among them, when it ends.
    """
    if container.duration is None:
        return None
    return Fraction(container.duration + min(0, container.start_time or 0), 1_000_000)


def _timed(
    path: Path, base: Fraction, frames: list[tuple[int | None, int]], rate: Fraction | None
) -> SourceTimes:
    pts = [time for time, _ in frames if time is not None]
    if not frames:
        raise InputError("it has no frames")
    if len(pts) != len(frames):
        raise InputError(
            "it has frames without a timestamp; remux it into another container first, "
            "or pass `deinterlace=True` if it is interlaced"
        )
    return source_times(base, pts, [duration for _, duration in frames], rate, name=str(path))


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


def _decoded_times(path: Path, index: int, joints: Sequence[Joint]) -> set[int]:
    with opened(path) as container:
        stream = container.streams.video[position_of(container, index)]
        prepare(stream, DEFAULT_MAX_PIXELS)
        return {frame.pts for frame in decode_packets(container, stream, joints) if frame.pts is not None}


def is_shown(packet: AnyPacket, codec: str) -> bool:
    """A frame is to come out of `packet`: not of one that an edit list skips, nor of the frames of VP8 and
    VP9 that are only referred to.
    """
    if not packet.size or packet.is_discard:
        return False
    if codec == "vp9":
        return shows_a_frame(packet)
    # RFC 6386, section 9.1: bit 4 of the frame tag is show_frame.
    return codec != "vp8" or bool(memoryview(packet)[0] & _VP8_SHOWN)


def prepare(stream: av.VideoStream, max_pixels: int, *, strict: bool = False) -> None:
    """Decode with threads, and nothing larger than `max_pixels`; `strict`: what is not by the letter of its
    format is an error.
    """
    stream.thread_type = "AUTO"
    options = {"max_pixels": str(_PADDED * max_pixels)}
    stream.codec_context.options = options | ({"err_detect": "explode"} if strict else {})


def decode_packets(
    container: InputContainer, stream: av.VideoStream, joints: Sequence[Joint] = ()
) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded, in showing order; packets that can't be leave a gap."""
    decoder = decoder_of(stream)
    try:
        for packet in retimed(container.demux(stream), joints):
            if not packet.size:
                continue  # an empty packet would end the decoder's work
            try:
                frames = decoder.decode(packet)
            except av.FFmpegError as error:
                log.debug("a packet at %s can't be decoded: %s", packet.pts, error)
                continue
            yield from frames
        try:
            yield from decoder.decode(None)
        except av.FFmpegError as error:
            log.debug("the end can't be decoded: %s", error)
    finally:
        _end_work(decoder)


def _end_work(decoder: Any) -> None:
    """Wait for the decoder's threads. PyAV closes it with Python's lock held, for which one of them would
    wait forever that has a message for `warnings_of_ffmpeg`.
    """
    with suppress(av.FFmpegError):
        decoder.decode(None)


def _first_frames(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    decoder = decoder_of(stream)
    for packet in islice(container.demux(stream), _PROBED_PACKETS):
        if packet.size:
            try:
                yield from decoder.decode(packet)
            except av.FFmpegError:
                continue
    try:
        yield from decoder.decode(None)
    except av.FFmpegError:
        return


def _info(
    path: Path, container: InputContainer, stream: av.VideoStream, frames: list[av.VideoFrame]
) -> VideoInfo:
    context, first = stream.codec_context, frames[0]
    if first.format.name.startswith(("xyz", "bayer")) or first.format.name in ("cuda", "vaapi"):
        raise InputError(f"its pixels are {first.format.name}, which is not supported")
    matrix = side_data_of(first).get("DISPLAYMATRIX")
    marked = any(frame.interlaced_frame for frame in frames)
    return VideoInfo(
        index=stream.index,
        codec=context.name,
        width=first.width,
        height=first.height,
        pixel_format=first.format.name,
        bits=bits_of(first.format),
        has_alpha=alpha_of(first.format) and not all(map(_has_opaque_palette, frames)),
        chroma=_chroma_of(first.format),
        colour=colour_of(first, context.name, _chroma_in_container(path, container)),
        hdr=hdr_metadata_of(frames),
        sample_aspect_ratio=fraction(stream.sample_aspect_ratio) or Fraction(1),
        matrix=None if matrix is None else _without_scale(struct.unpack("=9i", bytes(matrix)[:36])),
        is_interlaced=context.field_order not in _PROGRESSIVE or marked,
        unmarked=None if marked or is_lossy(context.name) else _FIRST_FIELD.get(context.field_order),
        # FFmpeg marks pictures of H.265 only where they are fields (pic_struct of ITU-T H.265, table D.2).
        codes_fields=context.name == "hevc" and marked,
        has_captions=any(CAPTIONS in side_data_of(frame) for frame in frames),
        counted=is_counted(container),
        start=_start_of(container, stream),
        probed=len(frames),
        first_shown=first.pts,
        unwritten=tuple(_unwritten(stream, first)),
    )


def _chroma_in_container(path: Path, container: InputContainer) -> str | None:
    """Where y4m has its chroma samples, which raw frames can't say."""
    if container.format.name != Y4M:
        return None
    with path.open("rb") as stream:
        return stated_chroma(stream.readline(LONGEST))


def _start_of(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    """When the file starts; its own start is rounded to microseconds, that of its picture isn't."""
    stated: Any = container.start_time  # PyAV's types have it that there always is one
    if stated is None:
        return None
    start = Fraction(stated, 1_000_000)
    if stream.start_time is None:
        return start
    exact = stream.start_time * as_fraction(stream.time_base)
    return exact if abs(exact - start) < Fraction(1, 100_000) else start


def _unwritten(stream: av.VideoStream, first: av.VideoFrame) -> Iterator[str]:
    """Names of what FFmpeg tells beside the picture and PyAV can't write. A tag, which is copied, has the two
    views of Matroska.
    """
    sides = side_data_of(first)
    if _first_number(sides.get("SPHERICAL"), _FLAT) != _FLAT:
        yield "the projection of a picture all around (360° or 180°)"
    if STEREO_MODE not in stream.metadata and _first_number(sides.get("STEREO3D"), _ONE_VIEW) != _ONE_VIEW:
        yield "the arrangement of two views (3D)"


def _first_number(side: Any, otherwise: int) -> int:
    """The type that begins AVSphericalMapping and AVStereo3D."""
    return otherwise if side is None else int(struct.unpack_from("=i", bytes(side))[0])


def _without_scale(matrix: tuple[int, ...]) -> tuple[int, ...] | None:
    """A display matrix (a b u c d v x y w) that only turns, mirrors and moves; None for one without a
    direction. FFmpeg has what it stretches by in the shape of the pixels already.
    """
    a, b, u, c, d, v, x, y, w = matrix
    lengths = hypot(a, b), hypot(c, d)
    if not all(lengths):
        return None
    a, b, c, d = (round(65536 * part / lengths[place // 2]) for place, part in enumerate((a, b, c, d)))
    return a, b, u, c, d, v, x, y, w


def _chroma_of(pixel_format: av.VideoFormat) -> tuple[int, int]:
    """Columns and lines of chroma for 8×8 px; grey is as good with the fewest, which all players know."""
    if describe(pixel_format).is_grey:
        return 4, 4
    return pixel_format.chroma_width(8), pixel_format.chroma_height(8)


def _has_opaque_palette(frame: av.VideoFrame) -> bool:
    """A palette has room for alpha, which few codecs use."""
    if not frame.format.has_palette:
        return False
    entries = np.frombuffer(bytes(frame.planes[1]), np.uint32)[:_PALETTE_ENTRIES]  # ARGB
    return bool((entries >> _ALPHA_BITS == _OPAQUE).all())


def _packets(path: Path, container: InputContainer, complete: bool) -> Iterator[AnyPacket]:
    """All packets with content; where the file breaks off, an InputError, or a warning."""
    try:
        yield from (packet for packet in container.demux() if packet.size)
    except av.FFmpegError as error:
        if complete:
            raise InputError(
                f"it ends early: {error.strerror}; pass `bad_frames=repeat` to use what is there"
            ) from error
        log.warning("%s ends early (%s); continuing with what is there", path, error.strerror)


def _check_whole(
    path: Path, container: InputContainer, stream: av.VideoStream, count: int, complete: bool
) -> int:
    """How many packets of the picture are missing, of which the header promised some; `count` were there.

    Raises InputError where any are and the file should be `complete`.
    """
    if not container.format.name.startswith("mov") or stream.frames <= count:
        return 0
    missing = stream.frames - _count_without_edits(path, stream.index)
    if missing > 0 and complete:
        raise InputError(
            f"{missing} of its {stream.frames} frames are missing; "
            "pass `bad_frames=repeat` to use what is there"
        )
    return max(0, missing)


def _tell_short_sound(path: Path, container: InputContainer, ends: dict[int, Fraction]) -> None:
    """Warn of sound that lay behind the end of a file that was cut off; FFmpeg says nothing of it."""
    if not container.format.name.startswith("mov") or not is_cut_off(path):
        return
    promised = {
        stream.index: (ends.get(stream.index, Fraction(0)), _promised_stream_end(stream))
        for stream in container.streams.audio
    }
    for index in short_sound(promised):
        have, want = (float(end) for end in promised[index])
        log.warning("%s is cut off: the sound of stream %d ends at %.3f s of %.3f", path, index, have, want)


def _promised_stream_end(stream: av.AudioStream) -> Fraction:
    ticks = (stream.start_time or 0) + (stream.duration or 0)
    return ticks * as_fraction(stream.time_base)


def _count_without_edits(path: Path, index: int) -> int:
    """How many packets the stream has: FFmpeg gives none that lie outside its edit list."""
    with opened(path, demuxer_options={"ignore_editlist": "1"}) as container:
        stream = container.streams.video[position_of(container, index)]
        try:
            return sum(1 for packet in container.demux(stream) if packet.size)
        except av.FFmpegError:
            return 0
