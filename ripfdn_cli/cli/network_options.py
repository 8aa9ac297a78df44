"""The options that say which network runs where and how, for every command that upscales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ripfdn_cli.cli.option_groups import option_group
from ripfdn_cli.cli.sizes import MemorySize, TileSize
from ripfdn_cli.errors import UsageError

if TYPE_CHECKING:
    from ripfdn_cli.pipeline.devices import NetworkSettings


def _settings(
    *, weights: str, device: str, halo: int | None, exact: bool, **settings: Any
) -> NetworkSettings:
    from ripfdn_cli.model.tile_grid import DEFAULT_HALO, EXACT_HALO
    from ripfdn_cli.pipeline.devices import NetworkSettings

    if exact and halo is not None:
        raise UsageError("--exact sets the halo; give it or --halo, not both")
    devices = tuple(name.strip() for name in device.split(","))
    if "" in devices or len(set(devices)) < len(devices):
        raise UsageError(f"--device {device} names a device twice, or none; write cuda:0,cuda:1")
    return NetworkSettings(
        weights=None if weights == "auto" else weights,
        devices=devices,
        halo=EXACT_HALO if exact else DEFAULT_HALO if halo is None else halo,
        **settings,
    )


_OPTIONS = (
    click.option(
        "--weights",
        default="auto",
        show_default=True,
        help="A name from 'ripfdn weights list', or a file. auto goes by the size asked for; JPEGs "
        "and videos that were compressed get x4-photo.",
    ),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        help="auto, cpu, cuda, cuda:N, mps; several with commas.",
    ),
    click.option("--engine", default="auto", show_default=True, help="auto, openvino or torch."),
    click.option("--precision", default="auto", show_default=True, help="auto, fp32, bf16 or fp16."),
    click.option(
        "--threads", type=click.IntRange(1), help="CPU threads of the network.  [default: all cores]"
    ),
    click.option(
        "--tile", type=TileSize(), default="auto", show_default=True, help="Inner side of a tile in px."
    ),
    click.option("--halo", type=click.IntRange(0), help="Context around a tile in px.  [default: 48]"),
    click.option("--exact", is_flag=True, help="Tiles equal the whole picture to rounding: --halo 96."),
    click.option(
        "--memory",
        type=MemorySize(),
        help="What a tile may take in the engine, and pictures in work together.  "
        "[default: a quarter of the machine's, at most 4G; half of a GPU's]",
    ),
    click.option(
        "--ensemble", is_flag=True, help="Average eight flips and rotations, at eight times the work."
    ),
)
network_options = option_group("network", _settings, _OPTIONS)
"""Gives a click command these options, and what they say as its argument `network`."""
