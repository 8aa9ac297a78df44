"""Where the frames of a video job come from: a video file, numbered pictures, or an animated picture."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.image_math.dihedral import SWAPS_AXES, transformed
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.pictures.decoding import read_picture
from ripfdn_cli.pictures.picture import Frame, has_alpha, without_alpha
from ripfdn_cli.pictures.png_colour import ColourSpace
from ripfdn_cli.pictures.srgb import in_srgb
from ripfdn_cli.video.colour import RGB_TAGS, Colour, ColourTags
from ripfdn_cli.video.copies import SourceStreams, copied_streams, is_timecode, timecodes_of
from ripfdn_cli.video.decoders import is_lossy
from ripfdn_cli.video.files import Field, Scan, VideoInfo, opened, probe
from ripfdn_cli.video.frames import Checksums, FramesFrom, SourceFrame, VideoFrames
from ripfdn_cli.video.hdr import NO_HDR, HdrMetadata
from ripfdn_cli.video.numbered_frames import find_frames
from ripfdn_cli.video.tags import NAMED_TAG
from ripfdn_cli.video.timecode import TIMECODE, moved
from ripfdn_cli.video.timeline import SourceTimes, Timeline, at_rate, timeline
from ripfdn_cli.video.yuv import yuv_format
from ripfdn_cli.video_jobs.picture_frames import PictureFrames, glances, read_frame
from ripfdn_cli.video_jobs.scan_cache import keep_scan, scan_once
from ripfdn_cli.video_jobs.video_settings import ReadingOptions

log = logging.getLogger(__name__)

_MILLISECOND = Fraction(1, 1000)
_UNTIMED_DURATION = 100
"""Milliseconds that browsers show a frame for whose duration is 0."""


@dataclass(frozen=True)
class YuvSource:
    """The same frames, by `frames`, as the samples of their planes in the format `layout`."""

    layout: YuvFormat
    colour: Colour
    frames: FramesFrom


@dataclass(frozen=True)
class VideoSource:
    """Frames with their times, and what has to be known of them to write others like them.

    `samples`: uint8 or uint16. `frames(first, before)` gives them from number `first` on, as `VideoFrames`
    does; `seeks`: whether it finds others than the first without decoding all before them. `identity` tells
    this input from any other, as JSON. `streams`: what else is in its file. `keep` keeps in a folder what
    took long to find out. `reading` is what else shapes the frames; `first_number` that of the first frame,
    for names. `yuv`: where frames can be had unconverted. `lost_frames`: about how many a damaged file has
    not. `bits_per_pixel`: that the picture takes in a file of a codec that loses something; None where it
    doesn't, and for pictures.
    """

    files: tuple[Path, ...]
    width: int
    height: int
    samples: str
    bits: int
    chroma: tuple[int, int]
    has_alpha: bool
    timeline: Timeline
    frames: FramesFrom
    identity: dict[str, Any]
    tags: ColourTags = RGB_TAGS
    hdr: HdrMetadata = NO_HDR
    aspect: Fraction = Fraction(1)
    matrix: tuple[int, ...] | None = None
    has_captions: bool = False
    streams: SourceStreams | None = None
    copied_bytes: int = 0
    lost_frames: int = 0
    bits_per_pixel: float | None = None
    first_number: int = 1
    reading: dict[str, Any] = field(default_factory=dict)
    keep: Callable[[Path], None] | None = None
    yuv: YuvSource | None = None
    seeks: bool = True

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.files[0])

    def without_alpha(self, background: tuple[int, int, int]) -> VideoSource:
        """The same frames laid on `background`, 8-bit RGB, before anything else is done to them."""

        def frames(first: int, before: Checksums | None) -> Iterator[SourceFrame]:
            for frame in self.frames(first, before):
                yield frame.made_into(without_alpha(frame.pixels, background))

        reading = self.reading | {"background": list(background)}
        return replace(self, has_alpha=False, frames=frames, reading=reading, yuv=None)

    def in_srgb(self, space: ColourSpace) -> VideoSource:
        """The same frames, whose colours are in `space`, in sRGB, before anything else is done to them."""

        def frames(first: int, before: Checksums | None) -> Iterator[SourceFrame]:
            for frame in self.frames(first, before):
                yield frame.made_into(in_srgb(frame.pixels, space))

        return replace(self, frames=frames, reading=self.reading | {"colours": "sRGB"}, yuv=None)

    def turned(self, transform: int) -> VideoSource:
        """The same frames after the `transform` of `dihedral`, before anything else is done to them, and not
        to be turned when shown.
        """

        def frames(first: int, before: Checksums | None) -> Iterator[SourceFrame]:
            for frame in self.frames(first, before):
                yield frame.made_into(np.ascontiguousarray(transformed(frame.pixels, transform)))

        swaps = bool(transform & SWAPS_AXES)
        return replace(
            self,
            width=self.height if swaps else self.width,
            height=self.width if swaps else self.height,
            aspect=1 / self.aspect if swaps else self.aspect,
            matrix=None,
            frames=frames,
            reading=self.reading | {"turned": transform},
            yuv=None,
        )


def video_source(path: Path, options: ReadingOptions, cache: Path) -> VideoSource:
    """The video file `path`. `cache`: the folder where an earlier run may have kept what reading all of it
    told. Raises InputError, UsageError.
    """
    info = probe(path, max_pixels=options.max_pixels)
    _check(path, info, options)
    drops_captions = "captions" in options.drop
    deinterlace = options.deinterlace is not False
    all_fields = _all_fields(info, options.deinterlace)
    fields = bool(info.is_interlaced or options.deinterlace) and info.codec == "h264"
    complete = options.bad_frames == "error"
    scanned = scan_once(
        path, info.index, cache, complete=complete, fields=fields, first_shown=info.first_shown
    )
    times = timeline(
        scanned.times,
        origin=info.starts(scanned.times),
        start=options.start,
        end=options.end,
        fps=options.fps,
    )
    frames = VideoFrames(
        path,
        info,
        scanned.times,
        deinterlace,
        options.bad_frames,
        options.max_pixels,
        all_fields,
        with_captions=not drops_captions,
        joints=scanned.joints,
    )
    return VideoSource(
        files=(path,),
        width=info.width,
        height=info.height,
        samples="uint16" if info.bits > 8 else "uint8",
        bits=info.bits,
        chroma=info.chroma,
        has_alpha=info.has_alpha,
        timeline=times,
        frames=frames,
        identity={"sha256": scanned.sha256, "stream": info.index},
        tags=info.colour.tags,
        hdr=info.hdr,
        aspect=info.sample_aspect_ratio,
        matrix=info.matrix,
        has_captions=info.has_captions and not drops_captions,
        streams=_streams(path, info, scanned, times, options),
        copied_bytes=scanned.copied_bytes,
        lost_frames=scanned.lost_frames,
        bits_per_pixel=_bits_per_pixel(path, info, scanned),
        reading={"deinterlace": all_fields or deinterlace, "bad_frames": options.bad_frames}
        | ({"captions": "dropped"} if drops_captions else {}),
        keep=partial(keep_scan, path, info.index, fields=fields, scanned=scanned),
        yuv=_yuv_source(info, frames),
        seeks=frames.seeks,
    )


def _all_fields(info: VideoInfo, deinterlace: bool | None) -> Field | None:
    """The first field of all frames, where they are to be deinterlaced and carry no marks of it."""
    if deinterlace is False:
        return None
    if deinterlace and not info.is_interlaced:
        return "top"
    return info.unmarked


def _bits_per_pixel(path: Path, info: VideoInfo, scanned: Scan) -> float | None:
    if not is_lossy(info.codec):
        return None
    size = path.stat().st_size - scanned.copied_bytes
    return 8 * size / (len(scanned.times.pts) * info.width * info.height)


def _yuv_source(info: VideoInfo, frames: VideoFrames) -> YuvSource | None:
    colour = info.colour
    layout = yuv_format(info.pixel_format, info.width, info.height, colour.tags, colour.chroma)
    if layout is None:
        return None
    return YuvSource(layout, colour, replace(frames, layout=layout))


def sequence_source(
    paths: Sequence[Path], options: ReadingOptions, background: tuple[int, int, int] | None = None
) -> VideoSource:
    """The numbered pictures behind `paths` (a folder, a glob, a pattern, or files), at `options.fps`.

    They have transparency where any of them is known to; one of which it wasn't known is put on `background`
    (8-bit RGB; None: white, with a warning). Raises UsageError without a rate, InputError.
    """
    if options.fps is None:
        raise UsageError(f"{paths[0]}: pictures have no frame rate of their own; give one with `fps`")
    found = find_frames(paths)
    files = [entry for _, entry in found]
    times = timeline(at_rate(len(files), options.fps), start=options.start, end=options.end)
    transparent = any(seen is not None and seen.has_transparency for seen in glances(files))
    pixels, metadata = read_frame(files[0], options.max_pixels)
    made = _frames_like(pixels, transparent=transparent, background=background)
    made.frame(pixels, metadata, str(files[0]))  # says what is changed before the work

    def frames(begin: int, before: Checksums | None) -> Iterator[SourceFrame]:
        for number in range(begin, len(files)):
            path = files[number]
            pixels = made.frame(*read_frame(path, options.max_pixels), str(path))
            yield SourceFrame(number, number + 1, pixels)

    number = found[0][0] + int(times.source[0])
    return _of_pictures(files, made, times, frames, number)


def animation_source(path: Path, options: ReadingOptions) -> VideoSource:
    """The animated picture `path` (GIF, PNG, WebP, AVIF), played once. Raises InputError, UsageError."""
    picture = read_picture(path, max_pixels=options.max_pixels)
    if picture.animation is None:
        raise UsageError(f"{path} is a still picture; choose a picture file as `output`")
    skipped = 1 if picture.animation.has_still else 0
    pictures = picture.frames[skipped:]
    durations = [round(ms) or _UNTIMED_DURATION for ms in picture.animation.durations[skipped:]]
    starts = np.concatenate([[0], np.cumsum(durations)[:-1]]).astype(np.int64)
    times = timeline(
        SourceTimes(_MILLISECOND, starts, np.array(durations, np.int64)),
        start=options.start,
        end=options.end,
        fps=options.fps,
    )
    made = _frames_like(pictures[0])
    made.frame(pictures[0], picture.metadata, str(path))  # says what is changed before the work

    def frames(begin: int, before: Checksums | None) -> Iterator[SourceFrame]:
        for number in range(begin, len(pictures)):
            pixels = made.frame(pictures[number], picture.metadata, str(path))
            yield SourceFrame(number, number + 1, pixels)

    return _of_pictures([path], made, times, frames, first_number=1)


def _check(path: Path, info: VideoInfo, options: ReadingOptions) -> None:
    if info.codes_fields:
        raise InputError(
            f"{path} is interlaced with each field a picture of its own, which is not supported in H.265; "
            f"join them first: ffmpeg -i {path.name} -vf weave -c:v ffv1 -c:a copy joined.mkv"
        )
    if info.is_interlaced:
        log.info(
            "%s is interlaced; %s",
            path,
            "its frames are left as they are, each with the lines of two moments"
            if options.deinterlace is False
            else "it is deinterlaced, one frame for one (`deinterlace=False` leaves frames as they are)",
        )
    elif options.deinterlace:
        log.info(
            "%s doesn't say that it is interlaced; all of its frames are deinterlaced, top field first", path
        )
    _check_dynamic(path, info)
    if info.unwritten:
        log.warning("%s: %s can't be kept and will be lost", path, " and ".join(info.unwritten))
    if info.colour.guessed:
        log.debug(
            "%s does not state its %s; assuming %s", path, " or ".join(info.colour.guessed), info.colour.tags
        )


def _check_dynamic(path: Path, info: VideoInfo) -> None:
    """Metadata that change from scene to scene are lost; a picture that can't do without them is refused."""
    dynamic = info.hdr.dynamic
    needed = info.hdr.needs_dynamic
    if needed or (needed is None and "Dolby Vision" in dynamic and not info.colour.tags.is_hdr):
        raise InputError(
            f"{path} is Dolby Vision without a compatible base layer (profile 5 or similar), so its "
            "colours would be wrong; convert it to HDR10 with another program first"
        )
    if info.hdr.mastering is not None and not info.hdr.mastering.is_complete:
        log.warning("%s: its mastering display data is incomplete or impossible and will be lost", path)
    if dynamic:
        log.warning(
            "%s: %s can't be kept and will be lost; the picture and its static metadata are kept",
            path,
            " and ".join(dynamic),
        )


