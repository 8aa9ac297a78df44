"""Options that belong together: given to a command by one decorator, handed to it as one argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import click

from ripfdn_cli.cli.help_pages import titled

R = TypeVar("R")
Command = Callable[..., Any]


def option_group(
    argument: str,
    make: Callable[..., Any],
    options: Sequence[Callable[[Command], Command]],
    *,
    title: str = "",
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """A decorator that gives a command `options`, under a `title` in its help, and what `make` makes of their
    values as `argument`.

    `make` takes the values by the options' names; what it raises is the command's error.
    """
    names = option_names(options)

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @wraps(command)
        def wrapper(*args: Any, **values: Any) -> R:
            own = {name: values.pop(name) for name in names}
            return command(*args, **{argument: make(**own)}, **values)

        return titled(title, *options)(wrapper)

    return decorate


def option_names(options: Sequence[Callable[[Command], Command]]) -> list[str]:
    """What click calls the values of `options`."""

    def command() -> None:
        """Only there to be asked for its parameters."""

    parameters = click.command(titled("", *options)(command)).params
    return [parameter.name for parameter in parameters if parameter.name is not None]
