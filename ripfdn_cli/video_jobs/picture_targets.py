"""Targets of a video job that are pictures: numbered frames, or an animated picture."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from ripfdn_cli.errors import InternalError, OutputError, UsageError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.files.storage import make_folder
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import DEPTHS
from ripfdn_cli.pictures.gif_files import GIF_UNIT, gif_delays, tell_of_left_out
from ripfdn_cli.pictures.metadata import NO_METADATA, Metadata
from ripfdn_cli.pictures.picture import Animation, Frame, Picture, as_samples
from ripfdn_cli.video.codecs import LOSSLESS
from ripfdn_cli.video.colour import RGB_TAGS, Colour, ToRgb
from ripfdn_cli.video.encoding import EncoderSettings, Segment, open_segment, segment_writer
from ripfdn_cli.video.numbered_frames import FramePattern
from ripfdn_cli.video.timeline import Timeline
from ripfdn_cli.video_jobs.segments import Segments
from ripfdn_cli.video_jobs.target import OpenSegment

log = logging.getLogger(__name__)

_MOST_ANIMATED_PIXELS = 2**29
"""Of all frames together; they are held in memory at the end, and encoders take several times as much."""
_MILLISECOND = Fraction(1, 1000)
_LOSSLESS_FORMATS = {8: ("bgr0", "bgra"), 16: ("gbrp16le", "gbrap16le")}
"""Pixel formats of the lossless video by bits, without and with transparency."""


class SequenceTarget:
    """Numbered pictures `pattern`, the first of them number `first`, of `depth` bits (None: what frames
    have), each with `metadata`. A segment is a list of their files.
    """

    def __init__(
        self,
        pattern: FramePattern,
        encoding: Encoding,
        timeline: Timeline,
        first: int,
        *,
        depth: int | None = None,
        metadata: Metadata = NO_METADATA,
    ) -> None:
        self.timeline = timeline
        self._pattern, self._encoding, self._first, self._depth = pattern, encoding, first, depth
        self._metadata = metadata

    @property
    def frame_bytes(self) -> float:
        """Unknown before the first segment."""
        return 0.0  # known only from the first segment

    @property
    def held_bytes(self) -> int:
        """None: each frame is written before the next."""
        return 0  # each is written before the next

    def describe(self) -> dict[str, Any]:
        """The names, the first number, the picture format, and the depth that was asked for."""
        described = {"pattern": self._pattern.name, "first": self._first}
        depth = {} if self._depth is None else {"depth": self._depth}
        return described | {"encoding": self._encoding.describe()} | depth

    def outputs(self) -> list[Path]:
        """A file for each frame."""
        return [self._pattern.path(self._first + index) for index in range(len(self.timeline))]

    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.outputs())

    def try_out(self, folder: Path) -> None:
        """Make the folder. Raises OutputError."""
        make_folder(self._pattern.folder)

    @contextmanager
    def open_segment(self, path: Path) -> Iterator[OpenSegment]:
        """Frames are written as they come, and `path` lists their files at the end. Raises OutputError."""
        files: list[tuple[str, int]] = []

        def add(index: int, pixels: Frame, captions: av.VideoFrame | None) -> None:
            file = self._pattern.path(self._first + index)
            if self._depth is not None:
                pixels = as_samples(pixels, DEPTHS[self._depth])
            picture = Picture((pixels,), self._encoding.file_format, self._metadata)
            content = encode(picture, self._encoding, str(file))
            # A frame may be there from a run that was killed before it could record its segment.
            write_bytes(file, content, overwrite=True)
            files.append((file.name, len(content)))

        opened_segment = OpenSegment(add)
        yield opened_segment
        content = json.dumps(files).encode()
        write_bytes(path, content)
        segment = Segment(len(files), 0, len(content), hashlib.sha256(content).hexdigest())
        opened_segment.close(segment, sum(size for _, size in files))

    def finish(self, segments: Segments, *, overwrite: bool) -> None:
        """Nothing is left to do but to look whether all files are there. Raises OutputError for one that
        isn't.
        """
        for number in range(len(segments.entries)):
            for name, size in json.loads(segments.path(number).read_bytes()):
                file = self._pattern.folder / name
                if not file.is_file() or file.stat().st_size != size:
                    raise OutputError(
                        f"{file} was changed or deleted; pass `restart=True` to compute all frames again"
                    )


class AnimationTarget:
    """An animated picture `output` of `depth` bits, with `metadata`. Its segments are lossless video, so that
    a crash loses none of them. A GIF is without the frames of `timeline` that it has no time for.
    """

    def __init__(
        self,
        output: Path,
        encoding: Encoding,
        timeline: Timeline,
        size: tuple[int, int],
        *,
        alpha: bool,
        depth: int = 8,
        metadata: Metadata = NO_METADATA,
    ) -> None:
        if encoding.file_format.name == "gif":
            timeline, self._durations = _for_gif(timeline, str(output))
        else:
            self._durations = whole_durations(timeline)
        self.timeline = timeline
        self._output, self._encoding, self._depth = output, encoding, depth
        self._metadata = metadata
        pixel_format = _LOSSLESS_FORMATS[depth][alpha]
        self._settings = EncoderSettings(
            LOSSLESS, *size, pixel_format, timeline.time_base, timeline.rate, RGB_TAGS
        )

    @property
    def frame_bytes(self) -> float:
        """By the bits per pixel of the lossless codec."""
        return self._settings.width * self._settings.height * LOSSLESS.bits_per_pixel / 8

    @property
    def held_bytes(self) -> int:
        """At the end all are in memory, and once more in the encoder."""
        return 2 * 4 * (self._depth // 8) * self._settings.width * self._settings.height * len(self.timeline)

    def describe(self) -> dict[str, Any]:
        """The settings of the lossless video and of the picture."""
        return self._settings.describe() | {"encoding": self._encoding.describe()}

    def outputs(self) -> list[Path]:
        """The one file."""
        return [self._output]

    def size(self) -> int:
        """Bytes of the file."""
        return self._output.stat().st_size

    def try_out(self, folder: Path) -> None:
        """Raises UsageError for more pixels, over all frames, than an animated picture can have."""
        pixels = self._settings.width * self._settings.height * len(self.timeline)
        if pixels > _MOST_ANIMATED_PIXELS:
            raise UsageError(
                f"{len(self.timeline)} frames of {self._settings.width}×{self._settings.height} px are too "
                "many for an animated picture; write a video, or cut it with `start` and `end`"
            )

    @contextmanager
    def open_segment(self, path: Path) -> Iterator[OpenSegment]:
        """A lossless video at `path`. Raises what `segment_writer` raises."""
        with segment_writer(path, self._settings) as written:

            def add(index: int, pixels: Frame, captions: av.VideoFrame | None) -> None:
                pixels = as_samples(pixels, DEPTHS[self._depth])
                written.writer.add(pixels, int(self.timeline.pts[index]), int(self.timeline.durations[index]))

            opened_segment = OpenSegment(add)
            yield opened_segment
        opened_segment.close(written.segment)

    def finish(self, segments: Segments, *, overwrite: bool) -> None:
        """Encode all frames as one picture. Raises OutputError, InternalError for frames that are missing."""
        frames = tuple(
            frame for number in range(len(segments.entries)) for frame in _decoded(segments.path(number))
        )
        if len(frames) != len(self.timeline):
            raise InternalError(f"{len(frames)} frames instead of {len(self.timeline)}")
        animation = Animation(self._durations, plays=0)
        picture = Picture(frames, self._encoding.file_format, self._metadata, animation)
        content = encode(picture, self._encoding, str(self._output))
        write_bytes(self._output, content, overwrite=overwrite)


def whole_durations(timeline: Timeline) -> tuple[float, ...]:
    """How long each frame shows, in whole milliseconds: no error adds up, and every frame shows for one at
    least.
    """
    bounds = [*timeline.pts.tolist(), int(timeline.pts[-1] + timeline.durations[-1])]
    ticks = [round(bound * timeline.time_base / _MILLISECOND) for bound in bounds]
    return tuple(float(max(1, after - before)) for before, after in pairwise(ticks))


def _for_gif(timeline: Timeline, name: str) -> tuple[Timeline, tuple[float, ...]]:
    """`timeline` with the frames that the GIF `name` shows, and for how many milliseconds each does."""
    lasting = [float(ticks * timeline.time_base / _MILLISECOND) for ticks in timeline.durations.tolist()]
    delays = gif_delays(lasting)
    tell_of_left_out(len(timeline) - len(delays), len(timeline), name)
    shown = np.array(list(delays))
    end = timeline.pts[-1] + timeline.durations[-1]
    pts = timeline.pts[shown]
    kept = replace(timeline, source=timeline.source[shown], pts=pts, durations=np.diff(pts, append=end))
    return kept, tuple(float(GIF_UNIT * delay) for delay in delays.values())


def _decoded(path: Path) -> Iterator[Frame]:
    with open_segment(path) as container:
        to_rgb: ToRgb | None = None
        for frame in container.decode(container.streams.video[0]):
            to_rgb = to_rgb or ToRgb(frame, Colour(RGB_TAGS))
            yield to_rgb(frame)