def _streams(
    path: Path, info: VideoInfo, scanned: Scan, times: Timeline, options: ReadingOptions
) -> SourceStreams:
    with opened(path) as container:
        copied = copied_streams(container, info.index)
        kept = tuple(s.index for s in copied if not _is_dropped(s, options.drop))
        _tell_absent(path, container, info.index, options.drop)
        timecode_dropped = any(is_timecode(s) and _is_dropped(s, options.drop) for s in container.streams)
        codes = timecodes_of(container)
    dropped_tags = {
        name.removeprefix(NAMED_TAG).lower() for name in options.drop if name.startswith(NAMED_TAG)
    } | ({TIMECODE} if timecode_dropped else set())
    timecodes = {code: _moved(code, scanned.times, times) for code in codes}
    if None in timecodes.values():
        if TIMECODE not in dropped_tags and "metadata" not in options.drop:
            _tell_lost_timecode(path, timecodes)
        dropped_tags.add(TIMECODE)
    start, end = times.source_span
    return SourceStreams(
        path,
        info.index,
        kept,
        with_chapters="chapters" not in options.drop,
        with_metadata="metadata" not in options.drop,
        shift=times.shift,
        start=None if options.start is None else start,
        end=None if options.end is None else end,
        joints=scanned.joints,
        dropped_tags=frozenset(dropped_tags),
        timecodes={code: new for code, new in timecodes.items() if new is not None},
    )


