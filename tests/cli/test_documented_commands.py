"""Every command line in the README and the docs is one that the command takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "weights" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_END = {"|", ">", "2>", "&&", ";", "&", "…"}


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words after each `ripfdn` or torchrun's `-m ripfdn_cli` in blocks of shell commands."""
    for block in _BLOCK.findall(page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for start, word in enumerate(words):
                if word in ("ripfdn", "ripfdn_cli") and words[start - 1] != "-t":  # a tag of docker
                    rest = words[start + 1 :]
                    yield rest[: next((i for i, each in enumerate(rest) if each in _END), len(rest))]


LINES = [
    pytest.param(words, id=f"{page.stem}: {shlex.join(words)}")
    for page in PAGES
    for words in command_lines(page)
]


def test_there_are_some() -> None:
    assert len(LINES) > 80


@pytest.mark.parametrize("words", LINES)
def test_a_documented_command_is_taken(words: list[str]) -> None:
    """Its options exist, and their values are of the right kind; nothing is run."""
    context = click.Context(cli, obj=Console())
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    if words not in (["--help"], ["--version"]):
        command.make_context(command.name, list(words), parent=context)
