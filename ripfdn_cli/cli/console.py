"""What every command says and how: data on stdout, messages on stderr, `-q`, `-v`, `--json`, NO_COLOR,
progress bars.

The library itself only logs; this module decides what is shown.
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from tqdm import tqdm

P = ParamSpec("P")
R = TypeVar("R")

ROOT_LOGGER = "ripfdn_cli"


class Console:
    """One for a process. `quiet`, `verbose` and `json` are set from the command's own options."""

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False
        self.json = False

    def configure(self, *, quiet: bool, verbose: bool, json: bool) -> None:
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
            click.echo(line)

    def record(self, values: dict[str, Any]) -> None:
        """One JSON object on a line of its own on stdout, with --json only."""
        if self.json:
            click.echo(json.dumps(values, ensure_ascii=True))

    def fail(self, message: str) -> None:
        """The one line that says why the command failed."""
        colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        label = click.style("ripfdn: error:", fg="red", bold=True) if colour else "ripfdn: error:"
        with suppress(OSError):  # there is nowhere else to say it, and the exit code remains
            tqdm.write(f"{label} {printable(message)}", file=sys.stderr)

    def progress(self, *, total: int | None, unit: str, description: str = "") -> "tqdm[Any]":
        """A bar on stderr: shown on a terminal, silent elsewhere and with -q."""
        return tqdm(
            total=total,
            unit=unit,
            desc=description or None,
            disable=True if self.quiet else None,
            file=sys.stderr,
        )


def console_options(command: Callable[Concatenate[Console, P], R]) -> Callable[P, R]:
    """Give a click command -q, -v and --json, and the Console they set as its first argument."""

    @click.option("-q", "--quiet", is_flag=True, help="Errors and warnings only.")
    @click.option("-v", "--verbose", is_flag=True, help="Say what is chosen and why; tracebacks with errors.")
    @click.option("--json", "json", is_flag=True, help="Results as JSON lines on stdout.")
    @click.pass_obj
    @wraps(command)
    def wrapper(console: Console, /, *args: Any, quiet: bool, verbose: bool, json: bool, **options: Any) -> R:
        console.configure(quiet=quiet, verbose=verbose, json=json)
        return command(console, *args, **options)

    return wrapper  # type: ignore[return-value]


def printable(text: str) -> str:
    """`text` on one line; what file names can hold to fool a terminal (or can't be encoded) as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _StderrHandler(logging.Handler):
    """Log lines on stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "ripfdn: warning: " if record.levelno >= logging.WARNING else ""
        with suppress(OSError):
            tqdm.write(prefix + printable(record.getMessage()), file=sys.stderr)
