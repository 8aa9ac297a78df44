"""Files, folders and URLs on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ripfdn_cli.files.storage import Location


PATH = click.Path(path_type=Path, readable=False)
TEXT_PATH = click.Path(readable=False)
"""Paths, whose reader tells what is wrong with them, and for which of several items."""


class Place(click.ParamType["Location"]):
    """A path, or a URL of a store."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Location:
        """A Path, or for a URL a UPath. Raises what `location` raises."""
        from ripfdn_cli.files.storage import location

        return location(value) if isinstance(value, str) else value  # type: ignore[return-value]