def _moved(code: str, source: SourceTimes, shown: Timeline) -> str | None:
    """What the timecode `code` of the first of the frames `source` is of the first one `shown`; None where
    nothing counts the frames between them.
    """
    frames = int(shown.source[0])
    if not frames:
        return code
    return moved(code, frames, source.rate) if source.is_constant and shown.rate == source.rate else None


def _tell_lost_timecode(path: Path, timecodes: Mapping[str, str | None]) -> None:
    log.warning(
        "%s: its timecode %s is left out, as it can't be moved to the result's first frame (that takes a "
        "valid one, and a constant rate that stays)",
        path,
        " and ".join(code for code, new in timecodes.items() if new is None),
    )


def _tell_absent(path: Path, container: Any, video: int, drop: Collection[str]) -> None:
    """Warn of numbers that leave out nothing."""
    known = {stream.index for stream in container.streams}
    for number in sorted(int(name) for name in drop if name.isdecimal()):
        if number == video:
            log.warning("%s: stream %d is the picture, which is not left out", path, number)
        elif number not in known:
            log.warning("%s has no stream %d to leave out", path, number)


def _is_dropped(stream: Any, drop: Collection[str]) -> bool:
    return bool({str(stream.index), stream.type} & set(drop))


def _frames_like(
    first: Frame, *, transparent: bool = False, background: tuple[int, int, int] | None = None
) -> PictureFrames:
    """Frames like the picture `first`; with alpha also where others are `transparent`."""
    return PictureFrames(
        width=first.shape[1],
        height=first.shape[0],
        samples="uint8" if first.dtype == np.uint8 else "uint16",
        has_alpha=transparent or has_alpha(first),
        background=background,
    )


def _of_pictures(
    files: Sequence[Path],
    made: PictureFrames,
    times: Timeline,
    frames: FramesFrom,
    first_number: int,
) -> VideoSource:
    """4:2:0 and 8 or 10 bits are what players know; pictures would ask for more."""
    return VideoSource(
        files=tuple(files),
        width=made.width,
        height=made.height,
        samples=made.samples,
        bits=8 if made.samples == "uint8" else 10,
        chroma=(4, 4),
        has_alpha=made.has_alpha,
        timeline=times,
        frames=frames,
        identity={"files": _fingerprint(files)},
        first_number=first_number,
        reading={} if made.background is None or made.has_alpha else {"background": list(made.background)},
    )


def _fingerprint(files: Sequence[Path]) -> str:
    """A digest of names, sizes and ages."""
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(
            f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()
