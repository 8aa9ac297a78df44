from pathlib import Path

import click
import pytest

from ripfdn_cli.cli.places import HTML_PAGE, Place
from ripfdn_cli.errors import UsageError
from ripfdn_cli.files.storage import is_remote


def test_paths_and_urls_are_told_apart() -> None:
    path = Place().convert("a/b.png", None, None)
    assert path == Path("a/b.png")
    assert not is_remote(path)
    assert is_remote(Place().convert("memory://bucket/b.png", None, None))
    assert Place().convert(path, None, None) is path


def test_a_store_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="nostore"):
        Place().convert("nostore://bucket/b.png", None, None)


def test_a_page_has_the_suffix_of_one() -> None:
    assert HTML_PAGE.convert("a/b.HTM", None, None) == Path("a/b.HTM")
    for name in ("photo.jpg", "page", "-"):
        with pytest.raises(click.BadParameter, match=r"does not end in \.html"):
            HTML_PAGE.convert(name, None, None)


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(UsageError, match="a name is empty"):
        Place().convert("", None, None)
