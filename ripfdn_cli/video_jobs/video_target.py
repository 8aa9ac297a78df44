"""The video file that a job's frames become: tried out before the work with the source's other streams, made
of segments, checked, and kept under another name where it differs from what it should be.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import av
import numpy as np

from ripfdn_cli.errors import InputError, InternalError, OutputError, UsageError
from ripfdn_cli.files.atomic_file import publish, write_bytes
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.pictures.picture import Frame
from ripfdn_cli.video.check import (
    Difference,
    missing_parts,
    named_streams,
    wrong_copies,
    wrong_packets,
)
from ripfdn_cli.video.copies import SourceStreams, conversion_of, suited_sound, without_empty
from ripfdn_cli.video.encoding import (
    EncoderSettings,
    Segment,
    file_sha256,
    segment_writer,
)
from ripfdn_cli.video.formats import CONTAINERS, Container
from ripfdn_cli.video.mux import VideoTrack, mux
from ripfdn_cli.video.pixel_formats import described
from ripfdn_cli.video.timeline import Timeline
from ripfdn_cli.video_jobs.segments import Segments
from ripfdn_cli.video_jobs.target import OpenSegment

log = logging.getLogger(__name__)

_TRIAL = "trial.segment"
_JOINED = "joined"
_UNCHECKED = "unchecked"
"""In the folder of segments, the name of a finished file beside it that may be wrong, where there is one."""
_TRIAL_PACKETS = 200
_ENCODERS_FRAMES = 60
"""What an encoder keeps to look ahead and refer to: x264 at its defaults has 40 to look ahead alone."""


class VideoTarget:
    """A video file `output` in `container`, with `streams` of the source `name` beside the picture. `sound`:
    the codec for sound that the container doesn't hold; None for none.
    """

    def __init__(
        self,
        output: Path,
        container: Container,
        settings: EncoderSettings,
        timeline: Timeline,
        *,
        name: str,
        matrix: tuple[int, ...] | None = None,
        streams: SourceStreams | None = None,
        sound: str | None = None,
        leave_unsupported: bool = False,
    ) -> None:
        self.timeline, self._sound = timeline, sound
        self._name = name
        self._output, self._container, self._settings = output, container, settings
        self._matrix, self._streams = matrix, streams
        self._leave_unsupported = leave_unsupported
        self._accepted: frozenset[Difference] = frozenset()
        self._captions_lost = False

    @property
    def layout(self) -> YuvFormat | None:
        """The format of frames that it takes as samples; None where it takes RGB only."""
        return self._settings.layout

    @property
    def frame_bytes(self) -> float:
        """By the codec's bits per pixel."""
        return self._settings.frame_bytes

    @property
    def held_bytes(self) -> int:
        """By the most frames that an encoder keeps."""
        settings = self._settings
        sample = 2 if described(settings.pixel_format).bits > 8 else 1
        layout = av.VideoFormat(settings.pixel_format, settings.width, settings.height)
        planes = (part.width * part.height for part in layout.components)
        return _ENCODERS_FRAMES * sample * sum(planes)

    def describe(self) -> dict[str, Any]:
        """The encoder's settings, and FFmpeg's versions."""
        return self._settings.describe() | {"ffmpeg": dict(av.library_versions)}

    def outputs(self) -> list[Path]:
        """The one file."""
        return [self._output]

    def size(self) -> int:
        """Bytes of the file."""
        return self._output.stat().st_size

    def try_out(self, folder: Path) -> None:
        """Encode a black frame or two, and make a whole result of them in place of every frame, with all the
        streams, tags and times that it will have, by what makes and checks the result at the end: what that
        says now is what it would say then.
        """
        try:
            segment = self._trial_segment(folder / _TRIAL)
            wanted = self._streams
            self._streams, problems = self._trial(folder, self._container, segment)
            self._tell_empty(wanted)
            self._tell_conversions()
            self._settle(folder, segment, problems)
            self._settle(folder, segment, self._rehearsal(folder, segment))
        finally:
            (folder / _TRIAL).unlink(missing_ok=True)

    def _settle(self, folder: Path, segment: tuple[Path, Segment], problems: Sequence[Difference]) -> None:
        """Go on without what the container doesn't take, as far as that may be."""
        if not problems:
            return
        essential = [problem for problem in problems if problem.essential]
        indispensable = any(problem.stream is None for problem in essential)
        if essential and (indispensable or not self._leave_unsupported):
            raise UsageError(self._advice(folder, segment, essential))
        self._leave_out(problems)

    def _rehearsal(self, folder: Path, segment: tuple[Path, Segment]) -> list[Difference]:
        path = folder / f"trial{self._container.suffixes[0]}"
        track = replace(self._track([segment]), stands_in=True)
        try:
            return [
                problem
                for problem in _made_and_checked(path, self._container, track, self._streams)
                if problem not in self._accepted
            ]
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def open_segment(self, path: Path) -> Iterator[OpenSegment]:
        """A segment in the intermediate container, at `path`. Raises what `segment_writer` raises."""
        with segment_writer(path, self._settings) as written:

            def add(index: int, pixels: Frame, captions: av.VideoFrame | None) -> None:
                pts, duration = int(self.timeline.pts[index]), int(self.timeline.durations[index])
                self._note_captions(index, captions)
                written.writer.add(pixels, pts, duration, captions)

            opened_segment = OpenSegment(add)
            yield opened_segment
        opened_segment.close(written.segment)

    def _note_captions(self, index: int, captions: av.VideoFrame | None) -> None:
        """Those that were not there in the first frames, where they are an error."""
        if captions is None or self._settings.codec.keeps_captions or self._captions_lost:
            return
        self._captions_lost = True
        seconds = float(int(self.timeline.pts[index]) * self.timeline.time_base)
        log.warning(
            "%s: closed captions inside the picture, from %.3f s on, are lost: %s can't hold them",
            self._name,
            seconds,
            self._settings.codec.title,
        )

    def finish(self, segments: Segments, *, overwrite: bool) -> None:
        """Join the segments and the streams to one file, check it, and give it its name.

        Raises OutputError for a segment that was changed, InternalError where the result isn't as it should
        be: then it stays under another name.
        """
        track = self._track([(segments.path(n), entry.segment) for n, entry in enumerate(segments.entries)])
        for path, segment in track.segments:
            if file_sha256(path) != segment.sha256:
                raise OutputError(
                    f"{path} was changed after it was written; delete it and run the command again"
                )
        joined = segments.folder / f"{_JOINED}{self._container.suffixes[0]}"
        count = len(track.segments)
        log.info("joining %d %s", count, "segment" if count == 1 else "segments")
        try:
            mux(joined, self._container, track, self._streams, name=self._output)
        except InternalError as error:
            self._keep_pictures(joined, track, segments.folder, error)
        log.info("checking %s", self._output)
        found = self._checked(joined, track)
        if others := [problem for problem in found if not problem.essential]:
            log.warning("%s lacks: %s", self._output, _listed(others))
        if wrong := [problem for problem in found if problem.essential]:
            kept = self._keep(joined, segments.folder)
            raise InternalError(
                f"{self._output} failed its check: {_listed(wrong)}; the finished file is {kept}: play it, "
                f"and if it is good, rename it and delete {segments.folder}"
            )
        publish(joined, self._output, overwrite=overwrite)
        if (old := self._unchecked(segments.folder)) is not None:
            old.unlink(missing_ok=True)
            log.info("deleted %s, which %s takes the place of", old, self._output)

    def _keep(self, joined: Path, folder: Path) -> Path:
        """Give `joined` the name of a file that may be wrong, until there is a checked one; the name."""
        own = self._unchecked(folder)
        kept = own or unchecked_name(self._output)
        publish(joined, kept, overwrite=own is not None)
        write_bytes(folder / _UNCHECKED, os.fsencode(kept.name))
        return kept

    def _unchecked(self, folder: Path) -> Path | None:
        """The file that may be wrong which an earlier run of this job left."""
        note = folder / _UNCHECKED
        return self._output.with_name(os.fsdecode(note.read_bytes())) if note.exists() else None

    def _checked(self, joined: Path, track: VideoTrack) -> list[Difference]:
        try:
            found = [
                *missing_parts(joined, self._container, track, self._streams),
                *wrong_packets(joined, track, self._streams),
            ]
        except InputError as error:
            found = [Difference(str(error))]
        return [problem for problem in found if problem not in self._accepted]

    def _keep_pictures(self, joined: Path, track: VideoTrack, folder: Path, error: InternalError) -> None:
        """Nothing that was computed may be lost because of a stream that was only to be copied."""
        if self._streams is None:
            raise error
        mux(joined, self._container, track, None, name=self._output)
        kept = self._keep(joined, folder)
        raise InternalError(
            f"{error}; the picture alone, with every frame, is {kept}: rename it if that will do, or run "
            f"again without that stream (`drop`); no frame is computed again, as the segments are in {folder}"
        ) from error

    def _track(self, segments: Sequence[tuple[Path, Segment]]) -> VideoTrack:
        return VideoTrack(self._settings, self.timeline, segments, self._matrix)

    def _trial_segment(self, path: Path) -> tuple[Path, Segment]:
        with self.open_segment(path) as opened_segment:
            black = np.zeros((self._settings.height, self._settings.width, 3), np.uint8)
            for index in range(min(2, len(self.timeline))):
                opened_segment.add(index, black, None)
        assert opened_segment.segment is not None
        return path, opened_segment.segment

    def _trial(
        self, folder: Path, container: Container, segment: tuple[Path, Segment]
    ) -> tuple[SourceStreams | None, list[Difference]]:
        """The streams as `container` takes them, without empty ones, some converted; and what it doesn't take
        of all that belongs into it: the picture, each stream, the rest.
        """
        track, streams = self._track([segment]), self._streams
        if streams is not None:
            streams = without_empty(replace(streams, with_hidden_sound=container.described_by_boxes))
        path = folder / f"trial{container.suffixes[0]}"
        without = (
            None
            if streams is None
            else replace(streams, copied=(), converted={}, with_chapters=False, with_metadata=False)
        )
        if not _takes(path, container, track, without):
            return streams, [Difference(f"{self._settings.codec.title} pictures")]
        if streams is None:
            return None, _missing(path, container, track, None)
        refused, converted = [], {}
        for index in streams.copied:
            alone = replace(without or streams, copied=(index,))
            if _takes(path, container, track, alone):
                continue
            codec = conversion_of(streams, index, container, self._sound)
            if codec and _takes(path, container, track, replace(alone, converted={index: codec})):
                converted[index] = codec
            else:
                refused.append(index)
        streams = replace(streams, converted=converted)
        able = replace(streams, copied=tuple(index for index in streams.copied if index not in refused))
        return streams, named_streams(streams.path, refused) + _missing(path, container, track, able)

    def _tell_empty(self, wanted: SourceStreams | None) -> None:
        """Say which of the streams `wanted` are not there, as they have nothing in this part."""
        if wanted is None or self._streams is None:
            return
        if empty := set(wanted.copied) - set(self._streams.copied):
            is_whole = wanted.start is None and wanted.end is None
            log.info(
                "%s: left out, as %s: %s",
                self._name,
                "there is nothing in it" if is_whole else "it has nothing in the part that is kept",
                _listed(named_streams(wanted.path, sorted(empty))),
            )

    def _tell_conversions(self) -> None:
        if self._streams is None or not self._streams.converted:
            return
        converted = self._streams.converted
        for stream in named_streams(self._streams.path, converted):
            log.info(
                "%s: %s becomes %s, as %s can't hold it as it is",
                self._name,
                stream,
                converted[stream.stream or 0],
                self._container.title,
            )

    def _leave_out(self, problems: Sequence[Difference]) -> None:
        """Go on without what the container doesn't take, and say so."""
        refused = {problem.stream for problem in problems}
        if self._streams is not None:
            copied = tuple(index for index in self._streams.copied if index not in refused)
            self._streams = replace(self._streams, copied=copied)
        self._accepted |= frozenset(problems)
        left_out = _listed(problems)
        log.warning("%s: left out, as %s can't hold it: %s", self._name, self._container.title, left_out)

    def _advice(self, folder: Path, segment: tuple[Path, Segment], problems: Sequence[Difference]) -> str:
        able = [
            container.suffixes[0]
            for container in CONTAINERS
            if container is not self._container
            and not any(problem.essential for problem in self._trial(folder, container, segment)[1])
        ]
        ways = [f"write it as {' or '.join(able)}, which can"] if able else []
        ways += self._advice_for_sound(problems)
        ways.append(
            "use another `codec`"
            if any(problem.stream is None for problem in problems)
            else "leave out what it can't hold with `drop=unsupported`"
        )
        return (
            f"{self._container.title} can't hold {_listed(problems)}"
            f"{'; ' if able else ', nor can any other container here: '}{', or '.join(ways)}"
        )

    def _advice_for_sound(self, problems: Sequence[Difference]) -> list[str]:
        if self._streams is None or self._sound is not None:
            return []
        refused = [problem.stream for problem in problems if problem.stream is not None]
        sound = suited_sound(self._streams, refused, self._container)
        return [] if sound is None else [f"re-encode the sound with `audio={sound}`"]


