"""The options that say which network runs where and how, for every command that upscales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ripfdn_cli.cli.choices import Weights, devices, engines, precisions
from ripfdn_cli.cli.help_pages import NETWORK
from ripfdn_cli.cli.option_groups import option_group
from ripfdn_cli.cli.sizes import Count, MemorySize, TileSize

if TYPE_CHECKING:
    from ripfdn_cli.pipeline.devices import NetworkSettings


def _settings(**options: Any) -> NetworkSettings:
    from ripfdn_cli.api import network_settings

    return network_settings(**options)


WEIGHTS = click.option(
    "-w", "--weights", type=Weights(), default="x4", help="A name from 'ripfdn weights list', or a file."
)
SEVERAL_WEIGHTS = click.option(
    "-w",
    "--weights",
    type=Weights(),
    multiple=True,
    default=("x4",),
    help="A name from 'ripfdn weights list', a file, an .onnx, or a model that spandrel reads; may be "
    "repeated.",
)
DEVICE = click.option("--device", type=devices("auto"), default="auto", help="Device that runs the network.")
ENGINE = click.option("--engine", type=engines("auto"), default="auto", help="Engine that runs the network.")
PRECISION = click.option(
    "--precision", type=precisions("auto"), default="auto", help="Precision of the network's arithmetic."
)
THREADS = click.option("--threads", type=Count(1), help="CPU threads for the network.  [default: all cores]")

_OPTIONS = (
    click.option(
        "-w",
        "--weights",
        type=Weights("auto"),
        default="auto",
        help="A name from 'ripfdn weights list', or a file. auto chooses by the requested size, and takes "
        "x4-sharp for JPEGs of quality 90 and lower, and x4-photo for better ones up to 95 and for "
        "compressed video. x4-fast and x2-fast take about a quarter of the time of x4 and "
        "x2.",
    ),
    click.option(
        "--weights-to",
        type=Weights(),
        help="Weights to blend with --weights, one trained from the other or both from the same; "
        "--strength says how much.",
    ),
    click.option(
        "--strength",
        type=click.FloatRange(0, 1),
        help="With --weights-to, 0 for --weights, 1 for those, or anything in between. Alone: from faithful "
        "(0) to sharp (1).",
    ),
    click.option(
        "--look",
        type=click.Choice(["faithful", "sharp"]),
        help="faithful keeps to what the picture shows; sharp cleans it and draws crisp edges, which need "
        "not be true. By default, JPEGs of quality 90 and lower get the sharp look, all else the faithful "
        "one.",
    ),
    click.option(
        "--device",
        type=devices("auto"),
        default="auto",
        help="Device that runs the network; separate several with commas.",
    ),
    ENGINE,
    PRECISION,
    THREADS,
    click.option("--tile", type=TileSize(), default="auto", help="Side of a tile in px, without its halo."),
    click.option(
        "--halo", type=Count(0), help="Margin of neighbouring pixels around a tile, in px.  [default: 48]"
    ),
    click.option(
        "--exact",
        is_flag=True,
        help="Make tiles match the untiled result to within fp32 rounding; short for --halo 96 --precision "
        "fp32.",
    ),
    click.option(
        "--memory",
        type=MemorySize(),
        help="Memory for a tile in the engine, and for all pictures in progress together; one that needs "
        "more is done alone.  [default: a quarter of the machine's, at most 4G; half of what is free on a "
        "GPU]",
    ),
    click.option(
        "--ensemble", is_flag=True, help="Average eight flips and rotations, at eight times the work."
    ),
)
network_options = option_group("network", _settings, _OPTIONS, title=NETWORK)
"""Gives a click command these options, and what they say as its argument `network`."""
