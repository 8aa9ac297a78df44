"""What every command says and how: data on stdout, messages on stderr, `-q`, `-v`, `--json`, NO_COLOR,
progress bars.

The library itself only logs; this module decides what is shown.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from tqdm import tqdm

from ripfdn_cli.cli.help_pages import MESSAGES, titled
from ripfdn_cli.cli.wording import as_options
from ripfdn_cli.files.encoded_text import encoded

P = ParamSpec("P")
R = TypeVar("R")

ROOT_LOGGER = "ripfdn_cli"
STATUSES = ("done", "skipped", "failed")
"""What may become of an input."""
SECONDS_BETWEEN_LINES = 60.0
"""Of progress where there is no terminal: in logs of jobs that take hours."""


class Console:
    """One for a process. `quiet`, `verbose` and `json` are set from the command's own options."""

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False
        self.json = False

    def configure(self, *, quiet: bool, verbose: bool, json: bool) -> None:
        """Set how much is said, and send the package's log to stderr. Raises click.UsageError for both
        `quiet` and `verbose`.
        """
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose contradict each other; give one")
        self.quiet, self.verbose, self.json = quiet, verbose, json
        logger = logging.getLogger(ROOT_LOGGER)
        logger.handlers = [_StderrHandler()]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)

    def text(self, line: str = "") -> None:
        """A line of the command's result, on stdout; silent with --json, which has `record`."""
        if not self.json:
            click.echo(encoded(line).decode())

    def record(self, values: dict[str, Any]) -> None:
        """One JSON object on a line of its own on stdout, with --json only."""
        if self.json:
            if isinstance(error := values.get("error"), str):
                values = values | {"error": as_options(error)}
            click.echo(json.dumps(values, ensure_ascii=True))

    def summary(self, count: Mapping[str, int], seconds: float) -> None:
        """With --json the object that ends a run: how many inputs there are of each of `STATUSES`."""
        counts = {name: count.get(name, 0) for name in STATUSES}
        self.record({"summary": True, **counts, "seconds": round(seconds, 3)})

    def fail(self, message: str) -> None:
        """The one line that says why the command failed."""
        colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        label = click.style("ripfdn: error:", fg="red", bold=True) if colour else "ripfdn: error:"
        with suppress(OSError):  # there is nowhere else to say it, and the exit code remains
            tqdm.write(f"{label} {printable(as_options(message))}", file=sys.stderr)

    def progress(
        self, *, total: int | None, unit: str, description: str = "", seconds: float = SECONDS_BETWEEN_LINES
    ) -> "tqdm[Any]":
        """A bar on stderr on a terminal, and a line every so many `seconds` elsewhere; silent with -q."""
        kind = tqdm if sys.stderr.isatty() or self.quiet else partial(ProgressLines, seconds)
        return kind(total=total, unit=unit, desc=description or None, disable=self.quiet, file=sys.stderr)


class ProgressLines(tqdm):  # type: ignore[type-arg]
    """Progress as whole lines of a log, the first after `seconds`: what a bar would say at that moment."""

    def __init__(self, seconds: float, **options: Any) -> None:
        self._seconds, self._shown, self._told = seconds, time.monotonic(), 0.0
        super().__init__(**options, mininterval=0, miniters=1, delay=seconds)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Called by tqdm for each step, and for a bar's first appearance."""
        now = time.monotonic()
        if self.n > max(self.initial, self._told) and now - self._shown >= self._seconds:
            self._shown, self._told = now, self.n
            logging.getLogger(ROOT_LOGGER).info(progress_line(self.format_dict))

    def clear(self, nolock: bool = False) -> None:
        """There is nothing to clear: lines stay."""

    def close(self) -> None:
        """Says nothing: the result's own line follows."""
        if not self.disable:
            self.disable = True
            self._decr_instances(self)  # type: ignore[attr-defined]


def progress_line(state: Mapping[str, Any]) -> str:
    """As "clip.mkv: 120 of 4321 frames, 1.20 frames/s, 58:20 left, 12.3 MB"; tqdm's `format_dict` is such a
    `state`.
    """
    n, total, unit = state["n"], state["total"], f"{state['unit']}s"
    rate = (n - state["initial"]) / state["elapsed"] if state["elapsed"] else 0.0
    if state["unit"] == "%":
        parts = [f"{n:.1f} %"]
    else:
        parts = [f"{n} of {total} {unit}" if total else f"{n} {unit}"]
        parts += [f"{rate:.3g} {unit}/s"] if rate else []
    if rate and total:
        parts.append(f"{tqdm.format_interval((total - n) / rate)} left")
    if state["postfix"]:
        parts.append(str(state["postfix"]))
    prefix = f"{state['prefix']}: " if state["prefix"] else ""
    return prefix + ", ".join(parts)


def console_options(command: Callable[Concatenate[Console, P], R]) -> Callable[P, R]:
    """Give a click command -q, -v and --json, and the Console they set as its first argument."""

    @titled(
        MESSAGES,
        click.option("-q", "--quiet", is_flag=True, help="Show only errors and warnings."),
        click.option(
            "-v", "--verbose", is_flag=True, help="Show what is chosen and why, and tracebacks of errors."
        ),
        click.option("--json", "json", is_flag=True, help="Print results as JSON lines on stdout."),
    )
    @click.pass_obj
    @wraps(command)
    def wrapper(console: Console, /, *args: Any, quiet: bool, verbose: bool, json: bool, **options: Any) -> R:
        console.configure(quiet=quiet, verbose=verbose, json=json)
        return command(console, *args, **options)

    return wrapper  # type: ignore[return-value]


def count_progress(bar: "tqdm[Any]") -> Callable[[int, int], None]:
    """Shows on `bar` how many are done, of as many as there are."""

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show


def printable(text: str) -> str:
    """`text` on one line; what file names can hold to fool a terminal (or can't be encoded) as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _StderrHandler(logging.Handler):
    """Log lines on stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "ripfdn: warning: " if record.levelno >= logging.WARNING else ""
        with suppress(OSError):
            tqdm.write(prefix + printable(as_options(record.getMessage())), file=sys.stderr)
