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
    """A path, or a URL of a store; with `suffixes` one that ends in one of them, so that no page replaces a
    picture that was meant as an input.
    """

    name = "path"

    def __init__(self, *suffixes: str) -> None:
        self._suffixes = suffixes

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Location:
        """A Path, or for a URL a UPath. Fails for another suffix, and raises what `location` raises."""
        from ripfdn_cli.files.storage import location

        if not isinstance(value, str):
            return value  # type: ignore[return-value]
        place = location(value)
        if self._suffixes and place.suffix.lower() not in self._suffixes:
            self.fail(f"{value} does not end in {self._suffixes[0]}; name a file that does", param, ctx)
        return place


PLACE = Place()
HTML_PAGE = Place(".html", ".htm")
