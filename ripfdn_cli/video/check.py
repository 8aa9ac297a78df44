"""Is everything in a file that was written? It is read back and compared with what should be there."""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from av.container import InputContainer
from av.stream import Disposition

from ripfdn_cli.video.copies import (
    OpenSource,
    SourceStreams,
    copied_streams,
    is_filler,
    open_source,
    read_descriptions,
)
from ripfdn_cli.video.files import decode_packets, is_cover, opened
from ripfdn_cli.video.formats import Container
from ripfdn_cli.video.hdr import hdr_metadata_of
from ripfdn_cli.video.mux import VideoTrack
from ripfdn_cli.video.pixel_formats import shows_the_same
from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction, fraction, side_data_of
from ripfdn_cli.video.quicktime_boxes import undescribed_tracks
from ripfdn_cli.video.tags import PLAIN_LANGUAGE, lost_tags, means_the_same, spelled
from ripfdn_cli.video.timeline import Timeline

_CHECKED_FRAMES = 2
_ROUNDINGS = 2
"""Ticks by which the end may be off: a time, its duration, and what Matroska takes for the usual one."""
_ESSENTIAL = ("video", "audio", "subtitle")
"""Types of streams that a viewer or listener would miss."""
_ROTATIONS_PRECISION = 1 << 9
"""Of the numbers of a display matrix, which are in 1/65536: Matroska has angles instead."""
_SHOWN_TAGS = 6
_NAMELESS = ("", "und")
_ADTS_SYNC = 0xFFF
_ADTS_HEADER = (9, 7)  # with and without a checksum
_MPEG_AUDIO = ("mp1", "mp2", "mp3")
"""MP4 has one name for all three; each of their frames says which it is (object types of mp4ra.org)."""
_REWRAPPED = ("h264", "hevc", "vvc")
"""Codecs whose packets are framed differently from container to container."""

_FLAGS = {flag: flag for flag in Disposition} | {
    Disposition.captions: Disposition.captions | Disposition.hearing_impaired,
    Disposition.descriptions: Disposition.descriptions | Disposition.visual_impaired,
}
"""Flags of tracks, and what says as much: FFmpeg reads one of MP4's as both."""
_OWN_FLAGS = frozenset(
    {"default", "attached_pic", "timed_thumbnails", "still_image", "metadata", "dependent", "multilayer"}
)
"""Flags that muxers set by rules of their own, and that tell how a file is built."""


@dataclass(frozen=True)
class Difference:
    """What a file hasn't, or has otherwise: `what` a user knows it by, and the source's stream that it is.
    `essential`: of the picture, sound, subtitles or timing; the rest never stops a job.
    """

    what: str
    stream: int | None = None
    essential: bool = True

    def __str__(self) -> str:
        return self.what


@dataclass
class _Passed:
    """What went through one stream: `times` in ticks of `time_base`, the `end` of the last to show, a digest
    of all payload.
    """

    time_base: Fraction
    times: array[int] = field(default_factory=lambda: array("q"))
    digest: Any = field(default_factory=hashlib.sha256)
    end: int = 0


def missing_parts(
    path: Path, container: Container, track: VideoTrack, streams: SourceStreams | None
) -> list[Difference]:
    """What the file `path` has not of the streams, tags, chapters and attachments that should be in it.
    Looks at headers, and at the first picture.
    """
    with opened(path) as output:
        problems = list(_track_problems(output, track))
        if streams is not None:
            with open_source(streams) as source:
                problems += _stream_problems(path, output, source, container, track)
    return problems


def wrong_packets(path: Path, track: VideoTrack, streams: SourceStreams | None) -> list[Difference]:
    """How the packets of the file `path` differ from those that should be in it: number, time, content."""
    with opened(path) as output:
        video = output.streams.video[0]
        records = _passed(output, output.demux())
        problems = list(
            _timing_problems(records.get(video.index), track.timeline, _derived_end(output, video))
        )
        if streams is not None:
            with open_source(streams) as source:
                problems += _copy_problems(output, records, source)
    return problems


def wrong_copies(path: Path, streams: SourceStreams, limit: int) -> list[Difference]:
    """How the packets in the file `path` differ from the first `limit` of `streams`, which it was made of."""
    with opened(path) as output, open_source(streams) as source:
        return list(_copy_problems(output, _passed(output, output.demux()), source, limit))


