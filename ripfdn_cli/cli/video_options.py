"""The options of `ripfdn upscale` that are for video only."""

from __future__ import annotations

import re
from dataclasses import fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ripfdn_cli.cli.choices import Names
from ripfdn_cli.cli.option_groups import option_group, option_names
from ripfdn_cli.video.tags import NAMED_TAG

if TYPE_CHECKING:
    from ripfdn_cli.video_jobs.video_settings import VideoSettings

CODECS = ("x264", "x265", "av1", "vp9", "prores", "ffv1")
"""Those that need nothing of the machine."""
_DROPPABLE = (
    *("audio", "subtitles", "captions", "data", "attachments", "chapters", "tags", "metadata"),
    "unsupported",
)
_STREAM_TYPES = {"subtitles": "subtitle", "attachments": "attachment", "tags": "metadata"}
_MULTIPLES = {"": 1, "k": 1000, "K": 1000, "M": 1_000_000}
_LOWEST_BITRATE = 1000
_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.952": 48, "59.94": 60, "119.88": 120}


class Seconds(click.ParamType[Fraction]):
    """A time as 90, 12.5, 1:30 or 1:02:03.25."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Seconds, exactly: "1:30" → 90. Fails for anything else."""
        if isinstance(value, Fraction):
            return value
        match = re.fullmatch(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d{1,9})?)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a time; write it as 90, 12.5, 1:30 or 1:02:03.25", param, ctx)
        hours, minutes, seconds = int(match[1] or 0), int(match[2] or 0), Fraction(match[3])
        return 3600 * hours + 60 * minutes + seconds


class FrameRate(click.ParamType[Fraction]):
    """Frames per second as 24, 12.5, 30000/1001 or 29.97 (which means 30000/1001)."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Frames per second, over 0, exactly. Fails for anything else."""
        if isinstance(value, Fraction):
            return value
        text = str(value)
        if text in _NTSC:
            return Fraction(1000 * _NTSC[text], 1001)
        if not re.fullmatch(r"\d{1,6}(\.\d{1,3}|/\d{1,6})?", text) or re.search(r"/0+$", text):
            self.fail(f"{value!r} is not a frame rate; write it as 24, 29.97 or 30000/1001", param, ctx)
        if not 0 < (rate := Fraction(text)) <= 1000:
            self.fail(f"{value!r} is not a frame rate of up to 1000", param, ctx)
        return rate


class Droppable(click.ParamType[str]):
    """What may be left out of the result: a stream's number, or one of the kinds there are."""

    name = "what"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The number or the name as it is written. Fails for anything else."""
        text = str(value)
        named = text.startswith(NAMED_TAG) and text != NAMED_TAG
        if not text.isdecimal() and not named and text not in (*_DROPPABLE, *_STREAM_TYPES.values()):
            known = ", ".join(_DROPPABLE)
            self.fail(
                f"{value!r} is not the number of a stream or one of {known}, or {NAMED_TAG}NAME", param, ctx
            )
        return _STREAM_TYPES.get(text, text)


class BitRate(click.ParamType[int]):
    """Bits a second as 8000000, 8000k, 8M or 2.5M."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bits per second, at least 1000. Fails for anything else."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)([kKM]?)(?:b|bps|bit/s)?", str(value))
        bits = 0 if match is None else int(Fraction(match[1]) * _MULTIPLES[match[2]])
        if bits < _LOWEST_BITRATE:
            self.fail(f"{value!r} is not a bit rate of 1k or more; write it as 8M or 2500k", param, ctx)
        return bits


class EncoderOption(click.ParamType[tuple[str, str]]):
    """An option of an encoder as key=value."""

    name = "key=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """(key, value). Fails where either is missing."""
        if isinstance(value, tuple):
            return value
        key, _, text = str(value).partition("=")
        if not re.fullmatch(r"[\w-]+", key) or not text:
            self.fail(f"{value!r} is not an option and its value; write it as key=value", param, ctx)
        return key, text


def _settings(**values: Any) -> VideoSettings:
    from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings

    def own(group: Any) -> dict[str, Any]:
        return {field.name: values[field.name] for field in fields(group) if field.name in values}

    return VideoSettings(
        reading=ReadingOptions(**own(ReadingOptions)),
        encoding=EncodingOptions(**own(EncodingOptions)),
        **own(VideoSettings),
    )


_OPTIONS = (
    click.option(
        "--codec",
        type=Names(lambda: CODECS, strict=False, more="|…"),
        help="One of these, or a hardware encoder such as hevc_nvenc.  [default: x264; in WebM vp9, or av1 "
        "for more than 8 bits]",
    ),
    click.option("--crf", type=int, help="Quality; lower is better.  [default: 18 for x264, else by codec]"),
    click.option(
        "--bitrate", type=BitRate(), help="Bits per second instead of a quality, such as 8M or 2500k."
    ),
    click.option("--preset", help="Encoding speed, as the codec names it.  [default: medium or similar]"),
    click.option("--tune", help="What to tune the encoder for, such as film, animation or grain with x264."),
    click.option(
        "--encoder-option",
        "encoder_options",
        type=EncoderOption(),
        multiple=True,
        help="An encoder option by FFmpeg's or the encoder's own name, such as aq-mode=3; may be repeated.",
    ),
    click.option("--pix-fmt", "pixel_format", help="Pixel format, by FFmpeg's name.  [default: the input's]"),
    click.option(
        "--audio",
        type=click.Choice(["copy", "aac", "opus", "flac"]),
        default="copy",
        show_default=True,
        help="Codec for sound that the container can't hold; other sound is copied.",
    ),
    click.option(
        "--fps", type=FrameRate(), help="Make the frame rate constant.  [default: every frame keeps its time]"
    ),
    click.option("--start", type=Seconds(), help="Start at this time of the input."),
    click.option("--end", type=Seconds(), help="End at this time of the input."),
    click.option(
        "--deinterlace/--no-deinterlace",
        default=None,
        help="Deinterlace, even where nothing says that frames are interlaced; or leave all as they are.  "
        "[default: deinterlace where something says so]",
    ),
    click.option(
        "--bad-frames",
        type=click.Choice(["error", "repeat"]),
        default="error",
        show_default=True,
        help="Stop at a frame that can't be decoded, or repeat the one before it.",
    ),
    click.option(
        "--drop",
        type=Droppable(),
        multiple=True,
        help=f"Leave out a stream by its number, a tag by its name as {NAMED_TAG}NAME, or "
        f"{', '.join(_DROPPABLE)}.",
    ),
    click.option(
        "--segment",
        type=click.IntRange(1),
        help="Frames per segment, which is what a crash can cost.  [default: by their size]",
    ),
    click.option("--restart", is_flag=True, help="Delete the work of an interrupted run and start over."),
)
FOR_VIDEO = option_names(_OPTIONS)
"""Names of the parameters that are for video only."""
video_options = option_group("video", _settings, _OPTIONS, title="Video")
"""Gives a click command the options for video, and what they say as its argument `video`, a VideoSettings
whose size, limit of pixels and background are of the options for pictures.
"""


def given_options(names: Any) -> tuple[str, ...]:
    """Those of the parameters `names` that stand on the command line, as they are written there."""
    context = click.get_current_context()
    return tuple(
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in names
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    )
