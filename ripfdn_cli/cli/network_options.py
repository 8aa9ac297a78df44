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
DEVICE = click.option("--device", type=devices("auto"), default="auto", help="Where the network runs.")
ENGINE = click.option("--engine", type=engines("auto"), default="auto", help="What runs the network.")
PRECISION = click.option(
    "--precision", type=precisions("auto"), default="auto", help="Arithmetic of the network."
)
THREADS = click.option("--threads", type=Count(1), help="CPU threads of the network.  [default: all cores]")

_OPTIONS = (
    click.option(
        "-w",
        "--weights",
        type=Weights("auto"),
        default="auto",
        help="A name from 'ripfdn weights list', or a file. auto chooses by the size asked for, "
        "and x4-photo for compressed JPEGs and videos.",
    ),
    click.option(
        "--weights-to",
        type=Weights(),
        help="Others, trained from --weights or from the same: --strength says how far to go towards them.",
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
        help="faithful to what the picture shows; or sharp: clean, crisp edges and detail that need not be "
        "true.  [default: faithful]",
    ),
    click.option(
        "--device", type=devices("auto"), default="auto", help="Where the network runs; several with commas."
    ),
    ENGINE,
    PRECISION,
    THREADS,
    click.option("--tile", type=TileSize(), default="auto", help="Inner side of a tile in px."),
    click.option("--halo", type=Count(0), help="Context around a tile in px.  [default: 48]"),
    click.option(
        "--exact",
        is_flag=True,
        help="Tiles equal the whole picture to the rounding of fp32: --halo 96, --precision fp32.",
    ),
    click.option(
        "--memory",
        type=MemorySize(),
        help="Memory for a tile in the engine, and for all pictures in work together.  "
        "[default: a quarter of the machine's, at most 4G; half of a GPU's]",
    ),
    click.option(
        "--ensemble", is_flag=True, help="Average eight flips and rotations, at eight times the work."
    ),
)
network_options = option_group("network", _settings, _OPTIONS, title=NETWORK)
"""Gives a click command these options, and what they say as its argument `network`."""
