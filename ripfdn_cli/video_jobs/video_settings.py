"""What is asked for of a video: plain values, made by the command's options and handed down whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.formats import DEPTHS
from ripfdn_cli.pictures.picture import DEFAULT_MAX_PIXELS
from ripfdn_cli.pipeline.output_size import SizeRequest

if TYPE_CHECKING:
    from ripfdn_cli.video.frames import BadFrames

AudioChoice = Literal["copy", "aac", "opus", "flac"]


@dataclass(frozen=True)
class ReadingOptions:
    """How a source is read. `start` and `end` in seconds after its first frame; `drop`: streams to leave out,
    by index or type, or "captions", "chapters", "metadata", "unsupported", "tag:NAME". `bad_frames`: one that
    can't be decoded is an error, or shows the one before again. `deinterlace`: whether interlaced frames
    become whole ones; None does, and True takes all frames for interlaced where nothing says so, and looks
    for fields that are coded by themselves where the first frames have none.
    """

    start: Fraction | None = None
    end: Fraction | None = None
    fps: Fraction | None = None
    deinterlace: bool | None = None
    bad_frames: BadFrames = "error"
    drop: tuple[str, ...] = ()
    max_pixels: int = DEFAULT_MAX_PIXELS


@dataclass(frozen=True)
class EncodingOptions:
    """How a result is encoded; None for what suits container and input. `bitrate` in bits a second.
    `encoder_options`: names and values as the encoder has them. `audio`: what sound becomes that the
    container can't hold; "copy" for none of that.
    """

    codec: str | None = None
    crf: int | None = None
    bitrate: int | None = None
    preset: str | None = None
    tune: str | None = None
    encoder_options: tuple[tuple[str, str], ...] = ()
    pixel_format: str | None = None
    audio: AudioChoice = "copy"


@dataclass(frozen=True)
class FrameOptions:
    """How frames are written where the result is pictures, numbered or animated: `quality` 1 to 100 and
    `lossless` as their format has them, `depth` 8 or 16 bits per channel; None for what suits format and
    input.
    """

    quality: int | None = None
    lossless: bool = False
    depth: int | None = None

    def __post_init__(self) -> None:
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"`quality` {self.quality} is not between 1 and 100")
        if self.depth is not None and self.depth not in DEPTHS:
            raise UsageError(f"`depth` {self.depth} is not one of {', '.join(map(str, DEPTHS))}")


@dataclass(frozen=True)
class VideoSettings:
    """What is asked for; `encoding` is for videos as results, `frames` for pictures. `background`: the colour
    to put transparency on; None keeps it where the codec can. `segment`: frames of a segment; None chooses by
    their size.
    """

    size: SizeRequest = field(default_factory=SizeRequest)
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    encoding: EncodingOptions = field(default_factory=EncodingOptions)
    frames: FrameOptions = field(default_factory=FrameOptions)
    background: tuple[int, int, int] | None = None
    segment: int | None = None
    restart: bool = False

    def __post_init__(self) -> None:
        if self.segment is not None and self.segment < 1:
            raise UsageError(f"`segment` {self.segment} is less than 1 frame")
