"""Which videos a command is about, found out without FFmpeg: most commands are about pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ripfdn_cli.files.storage import is_folder
from ripfdn_cli.pipeline.find_inputs import Source, find_inputs
from ripfdn_cli.pipeline.journaled_batch import Request
from ripfdn_cli.pipeline.output_names import output_names
from ripfdn_cli.video.formats import INPUT_SUFFIXES, is_video
from ripfdn_cli.video.numbered_frames import is_pattern

_JOURNAL = "videos"


@dataclass(frozen=True)
class VideoRequest(Request):
    """A request for videos, which are files."""

    inputs: tuple[Path, ...]

    @property
    def is_one_result(self) -> bool:
        """The output is the name of one video, or a pattern for frames: all inputs are for it."""
        path = Path(self.output)
        return "{" not in self.output and not is_folder(path) and (is_video(path) or is_pattern(path))

    @property
    def journal(self) -> str:
        """Which of the folder's journals a run of this request writes."""
        return "-".join(filter(None, (_JOURNAL, super().journal)))


def find_videos(request: VideoRequest) -> list[Source]:
    """The videos among the inputs, and in folders among them at any depth."""
    folders = any(is_folder(path) for path in request.inputs)
    results = output_names(request.output, request.inputs, None).folder if folders else None
    found = find_inputs(
        request.inputs,
        include=request.include,
        exclude=request.exclude,
        leave_out=results,
        suffixes=INPUT_SUFFIXES,
    )
    return [source for source in found.sources if is_video(source.path) and not is_folder(source.path)]
