"""Names on the command line that are shown, checked and completed without importing what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
from click.shell_completion import CompletionItem


class Names(click.ParamType[str]):
    """One of the names that `known` gives when they are asked for; or, where it isn't `strict`, any that
    whoever uses it knows. `more` is shown after the names.
    """

    name = "name"

    def __init__(self, known: Callable[[], Sequence[str]], *, strict: bool = True, more: str = "") -> None:
        self._known, self._strict, self._more = known, strict, more

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The names, as help pages show them."""
        return f"[{'|'.join(self._known())}{self._more}]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`value` itself. An unknown name fails where `strict`, with the known ones."""
        text = str(value)
        if self._strict and text not in self._known():
            self.fail(f"{text!r} is not one of {', '.join(self._known())}", param, ctx)
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin with `incomplete`."""
        return [CompletionItem(name) for name in self._known() if name.startswith(incomplete)]


class Weights(click.ParamType[str]):
    """A name from `ripfdn weights list`, or a file."""

    name = "weights"

    def __init__(self, *more: str) -> None:
        self._more = more

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What help pages call it."""
        return "NAME|FILE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`value` as it is: `load_weights` looks it up, and says what is wrong with it."""
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin with `incomplete`; files where there is none."""
        from ripfdn_cli.model.weights_store import list_weights

        names = [name for name in (*self._more, *list_weights()) if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def engines(*more: str) -> Names:
    """Engines by name, and `more` before them."""

    def known() -> tuple[str, ...]:
        from ripfdn_cli.engines.engine_selection import ENGINES

        return (*more, *ENGINES)

    return Names(known)


def precisions(*more: str) -> Names:
    """Precisions by name, and `more` before them."""

    def known() -> tuple[str, ...]:
        from ripfdn_cli.engines.engine import PRECISIONS

        return (*more, *PRECISIONS)

    return Names(known)


def devices(*more: str) -> Names:
    """Devices, and `more` before them. Others (cuda:1) are taken as well: the engine says whether they are
    there.
    """
    return Names(lambda: (*more, "cpu", "cuda", "mps"), strict=False, more="|cuda:N")


def picture_formats() -> Names:
    """Other names of theirs (jpg) are known where they are looked up."""

    def known() -> tuple[str, ...]:
        from ripfdn_cli.pictures.formats import FORMATS

        return tuple(file_format.name for file_format in FORMATS)

    return Names(known, strict=False)
