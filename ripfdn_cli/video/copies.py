"""What a video file has beside its picture: sound, subtitles, chapters, attachments, tags; copied."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import InputContainer, OutputContainer
from av.stream import Discard

from ripfdn_cli.video import matroska_headers, quicktime_boxes
from ripfdn_cli.video.decoders import is_lossy
from ripfdn_cli.video.files import is_cover, opened
from ripfdn_cli.video.formats import Container
from ripfdn_cli.video.matroska_headers import ChapterTitle, Descriptions, room_for_titles
from ripfdn_cli.video.packet_times import Joint, retimed
from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction, fraction
from ripfdn_cli.video.tags import PLAIN_LANGUAGE, carried, spelled, spelled_for_file
from ripfdn_cli.video.timecode import TIMECODE
from ripfdn_cli.video.timeline import Timeline
from ripfdn_cli.video.transcoding import (
    add_encoder,
    converted_time_base,
    converter,
    is_text,
    said_layout,
)

_HANDLERS = {"video": "VideoHandler", "audio": "SoundHandler", "subtitle": "SubtitleHandler"}
"""What FFmpeg calls the handlers of tracks in MP4 by itself."""
_HEARD_OR_READ = ("audio", "subtitle")
"""Types of streams that are nothing without packets."""
_EMPTY_TEXT = 2
_RUN_UP = Fraction(1, 10)
"""Seconds before a sound that its decoder may need to give it whole (Opus: 80 ms by RFC 7845)."""
_NUMBERS = 1 << 64
"""FFmpeg gives the upper half of Matroska's UIDs as negative numbers."""
_COVER_NAMES = {"png": ("cover.png", "image/png"), "mjpeg": ("cover.jpg", "image/jpeg")}


@dataclass(frozen=True)
class SourceStreams:
    """What is taken over from the file `path` besides the picture of its stream `video`: streams `copied`,
    by index, from `start` to before `end` (seconds in the source; None: no bound), `shift` seconds later.
    `joints`: where the file's clock starts anew. `dropped_tags`: names of tags to leave out, in lower case.
    `timecodes`: what timecodes in its tags become where the first frame is another one.
    `converted`: streams that become another codec (see `conversion`), by index. `with_hidden_sound`: also
    what an edit list hides, for a container that hides it again.
    """

    path: Path
    video: int
    copied: tuple[int, ...]
    with_chapters: bool = True
    with_metadata: bool = True
    shift: Fraction = Fraction(0)
    start: Fraction | None = None
    end: Fraction | None = None
    joints: tuple[Joint, ...] = ()
    dropped_tags: frozenset[str] = frozenset()
    timecodes: Mapping[str, str] = field(default_factory=dict)
    converted: Mapping[int, str] = field(default_factory=dict)
    with_hidden_sound: bool = True

    def takes(self, begin: Fraction) -> bool:
        """What begins at `begin`, in seconds in the source, is in the part that is kept."""
        return (self.start is None or begin >= self.start) and (self.end is None or begin < self.end)

    def cut(self, begin: Fraction, end: Fraction) -> tuple[Fraction, Fraction] | None:
        """What of the time from `begin` to `end`, in seconds in the source, is in the part that is kept."""
        begin = begin if self.start is None else max(begin, self.start)
        end = end if self.end is None else min(end, self.end)
        return (begin, end) if begin < end else None


