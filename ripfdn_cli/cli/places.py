"""Files, folders and URLs on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ripfdn_cli.files.storage import Location


class Place(click.ParamType["Location"]):
    """A path, or a URL of a store."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Location:
        from ripfdn_cli.files.storage import location

        return location(value) if isinstance(value, str) else value  # type: ignore[return-value]


def check_new_files(paths: Sequence[Location], overwrite: bool) -> None:
    """Raise OutputError now rather than after minutes of work."""
    from ripfdn_cli.errors import OutputError
    from ripfdn_cli.files.storage import is_remote, stamp_of

    for path in paths:
        if not overwrite and stamp_of(path) is not None:
            raise OutputError(f"{path} exists already; choose another name, or pass --overwrite")
        if not is_remote(path) and not path.parent.is_dir():
            raise OutputError(f"can't write {path}: there is no folder {path.parent}; make it first")
