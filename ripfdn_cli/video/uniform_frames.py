"""Frames of one size and pixel format, of a video that changes them on its way, as recordings of calls and
broadcasts do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av

from ripfdn_cli.video.colour import MATRICES, WEIGHTS

_UNSAID, _FULL_RANGE = 0, 2


@dataclass(frozen=True)
class FrameKind:
    """What frames have in common: sides in px, FFmpeg's name of the pixel format, the range of YUV, and its
    matrix as ITU-T H.273 numbers them (0: RGB).
    """

    width: int
    height: int
    pixel_format: str
    full_range: bool
    matrix: int

    def __str__(self) -> str:
        colour = f"{MATRICES.get(self.matrix, 'RGB')}, {_range(self.full_range)} range"
        return f"{self.width}×{self.height} px in {self.pixel_format} ({colour})"


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
        return FrameKind(frame.width, frame.height, name, full, self._matrix(frame))

    def _matrix(self, frame: av.VideoFrame) -> int:
        """The first frames' where `frame` names none, or another number for the same."""
        like, own = self._like.matrix, int(frame.colorspace)
        if own not in MATRICES or WEIGHTS[own] == WEIGHTS.get(like):
            return like
        return own

    def _graph(self, kind: FrameKind) -> av.filter.Graph:
        """FFmpeg's scale filter from frames of `kind`, each field for itself where they are interlaced."""
        like, graph = self._like, av.filter.Graph()
        options = f"{like.width}:{like.height}:interl=-1:flags=bicubic+accurate_rnd+full_chroma_int"
        for side, one in (("in", kind), ("out", like)):
            if one.matrix in MATRICES and not _is_rgb(one.pixel_format):
                options += (
                    f":{side}_color_matrix={MATRICES[one.matrix]}:{side}_range={_range(one.full_range)}"
                )
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
