"""Help pages: options under the titles of their groups, every default, whole sentences, and examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

INPUT_AND_OUTPUT, NETWORK, MESSAGES = "Input and output", "Network", "Messages"
_OTHERS = "Other options"
_ORDER = (INPUT_AND_OUTPUT, "Size", "Pictures", NETWORK, "Video", "Cluster")
"""Titles that come first, in this order."""
_LAST = (_OTHERS, MESSAGES)
_TITLES = "option_titles"
"""Where a function that will be a command keeps, by name, the titles over its options."""
WIDTH = 100
"""Columns of a help page where the terminal has as many."""

SETTINGS = {
    "help_option_names": ["-h", "--help"],
    "auto_envvar_prefix": "RIPFDN",
    "show_default": True,
    "max_content_width": WIDTH,
}
"""Click's settings of every command."""


def titled(title: str, *options: Callable[..., Any]) -> Callable[[F], F]:
    """The decorators `options`, with a `title` over those options of theirs that have none yet."""

    def decorate(command: F) -> F:
        before = len(_parameters(command))
        for option in reversed(options):
            command = option(command)
        titles: dict[str, str] = command.__dict__.setdefault(_TITLES, {})
        for parameter in _parameters(command)[before:] if title else ():
            titles.setdefault(str(parameter.name), title)
        return command

    return decorate


def _parameters(command: Any) -> list[click.Parameter]:
    found: list[click.Parameter] = getattr(command, "__click_params__", [])
    return found


def _as_variable(name: str) -> str:
    return name.replace("-", "_").upper()


class Command(click.Command):
    """A command with `examples`, pairs of a command line and what it does."""

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises click.UsageError for an empty word: as a path it would mean the current folder."""
        if "" in args:
            raise click.UsageError(
                f"argument {args.index('') + 1} of '{ctx.command_path}' is empty (an unset variable?); "
                "name a file or folder, or write . for the current folder",
                ctx,
            )
        self.name_variables(ctx)
        return super().parse_args(ctx, args)

    def name_variables(self, ctx: click.Context) -> None:
        """Let each option be set by the variable that its name on the command line says; Click goes by the
        parameter of the function, which may be called otherwise.
        """
        for option in self.params:
            if isinstance(option, click.Option) and not option.envvar and ctx.auto_envvar_prefix:
                names = [name.removeprefix("--") for name in option.opts if name.startswith("--")]
                option.envvar = [f"{ctx.auto_envvar_prefix}_{_as_variable(name)}" for name in names]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options in their groups, in one order on every page; `--help` with those for messages."""
        titles: dict[str, str] = getattr(self.callback, _TITLES, {})
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in _ORDER}
        last: dict[str, list[tuple[str, str]]] = {title: [] for title in _LAST}
        help_option = self.get_help_option(ctx)
        for parameter in self.get_params(ctx):
            if not isinstance(parameter, click.Option):
                continue
            record = parameter.get_help_record(ctx)
            own = MESSAGES if parameter is help_option else _OTHERS
            title = titles.get(str(parameter.name), own)
            if record is not None:
                (last if title in last else groups).setdefault(title, []).append(record)
        for title, records in (*groups.items(), *last.items()):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, after the options."""
        if self.examples:
            with formatter.section("Examples"):
                for line, meaning in self.examples:
                    indent = " " * formatter.current_indent
                    formatter.write(f"{indent}# {meaning}\n{indent}{line}\n")


class Group(click.Group):
    """A group whose list of commands is never cut off, and that shows its help where no command is named."""

    command_class = Command

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": True, **settings})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises click.UsageError that names commands like the one that is not there."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            alike = " or ".join(f"'{ctx.command_path} {each}'" for each in get_close_matches(name, known))
            hint = f"did you mean {alike}? " if alike else ""
            message = f"there is no command {name!r}; {hint}'{ctx.command_path} --help' lists all"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)

    def command_lines(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Name and one line of each command."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """All commands with their whole line."""
        with formatter.section("Commands"):
            formatter.write_dl(self.command_lines(ctx))
