"""Segments and the streams of the source joined into one file, without encoding anything again."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil, lcm
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from ripfdn_cli.video.copies import OpenSource, SourceStreams, open_source
from ripfdn_cli.video.decoders import ALPHA_MODE
from ripfdn_cli.video.encoding import (
    EncoderSettings,
    Segment,
    open_segment,
    put_tags,
    segment_packets,
    writing,
)
from ripfdn_cli.video.files import STEREO_MODE, is_cover
from ripfdn_cli.video.formats import Container
from ripfdn_cli.video.matroska_headers import (
    describe,
    displayed_size,
    room_for_display,
    views,
    write_display,
)
from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction, open_output
from ripfdn_cli.video.quicktime_boxes import write_languages
from ripfdn_cli.video.tags import PLAIN_LANGUAGE, spelled, spelled_for_file
from ripfdn_cli.video.timeline import Ticks, Timeline

_LARGEST_TIMESCALE = 2**31 - 1
_TEE = "tee:"
_LARGEST_STAND_IN = 512


@dataclass(frozen=True)
class VideoTrack:
    """The new video stream: `segments` with their files, encoded as `settings` say, shown as `timeline` says.
    `matrix`: FFmpeg's display matrix for the output's size. `stands_in`: the first segment's packets stand in
    for those of all frames, for a trial.
    """

    settings: EncoderSettings
    timeline: Timeline
    segments: Sequence[tuple[Path, Segment]]
    matrix: tuple[int, ...] | None = None
    stands_in: bool = False


def mux(
    temporary: Path,
    container: Container,
    track: VideoTrack,
    streams: SourceStreams | None,
    *,
    name: Path,
    limit: int | None = None,
) -> None:
    """Write the file `temporary`, called `name` in messages, from `track` and what else there is.

    `limit`: at most so many packets of either, for a trial. Raises OutputError, InputError, and InternalError
    where the container doesn't take something.
    """
    with ExitStack() as stack:
        source = None if streams is None else stack.enter_context(open_source(streams))
        template = stack.enter_context(open_segment(track.segments[0][0]))
        options = _options(container, track, source)
        through = _muxer(container, source)
        output = stack.enter_context(_writing_to(temporary, through, options, name))
        with writing(name):
            display = _display(container, track, source)
            video = _add_track(output, container, track, template, source)
            if display is not None:
                video.metadata["title"] = room_for_display(video.metadata.get("title", ""))
            copies = {} if source is None else source.add_to(output, container)
            if source is not None:
                source.describe(output, container, track.timeline)
            output.start_encoding()
        packets = islice(_track_packets(track, video, container), limit)
        others: Iterable[AnyPacket] = () if source is None else islice(source.packets(copies), limit)
        for packet in heapq.merge(packets, others, key=_time):
            with writing(name):  # what reading raises is not about this file
                output.mux(packet)
        stated = None if source is None else (_languages(source), source.all_titles(track.timeline))
    if stated is not None and container.described_by_matroska:
        describe(temporary, *stated)
    if display is not None:
        write_display(temporary, display)
    if stated is not None and container.described_by_boxes:
        more = {place: bcp47 for place, (_, bcp47) in stated[0].items() if len(bcp47) > PLAIN_LANGUAGE}
        write_languages(temporary, more)


def _display(container: Container, track: VideoTrack, source: OpenSource | None) -> tuple[int, int] | None:
    """The size to show the picture in that Matroska and WebM must state, as its own stream doesn't; None
    where it needn't be said.
    """
    settings = track.settings
    stereo = "" if source is None else source.tags(source.video).get(STEREO_MODE, "")
    plain = settings.sample_aspect_ratio == 1 or settings.codec.states_aspect
    if container.described_by_boxes or (plain and views(stereo) == 1):
        return None
    return displayed_size(settings.width, settings.height, settings.sample_aspect_ratio, stereo)


def _languages(source: OpenSource) -> dict[int, tuple[str, str]]:
    """Languages by the place of their track in the file, of which the picture's is the first."""
    copied = [s.index for s in source.copied() if s.type != "attachment" and not is_cover(s)]
    languages = source.languages()
    tracks = enumerate([source.streams.video, *copied])
    return {place: languages[index] for place, index in tracks if index in languages}