class OpenSource:
    """The open file `container` that `streams` are taken from."""

    def __init__(self, container: InputContainer, streams: SourceStreams) -> None:
        self.container, self.streams = container, streams
        self.descriptions = read_descriptions(streams.path, container.format.name)

    @property
    def video(self) -> Any:
        """The source's stream of pictures."""
        return self.container.streams[self.streams.video]

    def copied(self) -> list[Any]:
        """The source's streams that are copied."""
        return [self.container.streams[index] for index in self.streams.copied]

    def time_bases(self) -> list[Fraction]:
        """Of the streams that are copied, where they have one."""
        converted = self.streams.converted
        bases = (
            converted_time_base(stream, converted[stream.index])
            if stream.index in converted
            else fraction(stream.time_base)
            for stream in self.copied()
        )
        return [base for base in bases if base is not None]

    def sample_rates(self) -> list[int]:
        """Of the sound that is copied as it is, where they are known."""
        contexts = (
            stream.codec_context
            for stream in self.copied()
            if stream.type == "audio" and stream.index not in self.streams.converted
        )
        return [context.sample_rate for context in contexts if context is not None and context.sample_rate]

    def file_tags(self) -> dict[str, str]:
        """The file's own tags; none where they are left out."""
        return self._carried(self.container.metadata, of_file=True)

    def describe(self, output: OutputContainer, container: Container, timeline: Timeline) -> None:
        """Give `output` the file's own tags, and its chapters."""
        output.metadata.update(spelled_for_file(self.file_tags(), container)[0])
        chapters: Any = list(self.chapters(timeline))
        for chapter in chapters:
            if titles := self.titles(chapter):  # of which FFmpeg gives the last
                room = room_for_titles(titles) if container.described_by_matroska else titles[0].text
                chapter["metadata"] = {"title": room}
        output.set_chapters(chapters)

    def titles(self, chapter: Any) -> tuple[ChapterTitle, ...]:
        """All titles of `chapter` with their languages; none where FFmpeg tells all there is."""
        titles = self.descriptions.titles.get(chapter["id"] % _NUMBERS, ())
        return titles if len(titles) > 1 or any(title.is_in_a_language for title in titles) else ()

    def all_titles(self, timeline: Timeline) -> list[tuple[ChapterTitle, ...]]:
        """Of the chapters that are kept, in turn."""
        return [self.titles(chapter) for chapter in self.chapters(timeline)]

    def languages(self) -> dict[int, tuple[str, str]]:
        """ISO 639-2 and BCP 47 languages of the streams that have both, by index, the picture's too."""
        if not self.streams.with_metadata or "language" in self.streams.dropped_tags:
            return {}
        kept = {self.streams.video, *self.streams.copied}
        streams = [stream for stream in self.container.streams if stream.index in kept]
        return {
            stream.index: (stream.metadata.get("language") or "und", bcp47)
            for stream in streams
            if (bcp47 := self.descriptions.languages.get(stream.index))
        }

    def make_room_for_language(self, old: Any, new: Any, container: Container) -> None:
        """Of stream `old`, in the headers of its copy `new`, where `container` takes one by BCP 47."""
        language = self.languages().get(old.index)
        if language is None or is_cover(old):
            return
        if container.described_by_matroska:
            new.metadata["language"] = matroska_headers.room_for_language(*language)
        elif container.described_by_boxes and len(language[1]) > PLAIN_LANGUAGE:
            handler = new.metadata.get("handler_name", _HANDLERS.get(old.type, "DataHandler"))
            new.metadata["handler_name"] = quicktime_boxes.room_for_language(handler, language[1])

    def chapters(self, timeline: Timeline) -> Iterator[dict[str, Any]]:
        """The chapters that are kept, moved and cut like the picture, which shows as `timeline` says."""
        streams = self.streams
        is_cut = streams.start is not None or streams.end is not None
        earliest, latest = (timeline.start, timeline.end) if is_cut else (Fraction(0), None)
        for chapter in self.container.chapters() if streams.with_chapters else ():
            base = as_fraction(chapter["time_base"])
            start, end = chapter["start"] * base + streams.shift, chapter["end"] * base + streams.shift
            begin, stop = max(start, earliest), end if latest is None else min(end, latest)
            # That of one frame has no length, where no end of it is said.
            if begin < stop or (begin == start == stop and not is_cut):
                times = {"start": round(begin / base), "end": round(stop / base), "time_base": base}
                yield {**chapter, **times}

    def tags(self, stream: Any) -> dict[str, str]:
        """The tags of `stream`; none where they are left out. A timecode track is one of the picture's."""
        metadata = stream.metadata
        if stream.index == self.streams.video:
            for track in filter(is_timecode, self.container.streams):
                metadata = {TIMECODE: track.metadata[TIMECODE]} | metadata
        return self._carried(metadata, of_file=False)

    def _carried(self, metadata: dict[str, str], *, of_file: bool) -> dict[str, str]:
        if not self.streams.with_metadata:
            return {}
        timecodes = self.streams.timecodes
        moved = {
            key: timecodes.get(value, value) if key.lower() == TIMECODE else value
            for key, value in metadata.items()
        }
        return carried(moved, self.container.format.name, self.streams.dropped_tags, of_file=of_file)

    def add_to(self, output: OutputContainer, container: Container) -> dict[int, Any]:
        """New streams of `output` by the index of the one they copy; attachments have no packets to come.

        Raises ValueError where the container doesn't take one of them.
        """
        copies: dict[int, Any] = {}
        for old in self.copied():
            if is_cover(old) and container.covers_as_attachments:
                self._attach_cover(output, old)
                continue
            codec = self.streams.converted.get(old.index)
            if codec is None:
                new: Any = output.add_stream_from_template(old, opaque=True)
                if old.type == "audio" and old.codec_context is not None:  # MP4 must say it of PCM
                    new.codec_context.layout = said_layout(old.codec_context)
            else:
                new = add_encoder(output, old, codec)
            new.disposition = old.disposition
            new.metadata.update(spelled(self.tags(old), container))
            self.make_room_for_language(old, new, container)
            if old.type != "attachment":
                new.time_base = old.time_base if codec is None else new.time_base
                copies[old.index] = new
        return copies

    def packets(self, copies: dict[int, Any]) -> Iterator[AnyPacket]:
        """Packets of the streams whose indices `copies` has, as they are but for the shift and what is
        converted, each for its new stream (None leaves it where it was).
        """
        if not copies:
            return  # PyAV takes none for all
        streams = [self.container.streams[index] for index in copies]
        covers = {stream.index for stream in streams if is_cover(stream)}
        converters = {
            index: converter(self.container.streams[index], codec, copies[index])
            for index, codec in self.streams.converted.items()
            if index in copies
        }
        sounds = {stream.index for stream in streams if stream.type == "audio"}
        timed = _with_decoding_times(retimed(self.container.demux(streams), self.streams.joints), covers)
        if not self.streams.with_hidden_sound:
            timed = _without_hidden(timed, sounds)
        for packet in _with_durations(_in_turn(timed, sounds), sounds):
            index = packet.stream_index
            if is_filler(packet, self.container.streams[index]):
                continue
            if index not in covers and not self._shift(packet, self.container.streams[index].type):
                continue
            stream = copies[index] or self.container.streams[index]
            for made in converters[index].convert(packet) if index in converters else (packet,):
                made.stream = stream
                yield made
        for index, last in converters.items():
            for made in last.flush():
                made.stream = copies[index] or self.container.streams[index]
                yield made

    def _shift(self, packet: AnyPacket, kind: str) -> bool:
        """Move `packet` as the picture was moved; False where it lies outside the part that is kept.
        Subtitles that show over an edge of it are cut there.
        """
        base = as_fraction(packet.time_base)
        if kind == "subtitle" and packet.duration:
            kept = self.streams.cut(packet.pts * base, (packet.pts + packet.duration) * base)
            if kept is None:
                return False
            begin, end = round(kept[0] / base), round(kept[1] / base)
            if (begin, end) != (packet.pts, packet.pts + packet.duration):
                packet.pts = packet.dts = begin
                packet.duration = max(1, end - begin)
        elif not self.streams.takes(packet.pts * base):
            return False
        ticks = round(self.streams.shift / base)
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return True

    def _attach_cover(self, output: OutputContainer, cover: Any) -> None:
        """Matroska has cover pictures as attachments with these names (its "cover art guidelines")."""
        codec = cover.codec_context.name
        name, kind = _COVER_NAMES.get(codec, (f"cover.{codec}", f"image/{codec}"))
        tags = self.tags(cover)
        with opened(self.streams.path) as again:  # so that this one stays at its beginning
            for packet in again.demux(again.streams[cover.index]):
                if packet.size:
                    name = cover.metadata.get("filename", name)
                    attached: Any = output.add_attachment(name, kind, bytes(packet))
                    if "title" in tags:
                        attached.metadata["title"] = tags["title"]
                    return


