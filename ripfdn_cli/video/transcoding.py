"""Sound and text subtitles in another codec, packet by packet, where a container doesn't hold theirs.

The same packets make the same result each time, so that what was written can be compared with what should be.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import av
from av.container import OutputContainer
from av.subtitles.subtitle import SubtitleSet

from ripfdn_cli.video.pyav_versions import AnyPacket, as_fraction

log = logging.getLogger(__name__)

AUDIO_ENCODERS = {"aac": "aac", "opus": "libopus", "flac": "flac"}
"""Name of a codec of sound → FFmpeg's encoder of it."""
_TEXT = frozenset({"subrip", "srt", "mov_text", "ass", "ssa", "webvtt", "text"})
"""FFmpeg's decoders of subtitles that are text."""
_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 64_000}
"""Bits a second that nobody hears the loss of."""
_BITS_PER_SAMPLE = 6
"""More than AAC can use of low sample rates."""
_VORBIS_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""By number of channels, the only layouts that Opus has (RFC 7845, section 5.1.1.2)."""
_DEEP = ("s32", "s32p")
_MOV_TEXT = "mov_text"
_TEXT_FIELD = 8
"""Commas before the text of an event of ASS as FFmpeg hands it on."""


class Converter(Protocol):
    """Turns packets of one stream into those of another codec."""

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        """What `packet` gives, which may come later."""

    def flush(self) -> Iterator[AnyPacket]:
        """What is left at the end."""


def is_text(stream: Any) -> bool:
    """Whether a stream holds subtitles as text, not as bitmaps, in a codec that is known to."""
    context = stream.codec_context
    return stream.type == "subtitle" and context is not None and context.name in _TEXT


def add_encoder(output: OutputContainer, old: Any, codec: str) -> Any:
    """A stream of `output` for what `converter` makes of `old`. Raises ValueError where the container
    doesn't take it.
    """
    if old.type == "subtitle":
        new: Any = output.add_stream(codec)
        _set_up_subtitles(new.codec_context, old)
        new.time_base = converted_time_base(old, codec)
        return new
    encoder = AUDIO_ENCODERS[codec]
    new = output.add_stream(encoder, rate=_rate(encoder, old.codec_context.sample_rate))
    _set_up_sound(new.codec_context, encoder, old)
    new.time_base = converted_time_base(old, codec)
    return new


def converted_time_base(old: Any, codec: str) -> Fraction:
    """The time base of what `converter` makes of the stream `old`."""
    if old.type == "subtitle":
        return as_fraction(old.time_base)
    return Fraction(1, _rate(AUDIO_ENCODERS[codec], old.codec_context.sample_rate))


def converter(old: Any, codec: str, new: Any | None) -> Converter:
    """What turns packets of `old`, an open file's stream, into `codec`, with the encoder of the stream `new`
    where there is one.
    """
    if old.type == "subtitle":
        context: Any = new.codec_context if new is not None else av.CodecContext.create(codec, "w")
        if new is None:
            _set_up_subtitles(context, old)
        return _Subtitles(old, context, in_turn=codec == _MOV_TEXT)
    encoder = AUDIO_ENCODERS[codec]
    if new is not None:
        return _Sound(old, new.codec_context)
    context = av.CodecContext.create(encoder, "w")
    context.sample_rate = _rate(encoder, old.codec_context.sample_rate)
    _set_up_sound(context, encoder, old)
    return _Sound(old, context)


class _Sound:
    def __init__(self, old: Any, encoder: Any) -> None:
        self._old, self._encoder = old, encoder
        self._graph: av.filter.Graph | None = None
        self._like: tuple[str, str, int] | None = None
        self._end: Fraction | None = None

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        try:
            frames = self._old.codec_context.decode(packet)
        except av.FFmpegError as error:
            log.debug("a packet of sound at %s can't be decoded: %s", packet.pts, error)
            return
        for frame in frames:
            yield from self._encoded(frame)

    def flush(self) -> Iterator[AnyPacket]:
        for frame in self._old.codec_context.decode(None):
            yield from self._encoded(frame)
        yield from self._drained()
        yield from self._encoder.encode(None)

    def _encoded(self, frame: Any) -> Iterator[AnyPacket]:
        self._stamp(frame)
        like = (frame.format.name, frame.layout.name, frame.sample_rate)
        if like != self._like:  # broadcasts change from stereo to more channels
            yield from self._drained()
            self._graph, self._like = self._resampler(frame), like
        assert self._graph is not None
        self._graph.push(frame)
        for resampled in _pulled(self._graph):
            yield from self._encoder.encode(resampled)

    def _stamp(self, frame: Any) -> None:
        """Of several frames in one packet (AMR's), decoders tell the time of the first."""
        base = as_fraction(self._old.time_base)
        frame.time_base = base
        if frame.pts is None:
            frame.pts = round((self._end or 0) / base)
        self._end = frame.pts * base + Fraction(frame.samples, frame.sample_rate)

    def _drained(self) -> Iterator[AnyPacket]:
        if self._graph is None:
            return
        self._graph.push(None)
        for resampled in _pulled(self._graph):
            yield from self._encoder.encode(resampled)
        self._graph = None

    def _resampler(self, frame: Any) -> av.filter.Graph:
        """To the encoder's format; gaps are filled with silence, so that sound stays with its picture."""
        graph, encoder = av.filter.Graph(), self._encoder
        entry = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format,
            layout=frame.layout,
            time_base=as_fraction(self._old.time_base),
        )
        fill = graph.add("aresample", "async=1")
        form = graph.add(
            "aformat",
            f"sample_fmts={encoder.format.name}:sample_rates={encoder.sample_rate}"
            f":channel_layouts={encoder.layout.name}",
        )
        graph.link_nodes(entry, fill, form, graph.add("abuffersink")).configure()
        return graph


