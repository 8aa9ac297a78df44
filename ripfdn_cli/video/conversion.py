"""Sound and text subtitles in another codec, packet by packet, where a container doesn't hold theirs.

The same packets make the same result each time, so that what was written can be compared with what should be.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

import av
from av.container import OutputContainer

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
        return _Subtitles(old, context)
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


class _Subtitles:
    def __init__(self, old: Any, encoder: Any) -> None:
        self._old, self._encoder = old, encoder

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        try:
            shown = self._old.codec_context.decode2(packet)
            made = None if shown is None or not len(shown) else self._encoder.encode_subtitle(shown)
        except (av.FFmpegError, ValueError) as error:
            log.debug("a subtitle at %s can't be converted: %s", packet.pts, error)
            return
        if made is None or not made.size:
            return
        made.time_base = packet.time_base
        made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
        yield made

    def flush(self) -> Iterator[AnyPacket]:
        return iter(())


def _set_up_subtitles(encoder: Any, old: Any) -> None:
    decoder = old.codec_context
    decoder.open(strict=False)
    encoder.subtitle_header = decoder.subtitle_header
    encoder.time_base = Fraction(1, 1000)


def _set_up_sound(context: Any, encoder: str, old: Any) -> None:
    source = old.codec_context
    channels = source.layout.nb_channels
    unsaid = source.layout.name.endswith("channels")
    usual = _VORBIS_LAYOUTS.get(channels, source.layout.name)
    context.layout = usual if unsaid or encoder == "libopus" else source.layout.name
    context.format = _format(encoder, source.format.name)
    context.time_base = Fraction(1, context.sample_rate)
    if encoder in _BITS_PER_CHANNEL:
        most = _BITS_PER_SAMPLE * context.sample_rate
        context.bit_rate = channels * min(_BITS_PER_CHANNEL[encoder], most)


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