def _track_problems(output: InputContainer, track: VideoTrack) -> Iterator[Difference]:
    settings = track.settings
    stream = output.streams.video[0]
    frames = list(islice(decode_packets(output, stream), _CHECKED_FRAMES))
    if not frames:
        yield Difference("a picture that can be decoded")
        return
    frame = frames[0]
    aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
    matrix = side_data_of(frame).get("DISPLAYMATRIX")
    tags = settings.tags
    stated = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range == 2)
    checks = {
        "size": ((frame.width, frame.height), (settings.width, settings.height)),
        "colour tags": (stated, (tags.matrix, tags.primaries, tags.transfer, tags.full_range)),
        "aspect ratio of pixels": (aspect, settings.sample_aspect_ratio),
        "rotation": (_rotation(matrix), _rotation(track.matrix)),
    }
    for name, (have, want) in checks.items():
        if have != want:
            yield Difference(f"the picture's {name} ({have} instead of {want})")
    if not shows_the_same(frame.format.name, settings.pixel_format):
        yield Difference(
            f"the picture's pixel format ({frame.format.name} instead of {settings.pixel_format})"
        )
    if settings.hdr and not _same_hdr(hdr_metadata_of(frames), settings.hdr):
        yield Difference("the picture's mastering display and light levels", essential=False)


def _rotation(matrix: Any) -> tuple[int, ...]:
    """How a display matrix (a b u c d v x y w, 1 is 65536) turns and mirrors, for comparison; where it moves
    the picture to, which players do by themselves, is no matter.
    """
    if matrix is None:
        return (1 << 16) // _ROTATIONS_PRECISION, 0, 0, (1 << 16) // _ROTATIONS_PRECISION
    numbers = matrix if isinstance(matrix, tuple) else struct.unpack("=9i", bytes(matrix)[:36])
    a, b, _, c, d = numbers[:5]
    return tuple(round(number / _ROTATIONS_PRECISION) for number in (a, b, c, d))


def _same_hdr(have: Any, want: Any) -> bool:
    """Equal but for the rounding of the codecs' own units."""
    numbers = [list(_hdr_numbers(metadata)) for metadata in (have, want)]
    if len(numbers[0]) != len(numbers[1]):
        return False
    return all(
        abs(a - b) <= max(abs(b) * Fraction(1, 100), Fraction(1, 2000)) for a, b in zip(*numbers, strict=True)
    )


def _hdr_numbers(metadata: Any) -> Iterator[Fraction]:
    if metadata.mastering is not None and metadata.mastering.is_complete:
        for point in metadata.mastering.primaries:
            yield from point
        yield from metadata.mastering.luminance
    yield from map(Fraction, metadata.light_level or ())


def _stream_problems(
    path: Path, output: InputContainer, source: OpenSource, container: Container, track: VideoTrack
) -> Iterator[Difference]:
    bare = _undescribed(path, output)
    video = output.streams.video[0]
    if len(output.chapters()) < len(list(source.chapters(track.timeline))):
        yield Difference("chapters", essential=False)
    inside = _lost_stream_tags("the picture's ", source, source.video, video, container)
    inside += _lost_flags("the picture's ", source.video, video)
    for old, new in _pairs(output, source):
        if new is None or new.index in bare or not _is_in_codec(old, new, source):
            yield _of_stream(old, describe_stream(old))
        elif is_cover(old):
            inside += _lost_cover_tags(source, old, new, container)
        else:
            inside += _lost_stream_tags(f"stream {old.index}'s ", source, old, new, container)
            inside += _lost_flags(f"stream {old.index}'s ", old, new)
    inside += _lost_descriptions(path, output.format.name, source, track)
    if lost := lost_tags(source.file_tags(), output.metadata, container):
        yield Difference(f"the tag{'s' * (len(lost) > 1)} {_listed(lost)}", essential=False)
    if inside:
        yield Difference(_listed(inside), essential=False)


def _lost_descriptions(path: Path, demuxer: str, source: OpenSource, track: VideoTrack) -> Iterator[str]:
    """Languages and titles that FFmpeg doesn't tell."""
    stated = read_descriptions(path, demuxer)
    languages = set(stated.languages.values())
    for index, (plain, bcp47) in source.languages().items():
        if bcp47 not in languages and len(bcp47) > PLAIN_LANGUAGE:
            yield f"stream {index}'s language {bcp47} (it has {plain})"
    wanted = [titles for chapter in source.chapters(track.timeline) if (titles := source.titles(chapter))]
    have = set(stated.titles.values())
    if any(titles not in have and len(titles) > 1 for titles in wanted):
        yield "the chapters' titles in other languages"
    elif any(titles not in have for titles in wanted):
        yield "the chapters' languages"


