"""`ripfdn bench`: how fast each engine and precision is on this machine, as a table and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.sizes import Rectangle

if TYPE_CHECKING:
    from ripfdn_cli.evaluation.speed import Speed

SIZES = ("128x128", "256x256", "512x512", "1280x720")
ALL = "all"


@click.command()
@click.option(
    "--weights", default="x4", show_default=True, help="A name from 'ripfdn weights list', or a file."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--engine", default=ALL, show_default=True, help="all, openvino or torch.")
@click.option("--precision", default=ALL, show_default=True, help="all, fp32, bf16 or fp16.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of the network.  [default: all cores]")
@click.option(
    "--size",
    "sizes",
    type=Rectangle(),
    multiple=True,
    default=SIZES,
    show_default=True,
    help="Width and height of an input; may be repeated.",
)
@console_options
def bench(
    console: Console,
    *,
    weights: str,
    device: str,
    engine: str,
    precision: str,
    threads: int | None,
    sizes: tuple[tuple[int, int], ...],
) -> None:
    """Measure each engine and precision of this machine.

    Every one runs in a process of its own, with the picture in one tile. Times are medians; the share is that
    of the rate a large matrix product reaches in the same process; PSNR compares with torch in fp32 before
    rounding.
    """
    from ripfdn_cli.errors import UnavailableError
    from ripfdn_cli.evaluation.speed import Candidate, available_speeds, machine_name
    from ripfdn_cli.model.weights_store import load_weights

    load_weights(weights)  # a wrong name is told before anything starts
    device = _real_device(device)
    candidates = [
        Candidate(weights, one, at, device, threads)
        for one in _choices(engine, "--engine", _engines())
        for at in _choices(precision, "--precision", _precisions())
    ]
    machine = machine_name(device)
    console.text(f"{machine}, {threads or 'all'} threads, weights {weights}")
    with console.progress(total=len(candidates), unit="engine") as bar:

        def done(candidate: Candidate) -> None:
            bar.update()

        speeds = []
        for speed in available_speeds(candidates, sizes, observe=done):
            console.record({"machine": machine, **speed.record()})
            speeds.append(speed)
    if not speeds:
        raise UnavailableError(
            f"nothing that was asked for is on this machine ({engine}, {precision}, {device}); "
            "run with -v for the reasons"
        )
    for line in table(speeds):
        console.text(line)


def table(speeds: list[Speed]) -> list[str]:
    """The lines of a Markdown table: one row for each engine, precision and size."""
    from ripfdn_cli.evaluation.markdown import markdown_table

    headings = ["Engine", "Precision", "Start [s]", "Memory [MiB]", "PSNR [dB]"]
    headings += ["Input", "ms", "MP/s", "Share"]
    rows = [
        [
            f"{speed.engine} {speed.device}",
            speed.precision,
            f"{speed.start:.2f}",
            "–" if speed.memory is None else f"{speed.memory / 2**20:.0f}",
            f"{speed.psnr:.1f}",
            f"{size.width}×{size.height}",
            f"{1000 * size.seconds:.1f}",
            f"{size.megapixels_per_second:.3f}",
            f"{size.matrix_share:.0%}",
        ]
        for speed in speeds
        for size in speed.sizes
    ]
    return markdown_table(headings, rows, words=2)


def _real_device(device: str) -> str:
    from ripfdn_cli.engines.engine_selection import auto_device

    return auto_device() if device == "auto" else device


def _engines() -> tuple[str, ...]:
    from ripfdn_cli.engines.engine_selection import ENGINES

    return ENGINES


def _precisions() -> tuple[str, ...]:
    from ripfdn_cli.engines.engine import PRECISIONS

    return PRECISIONS


def _choices(asked: str, flag: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """All of `known`, or the one that was asked for. Raises UsageError."""
    from ripfdn_cli.errors import UsageError

    if asked == ALL:
        return known
    if asked not in known:
        raise UsageError(f"{flag} {asked} is not one of {ALL}, {', '.join(known)}")
    return (asked,)
