"""`ripfdn prepare`: photographs cut into tiles to train on."""

import logging
from dataclasses import asdict
from pathlib import Path

import click

from ripfdn_cli.cli.console import Console, console_options, count_progress
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, Command, titled
from ripfdn_cli.cli.places import PATH
from ripfdn_cli.cli.sizes import Count
from ripfdn_cli.errors import InputError

log = logging.getLogger(__name__)

_EXAMPLES = (
    ("ripfdn prepare photos/ -o set/", "then: ripfdn train set/ -o runs/mine"),
    ("ripfdn prepare photos/ -o set/ --tile 256 --overlap 64", "smaller tiles that overlap less"),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("photos", type=PATH)
@titled(
    INPUT_AND_OUTPUT,
    click.option(
        "-o",
        "--output",
        type=PATH,
        required=True,
        help="Folder for the set; created if missing. Run the same command again to resume.",
    ),
)
@titled(
    "Tiles",
    click.option(
        "--tile",
        type=Count(64),
        default=480,
        help="Side of a tile in px; pictures up to a quarter larger are not divided.",
    ),
    click.option(
        "--overlap", type=Count(0), default=240, help="Minimum overlap of neighbouring tiles in px."
    ),
)
@console_options
def prepare(console: Console, /, photos: Path, output: Path, tile: int, overlap: int) -> None:
    """Cut the pictures in the folder PHOTOS into tiles to train on.

    Tiles that are flat, soft or near duplicates are left out and listed in OUTPUT/left-out.txt, with the
    pictures that can't be read or are too small.
    """
    from ripfdn_cli.training.prepare import LEFT_OUT, Tiling
    from ripfdn_cli.training.prepare import prepare as make

    with console.progress(total=None, unit="picture") as bar:
        made = make(photos, output, Tiling(tile, overlap), progress=count_progress(bar))
    console.record({"output": str(output), **asdict(made)})
    log.info("%d tiles of %d pictures in %s", made.tiles, made.pictures, output)
    counts = ", ".join(f"{count} {reason}" for reason, count in made.left_out.items() if count)
    if counts:
        log.info("left out: %s; all are listed in %s", counts, output / LEFT_OUT)
    if not made.tiles:
        raise InputError(f"{output} has no tiles to train on; {output / LEFT_OUT} says why")
