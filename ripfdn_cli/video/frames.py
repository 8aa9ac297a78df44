"""Frames of a video file in showing order, each with its number; what can't be decoded is never dropped in
silence.
"""

import logging
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.pictures.picture import DEFAULT_MAX_PIXELS
from ripfdn_cli.video.colour import ToRgb
from ripfdn_cli.video.files import (
    CAPTIONS,
    Field,
    VideoInfo,
    decode_packets,
    opened,
    position_of,
    prepare,
    reading,
)
from ripfdn_cli.video.packet_times import Joint
from ripfdn_cli.video.pyav_versions import fraction, side_data_of
from ripfdn_cli.video.timeline import SourceTimes
from ripfdn_cli.video.uniform_frames import FrameKind, UniformFrames
from ripfdn_cli.video.yuv import ToSamples

log = logging.getLogger(__name__)

BadFrames = Literal["error", "repeat"]
Checksums = dict[int, int]
"""CRC-32 of source frames' pixels, by number."""

_WARM_UP = 8
"""Frames decoded before those that are compared with what they were, for references to settle."""


@dataclass(frozen=True)
class SourceFrame:
    """`pixels` (H, W, 3 or 4) RGB or RGBA, uint8 or uint16, or the samples (K,) of YUV planes, for the source
    frames `index` up to but without `stop`: more than one where others can't be decoded. `captions`: a
    decoded frame to carry closed captions. `decoded`: the checksum of what the pixels were made of.
    """

    index: int
    stop: int
    pixels: NDArray[Any]
    captions: av.VideoFrame | None = None
    decoded: int | None = None

    @property
    def checksum(self) -> int:
        """CRC-32 of the pixels as they were decoded."""
        if self.decoded is not None:
            return self.decoded
        return zlib.crc32(np.ascontiguousarray(self.pixels).data)

    def made_into(self, pixels: NDArray[Any]) -> "SourceFrame":
        """The frame with other `pixels`, which were made of its own."""
        return replace(self, pixels=pixels, decoded=self.checksum)


FramesFrom = Callable[[int, Checksums | None], Iterator[SourceFrame]]
"""Gives a source's frames from a number on, as `VideoFrames` does."""


@dataclass(frozen=True)
class _Decoded:
    index: int
    stop: int
    frame: av.VideoFrame


