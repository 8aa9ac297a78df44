"""Is everything in a file that was written? It is read back and compared with what should be there."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from av.container import InputContainer

from ripfdn_cli.video.copies import (
    OpenSource,
    SourceStreams,
    copied_streams,
    is_filler,
    open_source,
    plain_tags,
)
from ripfdn_cli.video.files import is_cover, opened
from ripfdn_cli.video.formats import Container
from ripfdn_cli.video.hdr import hdr_metadata_of
from ripfdn_cli.video.mux import VideoTrack
from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction, fraction, side_data_of
from ripfdn_cli.video.timeline import Timeline

CHAPTERS = "chapters"
_CHECKED_FRAMES = 2
_ROUNDINGS = 2
"""Ticks by which the end may be off: a time, its duration, and what Matroska takes for the usual one."""
_ADTS_SYNC = 0xFFF
_ADTS_HEADER = (9, 7)  # with and without a checksum
_REWRAPPED = ("h264", "hevc", "vvc")
"""Codecs whose packets are framed differently from container to container."""


@dataclass(frozen=True)
class Missing:
    """Something that a file hasn't: `what` a user knows it by, and the source's stream that it is."""

    what: str
    stream: int | None = None

    def __str__(self) -> str:
        return self.what


@dataclass
class _Record:
    """What went through one stream: `times` in ticks of `time_base`, the `end` of the last to show, a digest
    of all payload.
    """

    time_base: Fraction
    times: array[int] = field(default_factory=lambda: array("q"))
    digest: Any = field(default_factory=hashlib.sha256)
    end: int = 0


def missing_parts(
    path: Path, container: Container, track: VideoTrack, streams: SourceStreams | None
) -> list[Missing]:
    """What the file `path` has not of the streams, tags, chapters and attachments that should be in it.
    Looks at headers, and at the first picture.
    """
    with opened(path) as output:
        problems = list(_track_problems(output, track))
        if streams is not None:
            with open_source(streams) as source:
                problems += _stream_problems(output, source, container, track)
    return problems


def wrong_packets(path: Path, track: VideoTrack, streams: SourceStreams | None) -> list[str]:
    """How the packets of the file `path` differ from those that should be in it: number, time, content."""
    with opened(path) as output:
        video = output.streams.video[0].index
        records = _records(output, output.demux())
        problems = _timing_problems(records.get(video), track.timeline)
        if streams is not None:
            with open_source(streams) as source:
                problems += _copy_problems(output, records, source)
    return problems


def wrong_copies(path: Path, streams: SourceStreams, limit: int) -> list[str]:
    """How the packets in the file `path` differ from the first `limit` of `streams`, which it was made of."""
    with opened(path) as output, open_source(streams) as source:
        return list(_copy_problems(output, _records(output, output.demux()), source, limit))


def _track_problems(output: InputContainer, track: VideoTrack) -> Iterator[Missing]:
    settings = track.settings
    stream = output.streams.video[0]
    frames = list(islice(output.decode(stream), _CHECKED_FRAMES))
    if not frames:
        yield Missing("a picture that can be decoded")
        return
    frame = frames[0]
    aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
    matrix = side_data_of(frame).get("DISPLAYMATRIX")
    tags = settings.tags
    said = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range == 2)
    checks = {
        "size": ((frame.width, frame.height), (settings.width, settings.height)),
        "pixel format": (_plain_format(frame.format.name), _plain_format(settings.pixel_format)),
        "colour tags": (said, (tags.matrix, tags.primaries, tags.transfer, tags.full_range)),
        "aspect ratio of pixels": (aspect, settings.sample_aspect_ratio),
        "rotation": (_matrix_bytes(matrix), _matrix_bytes(track.matrix)),
    }
    for name, (have, want) in checks.items():
        if have != want:
            yield Missing(f"the picture's {name} ({have} instead of {want})")
    if settings.hdr and not _same_hdr(hdr_metadata_of(frames), settings.hdr):
        yield Missing("the picture's mastering display and light levels")


def _plain_format(name: str) -> str:
    """Formats that differ in memory only."""
    return {"nv12": "yuv420p", "p010le": "yuv420p10le", "bgra": "gbrap", "yuvj420p": "yuv420p"}.get(
        name, name
    )


def _matrix_bytes(matrix: Any) -> bytes | None:
    """A display matrix for comparison; one that changes nothing is none."""
    if matrix is None:
        return None
    data = bytes(matrix) if not isinstance(matrix, tuple) else array("i", matrix).tobytes()
    return (
        None
        if data[:36] == array("i", (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)).tobytes()
        else data[:36]
    )


def _same_hdr(have: Any, want: Any) -> bool:
    """Equal but for the rounding of the codecs' own units."""
    numbers = [list(_hdr_numbers(metadata)) for metadata in (have, want)]
    if len(numbers[0]) != len(numbers[1]):
        return False
    return all(
        abs(a - b) <= max(abs(b) * Fraction(1, 100), Fraction(1, 2000)) for a, b in zip(*numbers, strict=True)
    )


