"""What help pages show, on every command there is."""

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.help_pages import Command
from ripfdn_cli.cli.main import COMMANDS, cli
from ripfdn_cli.model.weights_store import list_weights


def commands(group: click.Group = cli, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is no group, with its names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


ALL = dict(commands())
NAMES = [" ".join(path) for path in ALL]


def help_of(name: str) -> str:
    result = CliRunner().invoke(cli, [*name.split(), "--help"], obj=Console())
    assert result.exit_code == 0
    return result.stdout


def completions(*words: str, incomplete: str = "") -> list[str]:
    completer = ShellComplete(cli, {}, "ripfdn", "_RIPFDN_COMPLETE")
    return [item.value for item in completer.get_completions(list(words), incomplete)]


@pytest.mark.parametrize("name", NAMES)
def test_every_page_has_groups_examples_and_every_option(name: str) -> None:
    page, command = help_of(name), ALL[tuple(name.split())]
    assert isinstance(command, Command)
    titles = re.findall(r"^(\S.*):$", page, re.MULTILINE)
    assert titles[-2:] == ["Messages", "Examples"]
    assert len(titles) == len(set(titles))
    assert "Other options" not in titles
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert page.count(f"{parameter.opts[-1]} ") + page.count(f"{parameter.opts[-1]}\n") >= 1
    assert "..." not in page.replace("...\n", "").split("Usage:")[0]
    for line in page[page.index("\nExamples:") :].splitlines():
        assert not re.match(r" +ripfdn ", line) or line.split()[1 : 1 + len(name.split())] == name.split()


@pytest.mark.parametrize("name", NAMES)
def test_every_default_is_shown(name: str) -> None:
    page, context = " ".join(help_of(name).split()), click.Context(ALL[tuple(name.split())])
    for parameter in ALL[tuple(name.split())].params:
        default = parameter.get_default(context)
        if isinstance(parameter, click.Option) and not parameter.is_flag and isinstance(default, str | int):
            start = page.index(f" {parameter.opts[-1]} ")
            assert f"default: {default}" in page[start:], parameter.name


@pytest.mark.parametrize("name", NAMES)
def test_examples_can_be_parsed(name: str) -> None:
    command = ALL[tuple(name.split())]
    assert isinstance(command, Command)
    assert command.examples
    for line, meaning in command.examples:
        assert meaning
        arguments = re.sub(r"^.*?ripfdn(_cli)? ", "", line).split(" > ")[0]
        words = [word.strip("'\"") for word in arguments.split()[len(name.split()) :]]
        command.make_context(name, words)  # raises for options that there aren't


@pytest.mark.parametrize("arguments", [[], ["weights"]])
def test_a_group_alone_shows_its_help_as_help(arguments: list[str]) -> None:
    process = subprocess.run([sys.executable, "-m", "ripfdn_cli", *arguments], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("Usage: ")
    assert "error:" not in process.stderr
    assert process.stderr.count("\n") > 10
    assert (
        process.stderr.split() == help_of(" ".join(arguments)).replace("Usage: cli", "Usage: ripfdn").split()
    )


def test_lines_of_commands_are_not_cut_off() -> None:
    page = " ".join(help_of("weights").split())
    for path, command in ALL.items():
        if path[0] == "weights":
            assert (
                str(command.help).split(".\n")[0].split(". ")[0].rstrip(".").replace("\n", " ").split()[:6]
                == page[page.index(f" {path[1]} ", page.index("Commands:")) :].split()[1:7]
            )
    assert "..." not in page.split("Commands:")[1]


def test_names_are_completed() -> None:
    assert completions("upscale", "--engine") == ["auto", "openvino", "torch"]
    assert completions("eval", "--precision", incomplete="b") == ["bf16"]
    assert set(completions("upscale", "-w")) == {"auto", *list_weights()}
    assert completions("export", "-w", incomplete="x4-") == ["x4-fast", "x4-photo", "x4-sharp"]
    assert "jxl" in completions("upscale", "--format")
    assert completions("weights", "info", incomplete="x2") == ["x2", "x2-fast"]


@pytest.mark.parametrize("name", [name for name in NAMES if "--weights NAME" in help_of(name)])
def test_weights_have_one_letter_everywhere(name: str) -> None:
    assert re.search(r"-w, --weights", help_of(name))


def test_every_command_has_a_page() -> None:
    assert {path[0] for path in ALL} == COMMANDS.keys()


@pytest.mark.parametrize(("path", "command"), ALL.items(), ids=NAMES)
def test_every_option_is_set_by_the_variable_of_its_name(
    path: tuple[str, ...], command: click.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the parameter of the function is called: `--pix-fmt` by RIPFDN_UPSCALE_PIX_FMT."""
    prefix = "_".join(["RIPFDN", *path]).upper()
    context = click.Context(command, auto_envvar_prefix=prefix)
    assert isinstance(command, Command)
    command.name_variables(context)
    for option in command.params:
        if isinstance(option, click.Option):
            name = max(option.opts, key=len).removeprefix("--").replace("-", "_").upper()
            monkeypatch.setenv(f"{prefix}_{name}", "a value")
            assert option.resolve_envvar_value(context) == "a value", name
            monkeypatch.delenv(f"{prefix}_{name}")
