"""`ripfdn bench`: how fast each engine and precision is on this machine, as a table and for programs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from ripfdn_cli.cli.choices import engines, precisions
from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, NETWORK, Command, titled
from ripfdn_cli.cli.network_options import DEVICE, THREADS, WEIGHTS
from ripfdn_cli.cli.sizes import Rectangle

if TYPE_CHECKING:
    from ripfdn_cli.evaluation.speed import Speed

log = logging.getLogger(__name__)

SIZES = ("128x128", "256x256", "512x512", "1280x720")
ALL = "all"


_EXAMPLES = (
    ("ripfdn bench", "every engine and precision, at four sizes"),
    ("ripfdn bench --engine torch --device cuda --size 1920x1080", "one engine at one size"),
    ("ripfdn bench --json > speeds.jsonl", "for programs"),
)


@click.command(cls=Command, examples=_EXAMPLES)
@titled(
    NETWORK,
    WEIGHTS,
    DEVICE,
    click.option("--engine", type=engines(ALL), default=ALL, help="Engine that runs the network."),
    click.option(
        "--precision", type=precisions(ALL), default=ALL, help="Precision of the network's arithmetic."
    ),
    THREADS,
)
@titled(
    INPUT_AND_OUTPUT,
    click.option(
        "--size",
        "sizes",
        type=Rectangle(),
        multiple=True,
        default=SIZES,
        help="Width and height of the test picture in px; may be repeated.",
    ),
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
    """Measure the speed and accuracy of each engine and precision on this machine.

    Each runs in its own process, with the picture in one tile. Times are medians. The share compares speed
    with the rate that a large matrix product reaches in the same process. Results are compared with torch's
    in fp32: PSNR on texture, before rounding; on a smooth 8-bit sky the largest shift of a channel's mean,
    and the root mean square of all differences, in levels of 255.
    """
    from ripfdn_cli.errors import UnavailableError
    from ripfdn_cli.evaluation.speed import Candidate, available_speeds, machine_name
    from ripfdn_cli.model.weights_store import load_weights

    load_weights(weights)  # a wrong name is an error before anything starts
    _check_sizes(sizes)
    device = _real_device(device)
    candidates = [
        Candidate(weights, one, at, device, threads)
        for one in _choices(engine, "--engine", _engines())
        for at in _choices(precision, "--precision", _precisions())
    ]
    machine = machine_name(device)
    log.info("%s, %s threads, weights %s", machine, threads or "all", weights)
    with console.progress(total=len(candidates), unit="engine") as bar:

        def done(candidate: Candidate) -> None:
            bar.update()

        speeds = []
        for speed in available_speeds(candidates, sizes, observe=done):
            console.record({"machine": machine, **speed.record()})
            speeds.append(speed)
    if not speeds:
        raise UnavailableError(
            f"none of the requested engines is available on this machine ({engine}, {precision}, "
            f"{device}); run with -v for the reasons"
        )
    for line in table(speeds):
        console.text(line)


def table(speeds: list[Speed]) -> list[str]:
    """The lines of a Markdown table: one row for each engine, precision and size."""
    from ripfdn_cli.evaluation.markdown import markdown_table

    headings = ["Engine", "Precision", "Start [s]", "Memory [MiB]", "PSNR [dB]", "Shift", "RMS"]
    headings += ["Input", "ms", "MP/s", "Share"]
    rows = [
        [
            f"{speed.engine} {speed.device}",
            speed.precision,
            f"{speed.start:.2f}",
            "–" if speed.memory is None else f"{speed.memory / 2**20:.0f}",
            f"{speed.psnr:.1f}",
            f"{speed.shift:.3f}",
            f"{speed.rms:.3f}",
            f"{size.width}×{size.height}",
            f"{1000 * size.seconds:.1f}",
            f"{size.megapixels_per_second:.3f}",
            f"{size.matrix_share:.0%}",
        ]
        for speed in speeds
        for size in speed.sizes
    ]
    return markdown_table(headings, rows, words=2)


def _check_sizes(sizes: tuple[tuple[int, int], ...]) -> None:
    from ripfdn_cli.errors import UsageError
    from ripfdn_cli.model.architecture import SMALLEST_SIDE

    for width, height in sizes:
        if min(width, height) < SMALLEST_SIDE:
            raise UsageError(
                f"--size {width}x{height}: a side is shorter than the minimum of {SMALLEST_SIDE} px"
            )


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