@contextmanager
def _writing_to(path: Path, muxer: str, options: dict[str, str], name: Path) -> Iterator[OutputContainer]:
    """An open file that is finished at the end; after an exception it is left as it is. `muxer`: FFmpeg's
    name, or "tee:" and that.
    """
    direct = muxer.removeprefix(_TEE)
    with writing(name):
        if direct == muxer:
            output = open_output(f"file:{path}", muxer, options)
        else:
            output = open_output(_tee_url(path, direct, options), "tee", {})
    try:
        yield output
    except BaseException:
        with suppress(av.FFmpegError):
            output.close()
        raise
    with writing(name):
        output.close()


def _muxer(container: Container, source: OpenSource | None) -> str:
    """PyAV asks a muxer first whether it knows a codec, and gives it none that it doesn't; Matroska takes
    sound of any codec that Windows has a number for, without being said to know it. FFmpeg's muxer "tee",
    which hands on to others what it gets, isn't asked.
    """
    if source is None or not container.takes_any_sound:
        return container.muxer
    converted = source.streams.converted
    copied = [
        stream for stream in source.copied() if stream.type == "audio" and stream.index not in converted
    ]
    with open_output("file:unused", container.muxer, {}) as asked:  # no file is opened before a header is
        known = asked.supported_codecs
    is_known = all(
        stream.codec_context.name in known for stream in copied if stream.codec_context is not None
    )
    return container.muxer if is_known else _TEE + container.muxer


def _tee_url(path: Path, muxer: str, options: dict[str, str]) -> str:
    """What FFmpeg's tee takes for the one file `path`; between quotes a name is as it is."""
    stated = "".join(f":{name}={value}" for name, value in options.items())
    quoted = str(path).replace("'", r"'\''")
    return f"[f={muxer}{stated}]'file:{quoted}'"


def _options(container: Container, track: VideoTrack, source: OpenSource | None) -> dict[str, str]:
    """For the muxer of `container`."""
    for_tags = {} if source is None else spelled_for_file(source.file_tags(), container)[1]
    options = dict(container.options) | _timescale(container, track, source)
    return options | {name: options.get(name, "") + value for name, value in for_tags.items()}


def _timescale(container: Container, track: VideoTrack, source: OpenSource | None) -> dict[str, str]:
    """MP4's own clock, on which the starts of streams are kept, rounded down: one that holds every stream's,
    and the sample rates, which are the clocks of sound there, as far as they fit into it.
    """
    if container.muxer not in ("mp4", "mov"):
        return {}
    scale = track.timeline.time_base.denominator
    others = [] if source is None else [base.denominator for base in source.time_bases()]
    for clock in (*others, *(() if source is None else source.sample_rates())):
        if (shared := lcm(scale, clock)) <= _LARGEST_TIMESCALE:
            scale = shared
    return {"movie_timescale": str(scale)}


def _add_track(
    output: OutputContainer,
    container: Container,
    track: VideoTrack,
    template: InputContainer,
    source: OpenSource | None,
) -> Any:
    settings, made = track.settings, template.streams.video[0]
    stream: Any = output.add_stream_from_template(made, opaque=True)
    context = stream.codec_context
    put_tags(context, settings.tags)
    context.sample_aspect_ratio = settings.sample_aspect_ratio
    context.framerate = settings.rate.limit_denominator(1_000_000)
    stream.time_base = settings.time_base
    if settings.codec.segment_muxer == "mov":
        context.codec_tag = made.codec_context.codec_tag  # ProRes: its profile
    elif settings.codec.quicktime_tag and container.muxer in ("mp4", "mov"):
        context.codec_tag = settings.codec.quicktime_tag
    if track.matrix is not None:
        stream.set_display_matrix(track.matrix)
    if settings.has_alpha and settings.codec.alpha_segment_muxer is not None:
        stream.metadata[ALPHA_MODE] = "1"
    if source is not None:
        stream.disposition = source.video.disposition
        stream.metadata.update(spelled(source.tags(source.video), container))
        source.make_room_for_language(source.video, stream, container)
    return stream


