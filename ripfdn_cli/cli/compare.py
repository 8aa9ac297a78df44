"""`ripfdn compare`: pictures by several networks on one page, to compare by eye."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import click

from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, NETWORK, Command, titled
from ripfdn_cli.cli.network_options import DEVICE, ENGINE, PRECISION, SEVERAL_WEIGHTS, THREADS
from ripfdn_cli.cli.places import HTML_PAGE, PLACE

if TYPE_CHECKING:
    from ripfdn_cli.comparison.views import ComparedPicture
    from ripfdn_cli.evaluation.report_pictures import Window
    from ripfdn_cli.files.storage import Location

log = logging.getLogger(__name__)


class CropType(click.ParamType["Window"]):
    """WIDTHxHEIGHT+LEFT+TOP, as ImageMagick writes it."""

    name = "WxH+X+Y"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Window:
        """The window, in px of the input. Fails for anything else."""
        from ripfdn_cli.evaluation.report_pictures import Window

        if isinstance(value, Window):
            return value
        match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)\+(\d+)\+(\d+)", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value} is not WIDTHxHEIGHT+LEFT+TOP; write it as 256x256+100+80", param, ctx)
        width, height, left, top = map(int, match.groups())
        return Window(top, left, height, width)


_EXAMPLES = (
    ("ripfdn compare photo.jpg -o page.html -w x4 -w x4-photo", "two networks on one picture"),
    (
        "ripfdn compare lr.png --reference hr.png -o page.html -w x4 -w other.onnx",
        "with scores, and a third-party network",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("pictures", metavar="PICTURE...", nargs=-1, required=True, type=PLACE)
@titled(
    INPUT_AND_OUTPUT,
    click.option("-o", "--output", required=True, type=HTML_PAGE, help="The page: one HTML file."),
    click.option(
        "--reference",
        "references",
        multiple=True,
        type=PLACE,
        help="The picture that PICTURE was made from, for scores and difference maps; one for each PICTURE.",
    ),
    click.option("--crop", type=CropType(), help="The part of each PICTURE to show.  [default: its middle]"),
    click.option("--overwrite", is_flag=True, help="Replace the page if it exists."),
)
@titled(
    NETWORK,
    SEVERAL_WEIGHTS,
    DEVICE,
    ENGINE,
    PRECISION,
    THREADS,
)
@console_options
def compare(
    console: Console,
    *,
    pictures: tuple[Location, ...],
    output: Location,
    weights: tuple[str, ...],
    references: tuple[Location, ...],
    crop: Window | None,
    device: str,
    engine: str,
    precision: str,
    threads: int | None,
    overwrite: bool,
) -> None:
    """Show PICTUREs and the results of several networks on one page, with a line to drag between any two."""
    from ripfdn_cli.comparison.page import render
    from ripfdn_cli.comparison.views import common_scale, compare_picture
    from ripfdn_cli.errors import UsageError
    from ripfdn_cli.evaluation.benchmark import Engines, network_methods
    from ripfdn_cli.files.encoded_text import encoded
    from ripfdn_cli.files.storage import check_publishable, publish

    if references and len(references) != len(pictures):
        raise UsageError(
            f"{len(references)} --reference for {len(pictures)} pictures; give one for each, in the same "
            "order"
        )
    check_publishable(output, overwrite=overwrite)
    methods = network_methods(weights, Engines((engine,), (precision,), device=device, threads=threads))
    common_scale(methods)
    compared = []
    with console.progress(total=len(pictures), unit="picture") as bar:
        for number, path in enumerate(pictures):
            reference = references[number] if references else None
            compared.append(compare_picture(path, methods, reference=reference, crop=crop))
            bar.update()
    publish(output, encoded(render(compared, methods)), overwrite=overwrite)
    _tell(console, compared, output)


def _tell(console: Console, compared: list[ComparedPicture], output: Location) -> None:
    for picture in compared:
        for view in picture.views:
            if view.seconds is None:
                continue
            score = {} if view.score is None else view.score.as_json()
            console.record(
                {"picture": picture.name, "method": view.label, "seconds": view.seconds, "scores": score}
            )
            shown = "" if view.score is None else f", {view.score.psnr:.3f} dB"
            console.text(f"{picture.name}: {view.label} {view.seconds:.3f} s{shown}")
    log.info("wrote %s", output)
