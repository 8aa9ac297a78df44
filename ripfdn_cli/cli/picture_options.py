"""The options that say how large results are and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ripfdn_cli.cli.choices import picture_formats
from ripfdn_cli.cli.help_pages import titled
from ripfdn_cli.cli.option_groups import option_group
from ripfdn_cli.cli.sizes import Count, PixelCount, Rectangle, Scale

if TYPE_CHECKING:
    from ripfdn_cli.pipeline.output_size import SizeRequest

R = TypeVar("R")


def _size(**request: Any) -> SizeRequest:
    from ripfdn_cli.api import size_request

    return size_request(**request)


_SIZE_OPTIONS = (
    click.option("--scale", type=Scale(), help="Upscaling factor: any number up to 16.  [default: 4]"),
    click.option("--width", type=Count(1), help="Width of the result in px."),
    click.option("--height", type=Count(1), help="Height of the result in px."),
    click.option("--long-side", type=Count(1), help="The longer side of the result in px."),
    click.option("--fit", type=Rectangle(), help="The largest size that fits into this width and height."),
)
size_options = option_group("size", _size, _SIZE_OPTIONS, title="Size")
"""Gives a click command the options of a result's size, and what they say as its argument `size`."""

_OPTIONS = (
    click.option(
        "--format",
        "format_name",
        type=picture_formats(),
        help="Format of the results.  [default: by the output's name]",
    ),
    click.option(
        "--quality",
        type=click.IntRange(1, 100),
        help="Quality of lossy formats.  [default: 95 for jpeg, 90 for others]",
    ),
    click.option("--lossless", is_flag=True, help="Write WebP and JPEG XL losslessly."),
    click.option("--depth", type=click.Choice(["8", "16"]), help="Bits per channel.  [default: the input's]"),
    click.option(
        "--background",
        default="white",
        help="Colour under transparent pixels where the format has no transparency, and always for videos: "
        "a name or #rrggbb.",
    ),
    click.option("--strip-metadata", is_flag=True, help="Drop all metadata but the colour profile."),
    click.option(
        "--wrap",
        is_flag=True,
        help="Treat the picture as a seamless texture, whose edges continue at the opposite ones.",
    ),
    click.option("--max-pixels", type=PixelCount(), default="250M", help="Refuse inputs with more pixels."),
)
_PICTURE_SETTINGS = ("quality", "lossless", "background", "strip_metadata", "wrap", "max_pixels")


def picture_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a click command the options of how pictures are written, and what they say as its arguments
    `picture` and `file_format`. It must have `size_options` and `network_options` as well.
    """

    @titled("Pictures", *_OPTIONS)
    @wraps(command)
    def wrapper(
        *args: Any, size: Any, network: Any, format_name: str | None, depth: str | None, **values: Any
    ) -> R:
        from ripfdn_cli import api

        own = {name: values.pop(name) for name in _PICTURE_SETTINGS}
        bits = None if depth is None else int(depth)
        picture = api.picture_settings(size, network, depth=bits, **own)
        file_format = api.file_format(format_name)
        return command(*args, network=network, picture=picture, file_format=file_format, **values)

    return wrapper