def read_descriptions(path: Path, demuxer: str) -> Descriptions:
    """What the file `path`, which FFmpeg's `demuxer` reads, says of languages and chapters besides what
    FFmpeg tells.
    """
    if "matroska" in demuxer:
        return matroska_headers.read_descriptions(path)
    if demuxer.startswith("mov"):
        return Descriptions(quicktime_boxes.read_languages(path))
    return Descriptions()


@contextmanager
def open_source(streams: SourceStreams) -> Iterator[OpenSource]:
    """Raises InputError, within the block too where reading fails."""
    with opened(streams.path) as container:
        yield OpenSource(container, streams)


def without_empty(streams: SourceStreams) -> SourceStreams:
    """`streams` without sound and subtitles that have no packets in the part that is kept: most containers
    can't describe such, and nobody would miss them.
    """
    with open_source(streams) as source:
        empty = {stream.index for stream in source.copied() if stream.type in _HEARD_OR_READ}
        if empty:
            for packet in source.packets(dict.fromkeys(empty)):
                empty.discard(packet.stream_index)
                if not empty:
                    break
    return replace(streams, copied=tuple(index for index in streams.copied if index not in empty))


def conversion_of(streams: SourceStreams, index: int, container: Container, sound: str | None) -> str | None:
    """The codec that stream `index`, which `container` doesn't hold as it is, can become: for text the
    container's own, for sound the one asked for.
    """
    with opened(streams.path) as source:
        stream = source.streams[index]
        if is_text(stream):
            return container.text_subtitles
        return sound if stream.type == "audio" and stream.codec_context is not None else None


