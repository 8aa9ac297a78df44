from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from ripfdn_cli.cli.option_groups import option_group, option_names
from ripfdn_cli.errors import UsageError

OPTIONS = (click.option("--width", type=int), click.option("--keep-all", "everything", is_flag=True))


def command(make: Callable[..., object]) -> click.Command:
    @click.command()
    @option_group("size", make, OPTIONS)
    @click.option("--other")
    def upscale(size: object, other: str) -> None:
        click.echo(f"{size} {other}")

    return upscale


def test_options_have_the_names_that_click_gives_them() -> None:
    assert sorted(option_names(OPTIONS)) == ["everything", "width"]


def test_a_command_gets_what_is_made_of_the_options_and_its_own_beside() -> None:
    result = CliRunner().invoke(command(lambda **own: sorted(own.items())), ["--width", "5", "--other", "x"])
    assert result.output == "[('everything', False), ('width', 5)] x\n"


def test_what_making_raises_is_the_commands_error() -> None:
    def refuse(**own: object) -> None:
        raise UsageError("no such size")

    result = CliRunner().invoke(command(refuse), [])
    assert isinstance(result.exception, UsageError)
    with pytest.raises(UsageError, match="no such size"):
        CliRunner().invoke(command(refuse), [], catch_exceptions=False)