def _lost_stream_tags(prefix: str, source: OpenSource, old: Any, new: Any, container: Container) -> list[str]:
    """Those of stream `old`; what its file says too isn't told for each of its streams."""
    wanted = spelled(source.tags(old), container)
    of_file = source.container.metadata
    own = {
        key: value
        for key, value in wanted.items()
        if key not in of_file or not means_the_same(value, of_file[key])
    }
    return [prefix + key for key in lost_tags(own, new.metadata, container)]


def _lost_flags(prefix: str, old: Any, new: Any) -> list[str]:
    """What stream `old` is marked as and its copy `new` isn't: forced, commentary and so on."""
    return [
        f"{prefix}flag {flag.name}"
        for flag, alike in _FLAGS.items()
        if flag.name not in _OWN_FLAGS and old.disposition & flag and not new.disposition & alike
    ]


def _lost_cover_tags(source: OpenSource, old: Any, new: Any, container: Container) -> list[str]:
    """Those of the cover picture `old`, but for its type, which its content shows."""
    wanted = {key: value for key, value in source.tags(old).items() if key != "mimetype"}
    return [
        f"the cover picture's {key} ({wanted[key]})" for key in lost_tags(wanted, new.metadata, container)
    ]


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN_TAGS
    return ", ".join(names[:_SHOWN_TAGS]) + (f" and {more} more" if more > 0 else "")


def _undescribed(path: Path, output: InputContainer) -> set[int]:
    """FFmpeg writes tracks of a kind that it doesn't know into MP4 with an empty description."""
    return undescribed_tracks(path) if _is_mp4(output) else set()


def _is_mp4(container: InputContainer) -> bool:
    return bool(container.format.name.startswith("mov"))


def _is_in_codec(old: Any, new: Any, source: OpenSource) -> bool:
    """The copy `new` is in the codec of `old`, or in the one that it was to become."""
    wanted = source.streams.converted.get(old.index)
    if wanted is None:
        return _codec(old) == _codec(new) or (
            any(_is_mp4(stream.container) for stream in (old, new)) and _is_mpeg_audio(old, new)
        )
    return bool(new.codec_context.codec.canonical_name == wanted)


def _is_mpeg_audio(*streams: Any) -> bool:
    return all(
        stream.codec_context is not None and stream.codec_context.codec.canonical_name in _MPEG_AUDIO
        for stream in streams
    )


def _of_stream(stream: Any, what: str) -> Difference:
    return Difference(what, stream.index, is_essential(stream))


def is_essential(stream: Any) -> bool:
    """A viewer or listener would miss it."""
    return stream.type in _ESSENTIAL and not is_cover(stream)


def describe_stream(stream: Any) -> str:
    """A stream as users find it in other programs."""
    kind = "cover picture" if is_cover(stream) else stream.type
    metadata, codec = stream.metadata, _codec(stream)
    name = metadata.get("filename") or metadata.get("language") or ""
    if codec == "unknown":
        name = metadata.get("handler_name") or name
    return f"stream {stream.index} ({', '.join([kind, codec, *([name] if name not in _NAMELESS else [])])})"


def named_streams(path: Path, indices: Iterable[int]) -> list[Difference]:
    """Streams of the file `path` by their numbers, with names for a user."""
    with opened(path) as container:
        streams = [container.streams[index] for index in indices]
        return [_of_stream(stream, describe_stream(stream)) for stream in streams]


def _wanted_codec(stream: Any, source: OpenSource) -> str:
    """What the codec of the copy of `stream` is to be."""
    return source.streams.converted.get(stream.index) or _codec(stream)


def _codec(stream: Any) -> str:
    if stream.codec_context is not None:
        return str(stream.codec_context.name)
    return str(stream.metadata.get("mimetype") or getattr(stream, "name", None) or "unknown")


def _pairs(output: InputContainer, source: OpenSource) -> list[tuple[Any, Any | None]]:
    """Each copied stream with the one that took its place. Muxers keep the order within a type, and some put
    attachments and covers last.
    """
    places: dict[str, list[Any]] = {}
    for stream in copied_streams(output, output.streams.video[0].index):
        places.setdefault(_kind(stream), []).append(stream)
    waiting = [(old, places.get(_kind(old), [])) for old in source.copied()]
    return [(old, streams.pop(0) if streams else None) for old, streams in waiting]


