"""`ripfdn eval`: weights, engines and precisions scored and timed on data sets, as a table and as a page."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.places import Place, check_new_files
from ripfdn_cli.image_math.metrics import PAPERS, PROTOCOLS

if TYPE_CHECKING:
    from ripfdn_cli.evaluation.benchmark import Method, Observer, Row
    from ripfdn_cli.evaluation.datasets import DataSet
    from ripfdn_cli.files.storage import Location
    from ripfdn_cli.image_math.metrics import Protocol

PLACE = Place()


@click.command("eval")
@click.argument("sets", metavar="[SET]...", nargs=-1, type=PLACE)
@click.option("--hr", type=PLACE, help="One more set: its HR pictures. LR is made where --lr is not given.")
@click.option(
    "--lr", type=PLACE, help="Its LR pictures, paired by name. Without --hr: timing and pictures only."
)
@click.option(
    "-w",
    "--weights",
    multiple=True,
    default=("x4",),
    show_default=True,
    help="A name from 'ripfdn weights list', a file, an .onnx, or a model that spandrel reads; repeatable.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--engine",
    multiple=True,
    default=("auto",),
    show_default=True,
    help="auto, openvino or torch; repeatable.",
)
@click.option(
    "--precision",
    multiple=True,
    default=("auto",),
    show_default=True,
    help="auto, fp32, bf16, fp16; repeatable.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads of the network; all cores by default.")
@click.option(
    "--protocol",
    "protocol_names",
    multiple=True,
    type=click.Choice([*PROTOCOLS, "all"]),
    default=(PAPERS.name,),
    show_default=True,
    help="How to score; repeatable. Y: the papers'. Y8: MATLAB's and KAIR's rounded luma. RGB: NTIRE's.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Runs of a picture; the fastest counts.",
)
@click.option("--csv", "csv_path", type=PLACE, help="Write the table to this file, too.")
@click.option(
    "--report", "report_path", type=PLACE, help="Write a page with plots and pictures: one HTML file."
)
@click.option("--overwrite", is_flag=True, help="Replace --csv and --report files that exist already.")
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
    protocol_names: tuple[str, ...],
    repeat: int,
    csv_path: Location | None,
    report_path: Location | None,
    overwrite: bool,
) -> None:
    """Score and time weights on data sets, beside bicubic and Lanczos.

    A SET is a folder (or its URL) with HR/ and perhaps LRbicx4/ (LRbicx2/, LRbicx3/ for weights of those
    scales), paired by name. LR pictures that are missing are made by MATLAB's bicubic. Every number names its
    protocol.
    """
    from ripfdn_cli.evaluation.benchmark import Engines, network_methods
    from ripfdn_cli.evaluation.report import Report
    from ripfdn_cli.evaluation.table import csv_table, notes, record, text_table
    from ripfdn_cli.files.storage import publish

    protocols = _protocols(protocol_names)
    _check_outputs([path for path in (csv_path, report_path) if path is not None], overwrite)
    networks = network_methods(weights, Engines(engine, precision, device=device, threads=threads))
    work = [
        (data_set, [method for method in networks if method.scale == data_set.scale])
        for data_set in _data_sets(sets, hr, lr, sorted({method.scale for method in networks}))
    ]
    report = None if report_path is None else Report(protocols)
    rows = _evaluate(console, work, protocols, repeat, None if report is None else report.add)
    for row in rows:
        console.record(record(row, protocols))
    for line in (*text_table(rows, protocols), "", *notes(rows, protocols)):
        console.text(line)
    if csv_path is not None:
        publish(csv_path, csv_table(rows, protocols).encode(), overwrite=overwrite)
    if report is not None and report_path is not None:
        publish(report_path, report.render(rows).encode(), overwrite=overwrite)


def _protocols(names: tuple[str, ...]) -> list[Protocol]:
    chosen = PROTOCOLS if "all" in names else dict.fromkeys(names)
    return [PROTOCOLS[name] for name in chosen]


def _check_outputs(paths: list[Location], overwrite: bool) -> None:
    from ripfdn_cli.errors import UsageError
    from ripfdn_cli.files.storage import is_remote

    if len({str(path if is_remote(path) else path.resolve()) for path in paths}) < len(paths):
        raise UsageError(f"--csv and --report both name {paths[0]}; give two files")
    check_new_files(paths, overwrite)


def _data_sets(
    sets: tuple[Location, ...], hr: Location | None, lr: Location | None, scales: list[int]
) -> list[DataSet]:
    """All sets at all scales. Raises UsageError where none is named, InputError."""
    from ripfdn_cli.errors import UsageError
    from ripfdn_cli.evaluation.datasets import find_data_set, pair_folders

    if not sets and hr is None and lr is None:
        raise UsageError(
            "no data set; name a folder with HR/ in it, or folders of pictures with --hr and --lr"
        )
    if lr is not None and len(scales) > 1:
        raise UsageError(
            f"--lr holds pictures of one scale, the weights are of {', '.join(map(str, scales))}"
        )
    found = [find_data_set(folder, scale) for folder in sets for scale in scales]
    if hr is not None or lr is not None:
        found += [pair_folders(hr, lr, scale) for scale in scales]
    return _told_apart(found)


def _told_apart(found: list[DataSet]) -> list[DataSet]:
    """Number data sets of one name: Set5, Set5 (2)."""
    seen: Counter[tuple[str, int]] = Counter()
    result = []
    for data_set in found:
        seen[data_set.name, data_set.scale] += 1
        count = seen[data_set.name, data_set.scale]
        result.append(replace(data_set, name=f"{data_set.name} ({count})") if count > 1 else data_set)
    return result


def _evaluate(
    console: Console,
    work: list[tuple[DataSet, list[Method]]],
    protocols: list[Protocol],
    repeat: int,
    observe: Observer | None,
) -> list[Row]:
    from ripfdn_cli.evaluation.benchmark import UpscaledPicture, evaluate, interpolation_methods

    rows: list[Row] = []
    with console.progress(total=sum(len(data_set.pairs) for data_set, _ in work), unit="picture") as bar:

        def done(picture: UpscaledPicture) -> None:
            if observe is not None:
                observe(picture)
            bar.update()

        for data_set, networks in work:
            bar.set_description(data_set.name)
            methods = [*interpolation_methods(data_set.scale), *networks]
            rows += evaluate(data_set, methods, protocols, repeat=repeat, observe=done)
    return rows
