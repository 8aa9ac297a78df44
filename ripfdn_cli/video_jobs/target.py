"""Where the frames of a video job go.

Each target writes segments, which survive an interruption, and makes the result of them at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av

from ripfdn_cli.pictures.picture import Frame
from ripfdn_cli.video.encoding import Segment
from ripfdn_cli.video.timeline import Timeline
from ripfdn_cli.video_jobs.segments import Segments


@dataclass
class OpenSegment:
    """A segment being written: `add(i, pixels, captions)` writes output frame i. Once it is closed there is
    its `segment`, and how many bytes were `written`.
    """

    add: Callable[[int, Frame, av.VideoFrame | None], None]
    segment: Segment | None = None
    written: int = 0

    def close(self, segment: Segment | None, written: int | None = None) -> None:
        """Note the whole `segment`, and the bytes of its files where they aren't in it."""
        assert segment is not None
        self.segment, self.written = segment, segment.size if written is None else written


class Target(Protocol):
    """What takes a job's frames."""

    timeline: Timeline

    @property
    def frame_bytes(self) -> float:
        """About what a frame takes on the disk."""

    @property
    def held_bytes(self) -> int:
        """About how much memory it takes for frames that it was given."""

    def describe(self) -> dict[str, Any]:
        """What makes its segments differ from those of another, as JSON."""

    def outputs(self) -> list[Path]:
        """The files that the result is."""

    def size(self) -> int:
        """Bytes of the result, once it is there."""

    def try_out(self, folder: Path) -> None:
        """Find out before the work whether the result can be written; may use `folder`. Raises UsageError,
        UnavailableError, OutputError.
        """

    def open_segment(self, path: Path) -> AbstractContextManager[OpenSegment]:
        """A segment whose file is `path`."""

    def finish(self, segments: Segments, *, overwrite: bool) -> None:
        """Make the result of all segments, check it, and give it its name. Raises OutputError, also where it
        exists already, unless `overwrite`.
        """