def _hdr_numbers(metadata: Any) -> Iterator[Fraction]:
    if metadata.mastering is not None:
        for point in metadata.mastering.primaries or ():
            yield from point
        yield from metadata.mastering.luminance or ()
    yield from map(Fraction, metadata.light_level or ())


def _stream_problems(
    output: InputContainer, source: OpenSource, container: Container, track: VideoTrack
) -> Iterator[Missing]:
    if source.streams.with_metadata:
        yield from _lost_tags("", plain_tags(source.container.metadata), output.metadata, container)
    video = output.streams.video[0]
    yield from _lost_tags("the picture's ", source.tags(source.video, container), video.metadata, container)
    if len(output.chapters()) < len(list(source.chapters(track.timeline))):
        yield Missing(CHAPTERS)
    for old, new in _pairs(output, source):
        if new is None or _codec(old) != _codec(new):
            yield Missing(describe_stream(old), old.index)
        elif not is_cover(old):
            tags = source.tags(old, container)
            yield from _lost_tags(f"{describe_stream(old)}: ", tags, new.metadata, container)


def describe_stream(stream: Any) -> str:
    """A stream as users find it in other programs."""
    kind = "cover picture" if is_cover(stream) else stream.type
    name = stream.metadata.get("filename") or stream.metadata.get("language")
    return f"stream {stream.index} ({kind}, {_codec(stream)}{f', {name}' if name else ''})"


def named_streams(path: Path, indices: Iterable[int]) -> list[Missing]:
    """Streams of the file `path` by their numbers, with names for a user."""
    with opened(path) as container:
        return [Missing(describe_stream(container.streams[index]), index) for index in indices]


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


def _lost_tags(
    prefix: str, wanted: dict[str, str], have: dict[str, str], container: Container
) -> Iterator[Missing]:
    """Tags count as kept under any name, as containers have their own names for the same thing."""
    values = {value.strip() for value in have.values()}
    for key, value in wanted.items():
        own = key.lower().partition("-")[0] in container.own_tags
        if value.strip() not in values and not own and (key, value) != ("language", "und"):
            yield Missing(f"{prefix}tag {key}")


def _records(container: InputContainer, packets: Any) -> dict[int, _Record]:
    records: dict[int, _Record] = {}
    latest: dict[int, int] = {}
    for packet in packets:
        stream = container.streams[packet.stream_index]
        if not packet.size or is_filler(packet, stream):
            continue
        if packet.stream_index not in records:
            records[packet.stream_index] = _Record(as_fraction(stream.time_base))
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


def _timing_problems(record: _Record | None, timeline: Timeline) -> list[str]:
    if record is None or len(record.times) != len(timeline):
        return [f"{0 if record is None else len(record.times)} frames instead of {len(timeline)}"]
    wanted = _Record(timeline.time_base, array("q", timeline.pts.tolist()))
    record.times = array("q", sorted(record.times))
    problems = _time_differences("the picture", record, wanted)
    end = record.end * record.time_base
    if abs(end - timeline.end) > _ROUNDINGS * record.time_base:
        problems.append(f"the picture ends at {float(end):.6f} s instead of {float(timeline.end):.6f} s")
    return problems


def _time_differences(name: str, have: _Record, want: _Record) -> list[str]:
    """The clock of the output may be coarser; nothing may be off by more than half its tick."""
    ratio = want.time_base / have.time_base
    a, b = ratio.numerator, ratio.denominator
    for number, (ticks, exact) in enumerate(zip(have.times, want.times, strict=True)):
        if 2 * abs(ticks * b - exact * a) > b:
            seconds = float(ticks * have.time_base), float(exact * want.time_base)
            return [f"{name}: packet {number} at {seconds[0]:.6f} s instead of {seconds[1]:.6f} s"]
    return []


def _copy_problems(
    output: InputContainer, records: dict[int, _Record], source: OpenSource, limit: int | None = None
) -> Iterator[str]:
    pairs = [(old, new) for old, new in _pairs(output, source) if new is not None]
    moving = {old.index: None for old, _ in pairs if old.type != "attachment" and not is_cover(old)}
    wanted = _records(source.container, islice(source.packets(moving), limit))
    for old, new in pairs:
        if old.type == "attachment":
            if old.data != new.data:
                yield f"{describe_stream(old)}: other content"
        elif old.index in wanted:
            yield from _record_problems(
                describe_stream(old), records.get(new.index), wanted[old.index], _codec(old)
            )


def _record_problems(name: str, have: _Record | None, want: _Record, codec: str) -> list[str]:
    if have is None:
        return [f"{name}: nothing of it"]
    problems = []
    if codec not in _REWRAPPED and have.digest.digest() != want.digest.digest():
        problems.append(f"{name}: other content")
    if codec.startswith("pcm_"):  # containers cut samples into packets as they like
        have.times, want.times = have.times[:1], want.times[:1]
    if len(have.times) != len(want.times):
        return [*problems, f"{name}: {len(have.times)} packets instead of {len(want.times)}"]
    return problems + _time_differences(name, have, want)
