"""Which videos a command is about, found out without FFmpeg where names say it: most commands are about
pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ripfdn_cli.errors import InputError
from ripfdn_cli.files.storage import is_folder
from ripfdn_cli.pictures.formats import RAW_SUFFIXES, format_of
from ripfdn_cli.pictures.imageio_files import is_known_to_imageio
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
    return [source for source in found.sources if is_video_file(Path(source.path))]


def is_video_file(path: Path) -> bool:
    """Whether what a command names is a video: by its suffix, and where that says nothing by its content."""
    if is_video(path):
        return not is_folder(path)
    return not _says_picture(path) and _holds_video(path)


def _says_picture(path: Path) -> bool:
    is_known = format_of(path) is not None or path.suffix.lower() in RAW_SUFFIXES
    return is_known or is_known_to_imageio(path.name)


def _holds_video(path: Path) -> bool:
    """By the content of `path`, and no picture: FFmpeg takes some, such as AVIF, for videos."""
    from ripfdn_cli.pictures.decoding import begins_as_picture
    from ripfdn_cli.video.files import holds_video

    try:
        return path.is_file() and not begins_as_picture(path) and holds_video(path)
    except (OSError, InputError):
        return False