@dataclass(frozen=True)
class VideoFrames:
    """The frames of the video `info` in `path`, whose `times` are known from a scan.

    `deinterlace`: interlaced frames become whole ones, as many as there were; without, their fields stay as
    they are, line by line. `all_fields`: the field that shows first of all frames, which are deinterlaced
    whether they are marked as interlaced or not. `bad_frames`: whether one that can't be decoded is an error
    or shows the one before it once more. `layout`: the format whose samples are wanted as they are; None for
    RGB. `joints`: where the file's clock starts anew.
    """

    path: Path
    info: VideoInfo
    times: SourceTimes
    deinterlace: bool = False
    bad_frames: BadFrames = "error"
    max_pixels: int = DEFAULT_MAX_PIXELS
    all_fields: Field | None = None
    with_captions: bool = True
    layout: YuvFormat | None = None
    joints: tuple[Joint, ...] = ()

    @property
    def seeks(self) -> bool:
        """Whether there are places to seek to: a frame's time says which it is."""
        return not self.info.counted and not self.joints

    def __call__(self, first: int = 0, before: Checksums | None = None) -> Iterator[SourceFrame]:
        """Frames from number `first` on. `before`: checksums of frames up to it, from the run that is
        resumed; where seeking gives other frames, or none are known, everything is decoded from the start.
        None: the place that seeking finds is taken unseen, for a caller who compares what comes from there.

        Raises InputError for damage, with the time in the video.
        """
        with reading(self.path):
            if not first or before == {}:
                yield from self._from(0, first)
            else:
                yield from self._after_seeking(first, before or {})

    def _after_seeking(self, first: int, before: Checksums) -> Iterator[SourceFrame]:
        begin = min(before, default=first)
        frames = self._from(begin, begin)
        if (found := self._proven(frames, first, before)) is not None:
            yield found
            yield from frames
            return
        log.debug("seeking in %s is not exact; decoding from its start", self.path)
        yield from self._from(0, first)

    def _proven(self, frames: Iterator[SourceFrame], first: int, before: Checksums) -> SourceFrame | None:
        """The one of `frames` that shows at `first`, if those of `before` are among the ones up to it."""
        missing = dict(before)
        try:
            for frame in frames:
                if missing.get(frame.index) == frame.checksum:
                    del missing[frame.index]
                if frame.stop > first:
                    return frame if not missing and frame.index <= first else None
        except InputError as error:  # which may be the wrong place's alone
            log.debug("%s: %s", self.path, error)
        return None

    def _from(self, begin: int, wanted: int) -> Iterator[SourceFrame]:
        """Frames that show at `wanted` or later, decoded from before `begin` on."""
        decoded = self._uniform(self._numbered(begin))
        if self.deinterlace:
            decoded = _deinterlaced(decoded, self._tell_late_fields, self.all_fields)
        convert: ToRgb | ToSamples | None = None if self.layout is None else ToSamples(self.layout)
        for entry in decoded:
            if convert is None:
                convert = ToRgb(entry.frame, self.info.colour)
            if entry.stop > wanted:
                captions = _captions(entry.frame) if self.with_captions else None
                yield SourceFrame(entry.index, entry.stop, convert(entry.frame), captions)

    def _uniform(self, decoded: Iterable[_Decoded]) -> Iterator[_Decoded]:
        """All of the kind of the file's first one, wherever decoding begins."""
        uniform = UniformFrames(self._kind, self._tell_change)
        for entry in decoded:
            yield replace(entry, frame=uniform(entry.index, entry.frame))

    @property
    def _kind(self) -> FrameKind:
        info = self.info
        tags = info.colour.tags
        return FrameKind(info.width, info.height, info.pixel_format, tags.full_range, tags.matrix)

    def _numbered(self, first: int) -> Iterator[_Decoded]:
        """Decoded frames with their numbers, from a keyframe before number `first` on."""
        with opened(self.path, max_pixels=self.max_pixels) as container:
            stream = container.streams.video[position_of(container, self.info.index)]
            prepare(stream, self.max_pixels, strict=self.info.strict)
            if first and not self._seek(container, stream, max(0, first - _WARM_UP)):
                return
            begin = -1 if first else 0
            shapes = _ShapeWatch(stream)
            decoded = decode_packets(container, stream, self.joints)
            for entry in self._without_gaps(decoded, begin, known=first):
                if change := shapes.change():
                    self._tell_shape(
                        min(entry.stop, len(self.times.pts) - 1), change
                    )  # decoding is a frame ahead
                yield entry

    def _seek(self, container: av.container.InputContainer, stream: av.VideoStream, number: int) -> bool:
        if not self.seeks:
            return False
        try:
            container.seek(int(self.times.pts[number]), stream=stream)
        except av.FFmpegError:
            return False
        return True

    def _without_gaps(self, frames: Iterable[av.VideoFrame], begin: int, known: int) -> Iterator[_Decoded]:
        """From frame `begin` on (or the first there is, with -1). Each is held until the next is there, to
        know how many missing ones it stands for; what is missing before `known` is no matter.
        """
        due, held = begin, None
        number_of = self._counted() if self.info.counted else self._stamped()
        for frame in frames:
            number = number_of(frame)
            if number is None or number < due:
                continue
            if begin < 0:
                begin = due = number
            self._report_gap(max(due, known), number + frame.is_corrupt)
            due = number + 1
            if frame.is_corrupt:
                continue
            if held is not None:
                yield _Decoded(held.index, number, held.frame)
            held = _Decoded(begin if held is None else number, number + 1, frame)
        if held is None:
            raise InputError("none of its frames can be decoded")
        self._report_gap(due, len(self.times.pts))
        yield _Decoded(held.index, len(self.times.pts), held.frame)

    def _stamped(self) -> Callable[[av.VideoFrame], int | None]:
        """Frames by their timestamps; those that share one are taken in turn."""
        stamps = self.times.pts if self.times.stamps is None else self.times.stamps
        last = -1

        def number_of(frame: av.VideoFrame) -> int | None:
            nonlocal last
            if frame.pts is None:
                return None
            first, stop = (int(np.searchsorted(stamps, frame.pts, side)) for side in ("left", "right"))
            if first == stop:
                return None
            last = min(max(first, last + 1), stop - 1)
            return last

        return number_of

    def _counted(self) -> Callable[[av.VideoFrame], int | None]:
        """For files without timestamps: frames in turn, and a packet that gave none leaves a gap."""
        last, delay = -1, None

        def number_of(frame: av.VideoFrame) -> int:
            nonlocal last, delay
            packet = None if frame.dts is None else int(np.searchsorted(self.times.pts, frame.dts))
            delay = packet if delay is None else delay
            last = last + 1 if packet is None or delay is None else max(last + 1, packet - delay)
            return last

        return number_of

    def _tell_late_fields(self, number: int) -> None:
        """Of interlaced frames that the first ones gave no sign of."""
        if not self.info.is_interlaced and self.all_fields is None:
            log.info(
                "%s: frames from %s on are interlaced; they are deinterlaced", self.path, self._place(number)
            )

    def _tell_change(self, number: int, kind: FrameKind) -> None:
        log.warning(
            "%s: frames from %s on are %s; they are converted to %s, as those before",
            self.path,
            self._place(number),
            kind,
            self._kind,
        )

    def _tell_shape(self, number: int, change: str) -> None:
        log.warning(
            "%s: frames from about %s on have pixels of another shape (%s), which a result can't say on its "
            "way: they will look squeezed or stretched; cut it there with `start` and `end`",
            self.path,
            self._place(number),
            change,
        )

    def _report_gap(self, start: int, stop: int) -> None:
        if stop <= start:
            return
        count = f"{stop - start} frames" if stop - start > 1 else "a frame"
        if self.bad_frames == "error":
            raise InputError(
                f"{count} from {self._place(start)} on can't be decoded; check the file, "
                "or pass `bad_frames=repeat` to show the one before instead"
            )
        log.warning(
            "%s: %s from %s on can't be decoded; showing its neighbour",
            self.path,
            count,
            self._place(start),
        )

    def _place(self, number: int) -> str:
        seconds = float(int(self.times.pts[number]) * self.times.time_base - self.info.starts(self.times))
        return f"frame {number} at {seconds:.3f} s"