def _takes(path: Path, container: Container, track: VideoTrack, streams: SourceStreams | None) -> bool:
    """Whether `container` accepts all this, and gives its streams back as they were."""
    try:
        mux(path, container, track, streams, name=path, limit=_TRIAL_PACKETS)
        if any(found.stream is not None for found in missing_parts(path, container, track, streams)):
            return False
        return streams is None or not wrong_copies(path, streams, _TRIAL_PACKETS)
    except InternalError:
        return False
    finally:
        path.unlink(missing_ok=True)


def _made_and_checked(
    path: Path, container: Container, track: VideoTrack, streams: SourceStreams | None
) -> list[Difference]:
    """What is wrong with the whole result that these make."""
    try:
        mux(path, container, track, streams, name=path)
        return [*missing_parts(path, container, track, streams), *wrong_packets(path, track, streams)]
    except (InternalError, InputError) as error:
        return [Difference(f"all of it together ({error})")]


def unchecked_name(output: Path) -> Path:
    """A free name for a finished file that may differ from what it should be."""
    numbers = chain([""], (f"-{number}" for number in count(2)))
    paths = (output.with_name(f"{output.stem}.unchecked{number}{output.suffix}") for number in numbers)
    return next(path for path in paths if not path.exists())


def _missing(
    path: Path, container: Container, track: VideoTrack, streams: SourceStreams | None
) -> list[Difference]:
    try:
        mux(path, container, track, streams, name=path, limit=_TRIAL_PACKETS)
        return missing_parts(path, container, track, streams)
    finally:
        path.unlink(missing_ok=True)


def _listed(problems: Sequence[Difference]) -> str:
    return ", ".join(map(str, problems))