def _kind(stream: Any) -> str:
    return "cover" if is_cover(stream) else str(stream.type)


def _derived_end(container: InputContainer, stream: Any) -> Fraction | None:
    """When the picture ends as its container has it: MP4 stores no durations of frames that are coded in
    another order than they show in, but one of the whole.
    """
    if not _is_mp4(container) or stream.duration is None or stream.start_time is None:
        return None
    return (stream.start_time + stream.duration) * as_fraction(stream.time_base)  # type: ignore[no-any-return]


def _passed(container: InputContainer, packets: Any) -> dict[int, _Passed]:
    records: dict[int, _Passed] = {}
    latest: dict[int, int] = {}
    for packet in packets:
        stream = container.streams[packet.stream_index]
        if not packet.size or is_filler(packet, stream):
            continue
        if packet.stream_index not in records:
            records[packet.stream_index] = _Passed(as_fraction(packet.time_base))
        record = records[packet.stream_index]
        time = packet.pts if packet.pts is not None else packet.dts or 0
        record.times.append(time)
        if time >= latest.get(packet.stream_index, time):
            latest[packet.stream_index], record.end = time, time + (packet.duration or 0)
        record.digest.update(_payload(packet, stream))
    return records


def _payload(packet: AnyPacket, stream: Any) -> Any:
    """The content of `packet` without the header that some containers put before AAC (ADTS, ISO 14496-3)."""
    if stream.codec_context is None or stream.codec_context.name != "aac":
        return packet
    data = bytes(packet)
    if len(data) > 9 and int.from_bytes(data[:2], "big") >> 4 == _ADTS_SYNC:
        return data[_ADTS_HEADER[data[1] & 1] :]
    return data


def _timing_problems(
    record: _Passed | None, timeline: Timeline, derived_end: Fraction | None
) -> Iterator[Difference]:
    if record is None or len(record.times) != len(timeline):
        yield Difference(f"{0 if record is None else len(record.times)} frames instead of {len(timeline)}")
        return
    wanted = _Passed(timeline.time_base, array("q", timeline.pts.tolist()))
    record.times = array("q", sorted(record.times))
    for problem in _time_differences("the picture", record, wanted):
        yield Difference(problem)
    end = record.end * record.time_base if derived_end is None else derived_end
    if abs(end - timeline.end) > _ROUNDINGS * max(record.time_base, timeline.time_base):
        yield Difference(f"the picture ends at {float(end):.6f} s instead of {float(timeline.end):.6f} s")


def _time_differences(name: str, have: _Passed, want: _Passed) -> list[str]:
    """Nothing may be off by more than a tick of the coarser clock."""
    ratio = want.time_base / have.time_base
    a, b = ratio.numerator, ratio.denominator
    allowed = max(a, b)
    for number, (ticks, exact) in enumerate(zip(have.times, want.times, strict=True)):
        if abs(ticks * b - exact * a) > allowed:
            seconds = float(ticks * have.time_base), float(exact * want.time_base)
            return [f"{name}: packet {number} at {seconds[0]:.6f} s instead of {seconds[1]:.6f} s"]
    return []


def _copy_problems(
    output: InputContainer, records: dict[int, _Passed], source: OpenSource, limit: int | None = None
) -> Iterator[Difference]:
    pairs = [(old, new) for old, new in _pairs(output, source) if new is not None]
    moving = {old.index: None for old, _ in pairs if old.type != "attachment" and not is_cover(old)}
    wanted = _passed(source.container, islice(source.packets(moving), limit))
    for old, new in pairs:
        if old.type == "attachment":
            if old.data != new.data:
                yield _of_stream(old, f"{describe_stream(old)}: different content")
        elif old.index in wanted:
            have, want = records.get(new.index), wanted[old.index]
            for problem in _packet_problems(describe_stream(old), have, want, _wanted_codec(old, source)):
                yield _of_stream(old, problem)


def _packet_problems(name: str, have: _Passed | None, want: _Passed, codec: str) -> list[str]:
    if have is None:
        return [f"{name}: missing"]
    problems = []
    if codec not in _REWRAPPED and have.digest.digest() != want.digest.digest():
        problems.append(f"{name}: different content")
    if codec.startswith("pcm_"):  # containers cut samples into packets as they like
        have.times, want.times = have.times[:1], want.times[:1]
    if len(have.times) != len(want.times):
        return [*problems, f"{name}: {len(have.times)} packets instead of {len(want.times)}"]
    return problems + _time_differences(name, have, want)