def suited_sound(streams: SourceStreams, indices: Iterable[int], container: Container) -> str | None:
    """The codec to advise for the sound among the streams `indices` that `container` doesn't hold: one that
    loses nothing where the sound has lost nothing; None where there is none that can be decoded.
    """
    with opened(streams.path) as source:
        chosen = [source.streams[index] for index in indices]
        sounds = [s.codec_context.name for s in chosen if s.type == "audio" and s.codec_context is not None]
    if not sounds:
        return None
    lossless = container.lossless_sound
    return container.sound if lossless is None or any(map(is_lossy, sounds)) else lossless


def copied_streams(container: InputContainer, video: int) -> list[Any]:
    """The streams of `container` to copy: all but the picture, and the tracks that hold only chapters or a
    timecode, which are written anew.
    """
    return [
        stream
        for stream in container.streams
        if stream.index != video
        and not (stream.type == "data" and stream.discard == Discard.all)
        and not is_timecode(stream)
    ]


def timecodes_of(container: InputContainer) -> list[str]:
    """The timecodes in the tags of `container` and of its streams, each once."""
    tagged = (container.metadata, *(stream.metadata for stream in container.streams))
    return sorted({value for tags in tagged for key, value in tags.items() if key.lower() == TIMECODE})


def is_timecode(stream: Any) -> bool:
    """Whether a stream is a track of QuickTime with nothing but the timecode of the first frame, which FFmpeg
    reads and writes as a tag of the picture.
    """
    return stream.type == "data" and stream.frames == 1 and TIMECODE in stream.metadata


def is_filler(packet: AnyPacket, stream: Any) -> bool:
    """An empty subtitle that stands between two of MP4's; its muxer puts them there by itself."""
    context = stream.codec_context
    return context is not None and context.name == "mov_text" and packet.size <= _EMPTY_TEXT


def _without_hidden(packets: Iterable[AnyPacket], sounds: Collection[int]) -> Iterator[AnyPacket]:
    """`packets`, without those of `sounds` that an edit list hides, as after a cut between two keyframes;
    with what the decoder needs for the first that is heard.
    """
    hidden: dict[int, list[AnyPacket]] = {}
    for packet in packets:
        index = packet.stream_index
        if index in sounds and packet.is_discard:
            hidden.setdefault(index, []).append(packet)
            continue
        for early in hidden.pop(index, ()):
            ticks = packet.pts - (early.pts + (early.duration or 0))
            if ticks * as_fraction(early.time_base) < _RUN_UP:
                yield early
        yield packet


def _in_turn(packets: Iterable[AnyPacket], sounds: Collection[int]) -> Iterator[AnyPacket]:
    """`packets`, of which those of `sounds` have rising times: one at the time of the one before, or earlier,
    which most containers refuse, is a tick later.
    """
    latest: dict[int, int] = {}
    for packet in packets:
        index = packet.stream_index
        if index in sounds:
            least = latest.get(index, packet.dts - 1) + 1
            if packet.dts < least:
                packet.pts, packet.dts = max(packet.pts, least), least
            latest[index] = packet.dts
        yield packet


def _with_durations(packets: Iterable[AnyPacket], sounds: Collection[int]) -> Iterator[AnyPacket]:
    """`packets`, of which those of `sounds` last until the next where their duration isn't said, and the last
    as long as the one before: Matroska doesn't say ALAC's, and MP4 loses what has none.
    """
    waiting: dict[int, AnyPacket] = {}
    steps: dict[int, int] = {}
    for packet in packets:
        index = packet.stream_index
        if (before := waiting.pop(index, None)) is not None:
            before.duration = steps[index] = packet.dts - before.dts
            yield before
        if index in sounds and not packet.duration:
            waiting[index] = packet
        else:
            yield packet
    for index, last in waiting.items():
        last.duration = steps.get(index, 0)
        yield last


def _with_decoding_times(packets: Iterable[AnyPacket], covers: Collection[int]) -> Iterator[AnyPacket]:
    """Packets with content, each with both times; Matroska has none for decoding, and FFmpeg doesn't make
    them for the first packets of a stream with reordering. Cover pictures, which have no time, come first.
    """
    known: set[int] = set()
    waiting: dict[int, list[AnyPacket]] = {}
    for packet in packets:
        index = packet.stream_index
        if index in covers:
            packet.pts = packet.dts = 0
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