class _ShapeWatch:
    """Tells when the shape of the pixels changes that the decoder of `stream` finds in the picture."""

    def __init__(self, stream: av.VideoStream) -> None:
        self._context, self._shape = stream.codec_context, fraction(stream.codec_context.sample_aspect_ratio)

    def change(self) -> str | None:
        """What it is now, and was the last time, where that differs."""
        shape, before = fraction(self._context.sample_aspect_ratio), self._shape
        self._shape = shape or before
        if not shape or not before or shape == before:
            return None
        return f"{shape.numerator}:{shape.denominator} instead of {before.numerator}:{before.denominator}"


def _captions(frame: av.VideoFrame) -> av.VideoFrame | None:
    return frame if CAPTIONS in side_data_of(frame) else None


def deinterlaced(frames: Iterable[av.VideoFrame], tell: Callable[[int], None]) -> Iterator[av.VideoFrame]:
    """`frames` with whole ones in place of those that are marked as interlaced, one for one. `tell` is given
    the number of the first of those.
    """
    decoded = (_Decoded(number, number + 1, frame) for number, frame in enumerate(frames))
    return (entry.frame for entry in _deinterlaced(decoded, tell))


def _deinterlaced(
    decoded: Iterable[_Decoded], tell: Callable[[int], None], all_fields: Field | None = None
) -> Iterator[_Decoded]:
    """Frames marked as interlaced, or all of them, whose field `all_fields` shows first, go through FFmpeg's
    bwdif, one for one; others stay as they are. `tell` is given the number of the first one.
    """
    graph: av.filter.Graph | None = None
    waiting: deque[_Decoded] = deque()
    previous: _Decoded | None = None
    first = 0
    for entry in decoded:
        if graph is None and not (all_fields or entry.frame.interlaced_frame):
            previous = entry
            yield entry
            continue
        if graph is None:
            tell(entry.index)
            graph, first = _deinterlacer(entry.frame, all_fields), entry.index
            if previous is not None:  # bwdif looks at the frame before, wherever decoding began
                _push(graph, previous, waiting)
        _push(graph, entry, waiting)
        yield from (whole for whole in _pulled(graph, waiting) if whole.index >= first)
    if graph is not None:
        graph.vpush(None)
        yield from (whole for whole in _pulled(graph, waiting) if whole.index >= first)


def _push(graph: av.filter.Graph, entry: _Decoded, waiting: deque[_Decoded]) -> None:
    waiting.append(entry)
    graph.vpush(entry.frame)


def _deinterlacer(first: av.VideoFrame, all_fields: Field | None = None) -> av.filter.Graph:
    """`bwdif` for frames like `first`, or those of them that are marked. It takes planes only: others are
    converted and back, for which their matrix and range must be known.
    """
    which = "parity=auto:deint=interlaced" if all_fields is None else f"parity={all_fields[0]}ff:deint=all"
    graph = av.filter.Graph()
    entry = graph.add(
        "buffer",
        f"video_size={first.width}x{first.height}:pix_fmt={first.format.name}:time_base=1/1"
        f":colorspace={first.colorspace:d}:range={first.color_range:d}",
    )
    bwdif = graph.add("bwdif", f"mode=send_frame:{which}")
    same_format = graph.add("format", first.format.name)
    graph.link_nodes(entry, bwdif, same_format, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: av.filter.Graph, waiting: deque[_Decoded]) -> Iterator[_Decoded]:
    while True:
        try:
            frame = graph.vpull()
        except (BlockingIOError, EOFError):
            return
        entry = waiting.popleft()
        yield _Decoded(entry.index, entry.stop, frame)