def _pulled(graph: av.filter.Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (BlockingIOError, EOFError):
            return


@dataclass(frozen=True)
class _Line:
    """A subtitle from `begin` to before `end`, in ticks; `events` as FFmpeg has them: fields of ASS, of which
    the text is the last.
    """

    begin: int
    end: int
    events: tuple[bytes, ...]


class _Subtitles:
    """One packet for one. `in_turn`: the codec's packets follow each other, as those of `mov_text`; where
    subtitles overlap, there is one with the text of both for the time that they share.
    """

    def __init__(self, old: Any, encoder: Any, *, in_turn: bool) -> None:
        self._old, self._encoder, self._in_turn = old, encoder, in_turn
        self._base = as_fraction(old.time_base)
        self._shown: list[_Line] = []
        self._done = 0

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        try:
            decoded = self._old.codec_context.decode2(packet)
        except (av.FFmpegError, ValueError) as error:
            log.debug("a subtitle at %s can't be converted: %s", packet.pts, error)
            return
        if decoded is None or not len(decoded):
            return
        begin, length = packet.pts, packet.duration or 0
        line = _Line(begin, begin + length, tuple(rect.ass for rect in decoded))
        if not self._in_turn:
            yield from self._encoded(line)
            return
        yield from self._until(begin)
        if length:
            self._shown.append(line)
            self._done = begin
        else:
            yield from self._encoded(line)

    def flush(self) -> Iterator[AnyPacket]:
        if self._shown:
            yield from self._until(max(line.end for line in self._shown))

    def _until(self, time: int) -> Iterator[AnyPacket]:
        """What shows until `time`, in pieces throughout which the same lines do."""
        for end in sorted({min(line.end, time) for line in self._shown}):
            events = tuple(event for line in self._shown for event in line.events)
            if end > self._done:
                yield from self._encoded(_Line(self._done, end, events))
                self._done = end
            self._shown = [line for line in self._shown if line.end > end]

    def _encoded(self, line: _Line) -> Iterator[AnyPacket]:
        try:
            made = self._encoder.encode_subtitle(
                SubtitleSet.create(_together(line.events), 0, line.end - line.begin)
            )
        except (av.FFmpegError, ValueError) as error:
            log.debug("a subtitle at %s can't be converted: %s", line.begin, error)
            return
        if made.size:
            made.time_base, made.duration = self._base, line.end - line.begin
            made.pts = made.dts = line.begin
            yield made


def _together(events: Sequence[bytes]) -> bytes:
    """One event that shows the text of all, each in the style that it would have alone."""
    first, *others = events
    texts = (event.split(b",", _TEXT_FIELD)[-1] for event in others)
    return first + b"".join(rb"{\r}\N" + text for text in texts)


def _set_up_subtitles(encoder: Any, old: Any) -> None:
    decoder = old.codec_context
    decoder.open(strict=False)
    encoder.subtitle_header = decoder.subtitle_header
    encoder.time_base = Fraction(1, 1000)


def _set_up_sound(context: Any, encoder: str, old: Any) -> None:
    source = old.codec_context
    channels, name = source.layout.nb_channels, said_layout(source)
    context.layout = _VORBIS_LAYOUTS.get(channels, name) if encoder == "libopus" else name
    context.format = _format(encoder, source.format.name)
    context.time_base = Fraction(1, context.sample_rate)
    if encoder in _BITS_PER_CHANNEL:
        most = _BITS_PER_SAMPLE * context.sample_rate
        context.bit_rate = channels * min(_BITS_PER_CHANNEL[encoder], most)


def said_layout(context: Any) -> str:
    """FFmpeg's name of the channels of the sound `context`; where only their number is said, the usual."""
    name = str(context.layout.name)
    usual = _VORBIS_LAYOUTS.get(context.layout.nb_channels, name)
    return usual if name.endswith("channels") else name


def _format(encoder: str, source: str) -> str:
    """The encoder's first format of samples; FLAC's deeper one for sound of more than 16 bits."""
    have = [entry.name for entry in av.Codec(encoder, "w").audio_formats or []]
    return "s32" if "s32" in have and source in _DEEP else have[0]


def _rate(encoder: str, rate: int) -> int:
    """The sample rate nearest to `rate`, not lower where that can be, that the encoder takes."""
    rates = av.Codec(encoder, "w").audio_rates
    if not rates or rate in rates:
        return rate
    return min((other for other in rates if other > rate), default=max(rates))
