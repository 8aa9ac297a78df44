"""Frames of one size and pixel format, of a video that changes them on its way, as recordings of calls and
broadcasts do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av

_UNSAID, _FULL_RANGE = 0, 2


@dataclass(frozen=True)
class FrameKind:
    """What frames have in common: sides in px, FFmpeg's name of the pixel format, the range of YUV."""

    width: int
    height: int
    pixel_format: str
    full_range: bool

    def __str__(self) -> str:
        return f"{self.width}×{self.height} px in {self.pixel_format} ({_range(self.full_range)} range)"


class UniformFrames:
    """Makes all frames be of the kind `like`. `tell` is called once for each other kind, with the number of
    its first frame.
    """

    def __init__(self, like: FrameKind, tell: Callable[[int, FrameKind], None]) -> None:
        self._like, self._tell = like, tell
        self._graphs: dict[FrameKind, av.filter.Graph] = {}

    def __call__(self, number: int, frame: av.VideoFrame) -> av.VideoFrame:
        """`frame`, whose number is `number`, stretched where it has other proportions, as FFmpeg does it."""
        kind = self._kind(frame)
        if kind == self._like:
            return frame
        if kind not in self._graphs:
            self._tell(number, kind)
            self._graphs[kind] = self._graph(kind)
        graph = self._graphs[kind]
        graph.vpush(frame)
        return graph.vpull()

    def _kind(self, frame: av.VideoFrame) -> FrameKind:
        name, full = frame.format.name, self._like.full_range
        if name.startswith("yuvj"):
            full = True
        elif not frame.format.is_rgb and frame.color_range != _UNSAID:
            full = frame.color_range == _FULL_RANGE
        return FrameKind(frame.width, frame.height, name, full)

    def _graph(self, kind: FrameKind) -> av.filter.Graph:
        """FFmpeg's scale filter from frames of `kind`, each field for itself where they are interlaced."""
        like, graph = self._like, av.filter.Graph()
        options = f"{like.width}:{like.height}:interl=-1:flags=bicubic+accurate_rnd+full_chroma_int"
        if not any(_is_rgb(name) for name in (kind.pixel_format, like.pixel_format)):
            options += f":in_range={_range(kind.full_range)}:out_range={_range(like.full_range)}"
        entry: Any = graph.add_buffer(
            width=kind.width,
            height=kind.height,
            format=kind.pixel_format,  # type: ignore[arg-type]
            time_base=1,  # type: ignore[arg-type]
        )
        scale, form = graph.add("scale", options), graph.add("format", like.pixel_format)
        graph.link_nodes(entry, scale, form, graph.add("buffersink")).configure()
        return graph


def _is_rgb(name: str) -> bool:
    return av.VideoFormat(name, 8, 8).is_rgb


def _range(full: bool) -> str:
    return "full" if full else "limited"
