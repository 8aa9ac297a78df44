"""The options of `ripfdn upscale` that are for video only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import wraps
from typing import Any, TypeVar

import click
from click.core import ParameterSource

R = TypeVar("R")

_DROPPABLE = ("audio", "subtitles", "captions", "data", "attachments", "chapters", "metadata", "unsupported")
_STREAM_TYPES = {"subtitles": "subtitle", "attachments": "attachment"}
_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.952": 48, "59.94": 60, "119.88": 120}


class Seconds(click.ParamType[Fraction]):
    """A time as 90, 12.5, 1:30 or 1:02:03.25."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        match = re.fullmatch(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d{1,9})?)", str(value))
        if match is None:
            self.fail(f"{value!r} is no time; write it as 90, 12.5, 1:30 or 1:02:03.25", param, ctx)
        hours, minutes, seconds = int(match[1] or 0), int(match[2] or 0), Fraction(match[3])
        return 3600 * hours + 60 * minutes + seconds


class FrameRate(click.ParamType[Fraction]):
    """Frames per second as 24, 12.5, 30000/1001 or 29.97 (which means 30000/1001)."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        text = str(value)
        if text in _NTSC:
            return Fraction(1000 * _NTSC[text], 1001)
        if not re.fullmatch(r"\d{1,6}(\.\d{1,3}|/\d{1,6})?", text) or re.search(r"/0+$", text):
            self.fail(f"{value!r} is no frame rate; write it as 24, 29.97 or 30000/1001", param, ctx)
        if not 0 < (rate := Fraction(text)) <= 1000:
            self.fail(f"{value!r} is not a frame rate of up to 1000", param, ctx)
        return rate


class Droppable(click.ParamType[str]):
    """What may be left out of the result: a stream's number, or one of the kinds there are."""

    name = "what"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text.isdecimal() and text not in (*_DROPPABLE, *_STREAM_TYPES.values()):
            self.fail(
                f"{value!r} is not the number of a stream or one of {', '.join(_DROPPABLE)}", param, ctx
            )
        return _STREAM_TYPES.get(text, text)


@dataclass(frozen=True)
class VideoOptions:
    """What is asked for of a video. `given`: the options that stand on the command line."""

    codec: str
    crf: int | None
    preset: str | None
    pixel_format: str | None
    fps: Fraction | None
    start: Fraction | None
    end: Fraction | None
    deinterlace: bool
    bad_frames: str
    drop: tuple[str, ...]
    segment: int | None
    restart: bool
    given: tuple[str, ...] = ()


def video_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a click command the options for video, and what they say as its argument `video`."""

    @click.option(
        "--codec",
        default="x264",
        show_default=True,
        help="x264, x265, av1, vp9, prores, ffv1, or an encoder of the machine such as hevc_nvenc.",
    )
    @click.option("--crf", type=int, help="Quality, less is better.  [default: 18 for x264, else by codec]")
    @click.option("--preset", help="Speed against size, by the codec's names.  [default: medium or alike]")
    @click.option(
        "--pix-fmt", "pixel_format", help="FFmpeg's name of a pixel format.  [default: as the input]"
    )
    @click.option(
        "--fps", type=FrameRate(), help="A constant frame rate.  [default: every frame at its time]"
    )
    @click.option("--start", type=Seconds(), help="Leave out what shows before this time.")
    @click.option("--end", type=Seconds(), help="Leave out what shows from this time on.")
    @click.option("--deinterlace", is_flag=True, help="Make whole frames of interlaced ones.")
    @click.option(
        "--bad-frames",
        type=click.Choice(["error", "repeat"]),
        default="error",
        show_default=True,
        help="Stop at a frame that can't be decoded, or show the one before it again.",
    )
    @click.option(
        "--drop",
        type=Droppable(),
        multiple=True,
        help=f"Leave out a stream by its number, or {', '.join(_DROPPABLE)}.",
    )
    @click.option(
        "--segment", type=click.IntRange(1), help="Frames that a crash can cost.  [default: by their size]"
    )
    @click.option("--restart", is_flag=True, help="Delete the work of an interrupted run and begin anew.")
    @wraps(command)
    def wrapper(
        *args: Any,
        codec: str,
        crf: int | None,
        preset: str | None,
        pixel_format: str | None,
        fps: Fraction | None,
        start: Fraction | None,
        end: Fraction | None,
        deinterlace: bool,
        bad_frames: str,
        drop: tuple[str, ...],
        segment: int | None,
        restart: bool,
        **others: Any,
    ) -> R:
        video = VideoOptions(
            codec=codec,
            crf=crf,
            preset=preset,
            pixel_format=pixel_format,
            fps=fps,
            start=start,
            end=end,
            deinterlace=deinterlace,
            bad_frames=bad_frames,
            drop=drop,
            segment=segment,
            restart=restart,
            given=given_options(VideoOptions.__dataclass_fields__),
        )
        return command(*args, video=video, **others)

    return wrapper


def given_options(names: Any) -> tuple[str, ...]:
    """Those of the parameters `names` that stand on the command line, as they are written there."""
    context = click.get_current_context()
    return tuple(
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in names
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    )
