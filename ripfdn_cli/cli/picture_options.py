"""The options that say how large results are and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ripfdn_cli.cli.option_groups import option_group
from ripfdn_cli.cli.sizes import PixelCount, Rectangle, Scale
from ripfdn_cli.errors import UsageError

if TYPE_CHECKING:
    from ripfdn_cli.pipeline.output_size import SizeRequest

R = TypeVar("R")


def _size(**request: Any) -> SizeRequest:
    from ripfdn_cli.pipeline.output_size import SizeRequest

    return SizeRequest(**request)


_SIZE_OPTIONS = (
    click.option("--scale", type=Scale(), help="How many times larger: 2, 3, 4 or any number.  [default: 4]"),
    click.option("--width", type=click.IntRange(1), help="Width of the result in px."),
    click.option("--height", type=click.IntRange(1), help="Height of the result in px."),
    click.option("--long-side", type=click.IntRange(1), help="The longer side of the result in px."),
    click.option("--fit", type=Rectangle(), help="The largest size that fits into so many px."),
)
size_options = option_group("size", _size, _SIZE_OPTIONS)
"""Gives a click command the options of a result's size, and what they say as its argument `size`."""


def picture_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a click command the options of how pictures are written, and what they say as its arguments
    `picture` and `file_format`. It must have `size_options` and `network_options` as well.
    """

    @click.option(
        "--format",
        "format_name",
        metavar="NAME",
        help="png, jpeg, webp, tiff, bmp, avif, ppm, gif, jxl or heic.  [default: as the output is named]",
    )
    @click.option(
        "--quality", type=click.IntRange(1, 100), help="Of lossy formats.  [default: 95 jpeg, 90 others]"
    )
    @click.option("--lossless", is_flag=True, help="WebP and JPEG XL without loss.")
    @click.option("--depth", type=click.Choice(["8", "16"]), help="Bits a channel.  [default: the input's]")
    @click.option(
        "--background",
        default="white",
        show_default=True,
        help="Under transparent pixels where the format has no transparency, and of videos always: a name or "
        "#rrggbb.",
    )
    @click.option(
        "--strip-metadata", is_flag=True, help="Keep the colour profile and nothing else beside the pixels."
    )
    @click.option(
        "--wrap",
        is_flag=True,
        help="The picture is a texture that tiles: its edges continue at the opposite ones.",
    )
    @click.option(
        "--max-pixels", type=PixelCount(), default="250M", show_default=True, help="Refuse larger inputs."
    )
    @wraps(command)
    def wrapper(
        *args: Any,
        size: Any,
        network: Any,
        format_name: str | None,
        quality: int | None,
        lossless: bool,
        depth: str | None,
        background: str,
        strip_metadata: bool,
        wrap: bool,
        max_pixels: int,
        **others: Any,
    ) -> R:
        from ripfdn_cli.image_jobs.picture_job import PictureSettings
        from ripfdn_cli.pictures.formats import format_named

        picture = PictureSettings(
            size=size,
            depth=None if depth is None else int(depth),
            quality=quality,
            lossless=lossless,
            background=_colour(background),
            strip_metadata=strip_metadata,
            wrap=network.halo if wrap else 0,
            max_pixels=max_pixels,
        )
        file_format = None if format_name is None else format_named(format_name)
        return command(*args, network=network, picture=picture, file_format=file_format, **others)

    return wrapper


def _colour(name: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise UsageError(f"--background {name} is no colour; write it as white or #ffffff") from error
