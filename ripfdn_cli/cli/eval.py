"""`ripfdn eval`: weights, engines and precisions scored and timed on data sets, as a table and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ripfdn_cli.cli.choices import Names, engines, precisions
from ripfdn_cli.cli.console import Console, console_options, count_progress
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, NETWORK, Command, titled
from ripfdn_cli.cli.network_options import DEVICE, SEVERAL_WEIGHTS, THREADS
from ripfdn_cli.cli.places import HTML_PAGE, PLACE
from ripfdn_cli.cli.sizes import Count
from ripfdn_cli.image_math.metrics import ALL_PROTOCOLS, PAPERS, PROTOCOLS, protocols_named

if TYPE_CHECKING:
    from ripfdn_cli.files.storage import Location


def _metric_names() -> list[str]:
    from ripfdn_cli.evaluation.library_metrics import METRICS

    return list(METRICS)


_EXAMPLES = (
    ("ripfdn eval Set5 Set14", "the default weights on two data sets"),
    ("ripfdn eval Set5 -w x4 -w mine.safetensors", "compare weights"),
    (
        "ripfdn eval Set5 --engine openvino --engine torch --precision fp32 --precision bf16",
        "compare engines",
    ),
    ("ripfdn eval --hr DIV2K_valid_HR --lr DIV2K_valid_LR_bicubic/X4", "folders with other names"),
    (
        "ripfdn eval Set5 --protocol all --csv scores.csv --report report.html",
        "every protocol, also as CSV and as a page",
    ),
    ("ripfdn eval Set5 --metric ssimulacra2 --metric lpips", "perceptual metrics, too"),
)


@click.command("eval", cls=Command, examples=_EXAMPLES)
@click.argument("sets", metavar="[SET]...", nargs=-1, type=PLACE)
@titled(
    INPUT_AND_OUTPUT,
    click.option(
        "--hr",
        type=PLACE,
        help="HR pictures of one more set. LR pictures are made from them unless --lr is given.",
    ),
    click.option(
        "--lr",
        type=PLACE,
        help="LR pictures of that set, paired by name. Without --hr, only timing and pictures.",
    ),
    click.option("--csv", "csv_path", type=PLACE, help="Also write the table to this file, as CSV."),
    click.option(
        "--report",
        "report_path",
        type=HTML_PAGE,
        help="Write a report with plots and pictures, as one HTML file.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace existing --csv and --report files."),
)
@titled(
    NETWORK,
    SEVERAL_WEIGHTS,
    DEVICE,
    click.option(
        "--engine",
        type=engines("auto"),
        multiple=True,
        default=("auto",),
        help="Engine that runs the network; may be repeated.",
    ),
    click.option(
        "--precision",
        type=precisions("auto"),
        multiple=True,
        default=("fp32",),
        help="Precision of the network's arithmetic; may be repeated. fp32 gives the same scores on every "
        "machine.",
    ),
    THREADS,
)
@titled(
    "Scores",
    click.option(
        "--protocol",
        multiple=True,
        type=click.Choice([*PROTOCOLS, ALL_PROTOCOLS]),
        default=(PAPERS.name,),
        help="Scoring protocol; may be repeated. Y: as in papers. Y8: rounded luma (MATLAB, KAIR). RGB: as "
        "in NTIRE.",
    ),
    click.option(
        "--metric",
        multiple=True,
        type=Names(_metric_names),
        help="A further metric, with the extras `metrics`, `perceptual` and `niqe`; may be repeated.",
    ),
    click.option("--repeat", type=Count(1), default=1, help="Runs per picture; the fastest counts."),
)
@console_options
def eval(
    console: Console,
    *,
    sets: tuple[Location, ...],
    hr: Location | None,
    lr: Location | None,
    weights: tuple[str, ...],
    device: str,
    engine: tuple[str, ...],
    precision: tuple[str, ...],
    threads: int | None,
    protocol: tuple[str, ...],
    metric: tuple[str, ...],
    repeat: int,
    csv_path: Location | None,
    report_path: Location | None,
    overwrite: bool,
) -> None:
    """Score and time weights on data sets, together with bicubic and Lanczos.

    A SET is a folder (or its URL) with HR/ and optionally LRbicx4/ (LRbicx2/, LRbicx3/ for weights of those
    scales), paired by name. Missing LR pictures are made by MATLAB's bicubic. Every number names its
    protocol. Several weights are compared with the first, with a confidence interval for each difference.
    """
    from ripfdn_cli import api
    from ripfdn_cli.evaluation.differences import differences
    from ripfdn_cli.evaluation.report import Report
    from ripfdn_cli.evaluation.table import (
        csv_table,
        difference_notes,
        difference_table,
        notes,
        record,
        text_table,
    )
    from ripfdn_cli.files.encoded_text import encoded
    from ripfdn_cli.files.storage import publish

    protocols = protocols_named(protocol)
    _check_outputs([path for path in (csv_path, report_path) if path is not None], overwrite)
    report = None if report_path is None else Report(protocols)
    with console.progress(total=None, unit="picture") as bar:
        rows = api.evaluate(
            sets,
            hr=hr,
            lr=lr,
            weights=weights,
            device=device,
            engine=engine,
            precision=precision,
            threads=threads,
            protocol=protocol,
            metric=metric,
            repeat=repeat,
            progress=count_progress(bar),
            observe=None if report is None else report.add,
        )
    try:
        if csv_path is not None:
            publish(csv_path, encoded(csv_table(rows, protocols)), overwrite=overwrite)
        if report is not None and report_path is not None:
            publish(report_path, encoded(report.render(rows)), overwrite=overwrite)
    finally:  # a reader of stdout that has gone shall not cost the files, nor a full disk the table
        for row, difference in zip(rows, differences(rows, protocols), strict=True):
            console.record(record(row, protocols, difference))
        compared = difference_table(rows, protocols)
        remarks = [*notes(rows, protocols), *difference_notes(rows, protocols)]
        for line in (*text_table(rows, protocols), *([""] if compared else []), *compared, "", *remarks):
            console.text(line)


def _check_outputs(paths: list[Location], overwrite: bool) -> None:
    """Raise OutputError now rather than after minutes of work."""
    from ripfdn_cli.errors import UsageError
    from ripfdn_cli.files.storage import check_publishable, is_remote

    if len({str(path if is_remote(path) else path.resolve()) for path in paths}) < len(paths):
        raise UsageError(f"--csv and --report both name {paths[0]}; give two files")
    for path in paths:
        check_publishable(path, overwrite=overwrite)
