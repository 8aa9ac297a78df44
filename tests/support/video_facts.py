"""What is in a video file, read with PyAV alone: the independent side of comparisons."""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StreamFacts:
    """Packets of one stream in the order of their times: seconds, and digests of their content."""

    kind: str
    codec: str
    tick: Fraction
    times: tuple[Fraction, ...]
    digests: tuple[str, ...]
    metadata: dict[str, str]
    disposition: int


def streams_of(path: Path) -> list[StreamFacts]:
    """All streams but those that hold only chapters."""
    with av.open(str(path)) as container:
        kept = [s for s in container.streams if not (s.type == "data" and s.discard == av.stream.Discard.all)]
        packets: dict[int, list[tuple[Fraction, str]]] = {stream.index: [] for stream in kept}
        for packet in container.demux():
            if packet.size and packet.stream_index in packets:
                time = seconds(packet.pts, packet.time_base)
                packets[packet.stream_index].append((time, hashlib.sha256(bytes(packet)).hexdigest()))
        return [
            StreamFacts(
                kind=stream.type,
                codec=codec_of(stream),
                tick=as_fraction(stream.time_base) if stream.time_base else Fraction(1),
                times=tuple(time for time, _ in sorted(packets[stream.index])),
                digests=tuple(digest for _, digest in sorted(packets[stream.index])),
                metadata=dict(stream.metadata),
                disposition=int(stream.disposition),
            )
            for stream in kept
        ]


def picture_times(path: Path) -> list[Fraction]:
    """When each frame shows, in seconds, as a decoder gives them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [seconds(frame.pts, stream.time_base) for frame in container.decode(stream)]


def seconds(pts: int | None, time_base: Any) -> Fraction:
    """A time that a file has to have, in seconds."""
    assert pts is not None
    return pts * as_fraction(time_base)


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def planes(frame: av.VideoFrame) -> list[NDArray[Any]]:
    """The planes of a YUV frame, without padding: uint8, or uint16 for more than 8 bits."""
    deep = max(part.bits for part in frame.format.components) > 8
    result = []
    for plane in frame.planes:
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        samples = lines.view(np.uint16) if deep else lines
        result.append(samples[:, : plane.width].copy())
    return result


def tags_of(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Matrix, primaries, transfer and range, as H.273 and FFmpeg number them."""
    return frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range


def as_fraction(value: Any) -> Fraction:
    return Fraction(value.numerator, value.denominator)


def codec_of(stream: Any) -> str:
    return str(stream.codec_context.name) if stream.codec_context is not None else stream.type
