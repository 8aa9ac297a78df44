from typing import Any

import click
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from ripfdn_cli.cli.choices import Names, Weights, devices, engines, picture_formats


def command_with(kind: Any) -> click.Command:
    @click.command()
    @click.option("--name", type=kind)
    def command(name: str) -> None:
        click.echo(name)

    return command


def completions(kind: Any, incomplete: str) -> list[tuple[str, str]]:
    """As a shell asks for them."""
    found = ShellComplete(command_with(kind), {}, "x", "_X").get_completions(["--name"], incomplete)
    return [(item.value, item.type) for item in found]


def test_names_are_asked_for_only_when_they_are_needed() -> None:
    asked: list[int] = []

    def known() -> list[str]:
        asked.append(1)
        return ["one", "two"]

    command = command_with(Names(known))
    assert not asked
    assert CliRunner().invoke(command, ["--name", "two"]).output == "two\n"
    assert asked


def test_unknown_names_fail_only_where_names_are_strict() -> None:
    result = CliRunner().invoke(command_with(engines("auto")), ["--name", "abacus"])
    assert result.exit_code == 2
    assert "'abacus' is not one of auto, openvino, torch" in result.output
    assert CliRunner().invoke(command_with(devices("auto")), ["--name", "cuda:1"]).output == "cuda:1\n"
    assert CliRunner().invoke(command_with(picture_formats()), ["--name", "jpg"]).output == "jpg\n"


def test_help_shows_the_names() -> None:
    assert (
        "[auto|cpu|cuda|mps|cuda:N]" in CliRunner().invoke(command_with(devices("auto")), ["--help"]).output
    )


def test_shells_complete_names_and_files() -> None:
    assert completions(devices(), "c") == [("cpu", "plain"), ("cuda", "plain")]
    assert ("x4", "plain") in completions(Weights("auto"), "x")
    assert completions(Weights("auto"), "au") == [("auto", "plain")]
    assert completions(Weights("auto"), "./w") == [("./w", "file")]