def _track_packets(track: VideoTrack, stream: Any, container: Container) -> Iterator[AnyPacket]:
    """All packets in coding order, with decoding times made anew for the whole: the n-th smallest
    presentation time, as many frames earlier as the deepest reordering needs.
    """
    pts = track.timeline.pts
    # One that rounds to nothing would be taken for "unknown", and shown for as long as others.
    durations = np.maximum(track.timeline.durations, ceil(container.tick / track.timeline.time_base))
    reorders = not stream.codec_context.codec.intra_only
    base = track.timeline.time_base
    orders = [_coded_order(path, segment, base) for path, segment in track.segments]
    if track.stands_in:
        orders = [_stand_in_order(orders[0], pts.tolist(), swapped=reorders)]
    packets = _stand_ins(track, orders[0]) if track.stands_in else _coded_packets(track)
    delay, last = max(map(_delay, orders)), int(np.searchsorted(pts, orders[-1][-1]))
    lead = _lead(pts, delay, int(pts[-1] + durations[-1]), int(durations[last]))
    for number, packet in enumerate(packets):
        early = delay - number
        packet.dts = int(pts[-early]) if early <= 0 else int(pts[0]) - lead * early // delay
        packet.duration = int(durations[np.searchsorted(pts, packet.pts)])
        packet.stream = stream
        yield packet


def _lead(pts: Ticks, delay: int, end: int, last: int) -> int:
    """How long before it shows the first frame is decoded, where frames are `delay` places early and the one
    that is coded last shows for `last` ticks: so that from first to last decoding it is as long as the video,
    which is what MP4 takes for its length.
    """
    if not delay:
        return 0
    if len(pts) > delay:
        return end - int(pts[len(pts) - 1 - delay]) - last
    return max(delay, (end - int(pts[0]) - last) * delay // max(1, len(pts) - 1))


def _coded_packets(track: VideoTrack) -> Iterator[AnyPacket]:
    for path, segment in track.segments:
        yield from segment_packets(path, segment, track.timeline.time_base)


def _stand_in_order(first: list[int], pts: list[int], *, swapped: bool) -> list[int]:
    """A coding order of frames at `pts` that begins with the `first` ones; the others are `swapped` in pairs,
    as frames are that refer to later ones.
    """
    rest = pts[len(first) :]
    pairs = (sorted(rest[place : place + 2], reverse=swapped) for place in range(0, len(rest), 2))
    return first + [time for pair in pairs for time in pair]


def _stand_ins(track: VideoTrack, order: list[int]) -> Iterator[AnyPacket]:
    """The packets of the first segment, then copies of its last one for all other frames in `order`; large
    ones are cut, as nothing decodes them.
    """
    path, segment = track.segments[0]
    last = b""
    for packet in segment_packets(path, segment, track.timeline.time_base):
        last = bytes(packet)
        yield packet
    for time in order[segment.frames :]:
        packet = av.Packet(last[:_LARGEST_STAND_IN])
        packet.pts, packet.time_base = time, track.timeline.time_base
        yield packet


def _coded_order(path: Path, segment: Segment, time_base: Fraction) -> list[int]:
    """Timestamps of a segment's frames, in coding order."""
    return [packet.pts for packet in segment_packets(path, segment, time_base)]


def _delay(order: list[int]) -> int:
    """By how many places frames are coded before their turn to show."""
    rank = {value: place for place, value in enumerate(sorted(order))}
    return max(place - rank[value] for place, value in enumerate(order))


def _time(packet: AnyPacket) -> Fraction:
    ticks: int = packet.dts
    return ticks * as_fraction(packet.time_base)
