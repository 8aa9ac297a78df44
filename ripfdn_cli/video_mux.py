"""Segments and the streams of the source joined into one file, without encoding anything again."""

import heapq
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import lcm
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from ripfdn_cli.pyav_versions import AnyPacket, as_fraction, fraction, open_output
from ripfdn_cli.video_encoding import EncoderSettings, Segment, open_segment, put_tags, segment_packets
from ripfdn_cli.video_files import is_cover, opened
from ripfdn_cli.video_formats import QUICKTIME_LANGUAGES, Container
from ripfdn_cli.video_timeline import Timeline

log = logging.getLogger(__name__)

_CONTAINER_TAGS = (
    *("major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "duration"),
    *("bps", "number_of_frames", "number_of_bytes", "_statistics_"),
)
"""Tags (or their beginnings) in which a container tells of itself, and which would be wrong in another."""
_EMPTY_TEXT = 2
_LARGEST_TIMESCALE = 2**31 - 1


@dataclass(frozen=True)
class SourceStreams:
    """What is taken over from the file `path` besides the picture of its stream `video`: streams `copied`,
    by index, from `start` to before `end` (seconds in the source; None: no bound), `shift` seconds later.
    """

    path: Path
    video: int
    copied: tuple[int, ...]
    with_chapters: bool = True
    with_metadata: bool = True
    shift: Fraction = Fraction(0)
    start: Fraction | None = None
    end: Fraction | None = None

    def takes(self, begin: Fraction) -> bool:
        """What begins at `begin`, in seconds in the source, is in the part that is kept."""
        return (self.start is None or begin >= self.start) and (self.end is None or begin < self.end)


@dataclass(frozen=True)
class VideoTrack:
    """The new video stream: `segments` with their files, encoded as `settings` say, shown as `timeline` says.
    `matrix`: FFmpeg's display matrix for the output's size.
    """

    settings: EncoderSettings
    timeline: Timeline
    segments: Sequence[tuple[Path, Segment]]
    matrix: tuple[int, ...] | None = None


def mux(
    temporary: Path,
    container: Container,
    track: VideoTrack,
    source: SourceStreams | None,
    *,
    limit: int | None = None,
) -> None:
    """Write the file `temporary`. `limit`: at most so many packets from segments and source, for a trial.

    Raises InternalError; av.FFmpegError and ValueError where the container doesn't take a stream or the disk
    is full.
    """
    with ExitStack() as stack:
        original = None if source is None else stack.enter_context(opened(source.path))
        template = stack.enter_context(open_segment(track.segments[0][0]))
        options = dict(container.options) | _timescale(container, track, original, source)
        output = stack.enter_context(open_output(f"file:{temporary}", container.muxer, options))
        video = _add_track(output, container, track, template, original, source)
        copies = (
            {} if original is None or source is None else _add_copies(output, container, original, source)
        )
        if original is not None and source is not None:
            _describe(output, original, source, track.timeline)
        output.start_encoding()
        packets = islice(_track_packets(track, video), limit)
        others: Iterable[AnyPacket] = ()
        if original is not None and source is not None and copies:
            others = islice(copied_packets(original, copies, source), limit)
        for packet in heapq.merge(packets, others, key=_time):
            output.mux(packet)


def copied_streams(container: InputContainer, video: int) -> list[av.stream.Stream]:
    """The streams of `container` to copy: all but the picture, and the tracks that hold only chapters."""
    return [
        stream
        for stream in container.streams
        if stream.index != video and not (stream.type == "data" and stream.discard == av.stream.Discard.all)
    ]


def _timescale(
    container: Container, track: VideoTrack, original: InputContainer | None, source: SourceStreams | None
) -> dict[str, str]:
    """MP4's own clock, on which the starts of streams are kept: one that holds every stream's."""
    if container.muxer not in ("mp4", "mov"):
        return {}
    bases = [track.timeline.time_base]
    if original is not None and source is not None:
        bases += [base for index in source.copied if (base := fraction(original.streams[index].time_base))]
    scale = lcm(*(base.denominator for base in bases))
    return {"movie_timescale": str(scale if scale <= _LARGEST_TIMESCALE else bases[0].denominator)}


def _add_track(
    output: OutputContainer,
    container: Container,
    track: VideoTrack,
    template: InputContainer,
    original: InputContainer | None,
    source: SourceStreams | None,
) -> Any:
    settings = track.settings
    stream: Any = output.add_stream_from_template(template.streams.video[0], opaque=True)
    context = stream.codec_context
    put_tags(context, settings.tags)
    context.sample_aspect_ratio = settings.sample_aspect_ratio
    context.framerate = settings.rate.limit_denominator(1_000_000)
    stream.time_base = settings.time_base
    if settings.codec.segment_muxer == "mov":
        context.codec_tag = template.streams.video[0].codec_context.codec_tag  # ProRes: its profile
    elif settings.codec.quicktime_tag and container.muxer in ("mp4", "mov"):
        context.codec_tag = settings.codec.quicktime_tag
    if track.matrix is not None:
        stream.set_display_matrix(track.matrix)
    if original is not None and source is not None:
        old = original.streams[source.video]
        stream.disposition = old.disposition
        if source.with_metadata:
            stream.metadata.update(container_tags(old.metadata, container))
    return stream


def container_tags(metadata: dict[str, str], container: Container) -> dict[str, str]:
    """`metadata` as `container` takes it."""
    tags = plain_tags(metadata)
    if container.muxer == "mov" and "language" in tags:
        tags["language"] = QUICKTIME_LANGUAGES.get(tags["language"], tags["language"])
    return tags


def plain_tags(metadata: dict[str, str]) -> dict[str, str]:
    """`metadata` without what its container says of itself."""
    return {key: value for key, value in metadata.items() if not key.lower().startswith(_CONTAINER_TAGS)}


def _add_copies(
    output: OutputContainer, container: Container, original: InputContainer, source: SourceStreams
) -> dict[int, Any]:
    """Streams of `output` by the index of the stream they copy; attachments and covers need no packets."""
    copies: dict[int, Any] = {}
    for index in source.copied:
        old: Any = original.streams[index]
        if is_cover(old) and container.covers_as_attachments:
            _attach_cover(output, original, old)
            continue
        new = output.add_stream_from_template(old, opaque=True)
        new.disposition = old.disposition
        if old.type != "attachment":
            new.time_base = old.time_base
            copies[index] = new
        if source.with_metadata:
            new.metadata.update(container_tags(old.metadata, container))
    return copies


def _attach_cover(output: OutputContainer, original: InputContainer, old: Any) -> None:
    """Matroska keeps cover pictures as attachments, by these names (Matroska's "cover art guidelines")."""
    name = old.codec_context.name
    suffix, kind = {"png": ("png", "image/png"), "mjpeg": ("jpg", "image/jpeg")}.get(
        name, (name, f"image/{name}")
    )
    for packet in original.demux(old):
        if packet.size:
            output.add_attachment(f"cover.{suffix}", kind, bytes(packet))
            break
    original.seek(0)


def _describe(
    output: OutputContainer, original: InputContainer, source: SourceStreams, timeline: Timeline
) -> None:
    if source.with_metadata:
        output.metadata.update(plain_tags(original.metadata))
    if source.with_chapters:
        chapters: Any = list(kept_chapters(original, source, timeline))
        output.set_chapters(chapters)


def kept_chapters(
    original: InputContainer, source: SourceStreams, timeline: Timeline
) -> Iterator[dict[str, Any]]:
    """The source's chapters, moved and cut like its picture."""
    for chapter in original.chapters():
        base = as_fraction(chapter["time_base"])
        start, end = chapter["start"] * base + source.shift, chapter["end"] * base + source.shift
        if source.start is not None or source.end is not None:
            start, end = max(start, timeline.start), min(end, timeline.end)
        if end > start:
            yield {**chapter, "start": round(start / base), "end": round(end / base), "time_base": base}


def _track_packets(track: VideoTrack, stream: Any) -> Iterator[AnyPacket]:
    """All packets in coding order, with decoding times made anew for the whole: the n-th smallest
    presentation time, as many frames earlier as the deepest reordering needs.
    """
    pts, durations = track.timeline.pts, track.timeline.durations
    delay = max(_reordering(path, segment, track) for path, segment in track.segments)
    step = max(1, int(pts[1] - pts[0])) if len(pts) > 1 else 1
    number = 0
    for path, segment in track.segments:
        for packet in segment_packets(path, segment, track.timeline.time_base):
            shown = int(np.searchsorted(pts, packet.pts))
            packet.dts = (
                int(pts[number - delay]) if number >= delay else int(pts[0]) - (delay - number) * step
            )
            packet.duration = int(durations[shown])
            packet.stream = stream
            number += 1
            yield packet


def _reordering(path: Path, segment: Segment, track: VideoTrack) -> int:
    """By how many places packets of a segment come before their turn to show."""
    pts = [packet.pts for packet in segment_packets(path, segment, track.timeline.time_base)]
    rank = {value: place for place, value in enumerate(sorted(pts))}
    return max(place - rank[value] for place, value in enumerate(pts))


def copied_packets(
    original: InputContainer, copies: dict[int, Any], source: SourceStreams
) -> Iterator[AnyPacket]:
    """Packets of the streams whose indices `copies` has, as they are but for the shift, each for its new
    stream (None leaves it as it is).
    """
    streams = [original.streams[index] for index in copies]
    for packet in _with_decoding_times(original.demux(streams)):
        new = copies[packet.stream_index]
        if is_filler(packet, original.streams[packet.stream_index]):
            continue
        if not is_cover(original.streams[packet.stream_index]):
            base = as_fraction(packet.time_base)
            if not source.takes(packet.pts * base):
                continue
            ticks = round(source.shift / base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        if new is not None:
            packet.stream = new
        yield packet


def is_filler(packet: AnyPacket, stream: Any) -> bool:
    """An empty subtitle that stands between two of MP4's; its muxer puts them there by itself."""
    context = stream.codec_context
    return context is not None and context.name == "mov_text" and packet.size <= _EMPTY_TEXT


def _with_decoding_times(packets: Iterable[AnyPacket]) -> Iterator[AnyPacket]:
    """Packets with content, each with both times; Matroska has none for decoding, and FFmpeg doesn't make
    them for the first packets of a stream with reordering.
    """
    known: set[int] = set()
    waiting: dict[int, list[AnyPacket]] = {}
    for packet in packets:
        index = packet.stream_index
        if not packet.size or (packet.pts is None and packet.dts is None):
            continue
        if packet.dts is None and index not in known:
            waiting.setdefault(index, []).append(packet)
            continue
        early = waiting.pop(index, [])
        known.add(index)
        packet.dts = packet.pts if packet.dts is None else packet.dts
        packet.pts = packet.dts if packet.pts is None else packet.pts
        for place, other in enumerate(early):
            other.dts = packet.dts - len(early) + place
            yield other
        yield packet
    for early in waiting.values():
        for other in early:
            other.dts = other.pts
            yield other


def _time(packet: AnyPacket) -> Fraction:
    ticks: int = packet.dts
    return ticks * as_fraction(packet.time_base)
