import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from PIL import Image
from support.commands import run_command

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import COMMANDS, LazyGroup, Terminated, cli, run_to_exit_code
from ripfdn_cli.errors import (
    CheckpointError,
    InputError,
    InternalError,
    OutOfMemoryError,
    OutputError,
    SomeItemsFailedError,
    UsageError,
)


def ripfdn(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ripfdn_cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InternalError("a"), 1),
        (RuntimeError("a"), 1),
        (UsageError("a"), 2),
        (click.UsageError("a"), 2),
        (SomeItemsFailedError("a"), 3),
        (InputError("a"), 4),
        (CheckpointError("a"), 4),
        (OutputError("a"), 5),
        (OutOfMemoryError("a"), 6),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
    ],
)
def test_every_end_has_its_exit_code_and_one_line(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise error

    assert run_to_exit_code(command, Console()) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ripfdn: error: ")
    assert captured.err.count("\n") == 1


def test_verbose_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise InputError("broken")

    console = Console()
    console.configure(quiet=False, verbose=True, json=False)
    assert run_to_exit_code(command, console) == 4
    assert "Traceback" in capsys.readouterr().err


def test_a_message_of_several_lines_is_told_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise InputError("bad name: 'a\nb'")

    run_to_exit_code(command, Console())
    assert capsys.readouterr().err == "ripfdn: error: bad name: 'a\\nb'\n"


def test_what_click_says_in_several_lines_is_told_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise click.UsageError("Missing argument. Choose from:\n\treleased")

    run_to_exit_code(command, Console())
    assert capsys.readouterr().err == "ripfdn: error: Missing argument. Choose from: released\n"


def test_every_listed_command_exists_with_help() -> None:
    assert isinstance(cli, LazyGroup)
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help


def test_unknown_commands_and_options_are_usage_errors() -> None:
    process = ripfdn("upscal")
    assert process.returncode == 2
    assert "upscal" in process.stderr
    assert ripfdn("--nonsense").returncode == 2


def test_version_is_data_on_stdout() -> None:
    process = ripfdn("--version")
    assert process.returncode == 0
    assert process.stdout.startswith("ripfdn, version ")
    assert process.stderr == ""


def test_options_come_from_the_environment_too(tmp_path: Path) -> None:
    process = ripfdn("weights", "list", RIPFDN_WEIGHTS_LIST_JSON="1")
    assert process.stdout.startswith('{"name"')


def test_quiet_and_verbose_contradict() -> None:
    process = ripfdn("weights", "list", "-q", "-v")
    assert process.returncode == 2
    assert "contradict" in process.stderr


SLEEPER = """
import sys, time
from ripfdn_cli.cli import main as module
import click
@click.command()
def upscale():
    print("ready", flush=True)
    time.sleep(60)
module.COMMANDS["sleep"] = ("__main__", "Sleep.")
sleep = upscale
module.main(["sleep"])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_in_one_line_and_their_code(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, messages = process.communicate(timeout=20)
    assert process.returncode == code
    assert messages.strip().startswith("ripfdn: error: ")  # after a line end for the terminal's ^C
    assert messages.strip().count("\n") == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["weights", "list"], ["weights", "list", "--json"], ["upscale", "-", "-o", "-"]]
)
def test_a_full_disk_behind_stdout_is_an_output_that_cannot_be_written(arguments: list[str]) -> None:
    """Nothing else is said: no traceback, and no complaint of the interpreter as it ends."""
    picture = io.BytesIO()
    Image.new("RGB", (16, 12)).save(picture, "PNG")
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "ripfdn_cli", *arguments],
            input=picture.getvalue(),
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "RIPFDN_UPSCALE_ENGINE": "torch", "RIPFDN_UPSCALE_DEVICE": "cpu"},
        )
    assert result.returncode == 5
    lines = result.stderr.decode().splitlines()
    assert lines[-1].startswith("ripfdn: error: can't write stdout: No space left on device; free some")
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [("<&-", 4, "can't read stdin: it is closed"), (">&-", 5, "can't write stdout: it is closed")],
)
def test_a_pipe_that_is_closed_is_said(redirection: str, code: int, message: str) -> None:
    command = f"{sys.executable} -m ripfdn_cli upscale - -o - {redirection}"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (result.returncode, result.stderr.count("\n")) == (code, 1)
    assert message in result.stderr


@pytest.mark.parametrize(
    "arguments", [["{long}", "-o", "a.png"], ["a.png", "-o", "{long}"], ["a", "-o", "{long}/"]]
)
def test_a_name_that_is_too_long_is_said(arguments: list[str], tmp_path: Path) -> None:
    given = [argument.format(long="n" * 300) for argument in arguments]
    result = ripfdn("upscale", *given)
    assert result.returncode == 2
    assert "nnn: File name too long; choose another name" in result.stderr.replace("nnn/", "nnn")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    result = ripfdn("upscale", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"))
    assert result.returncode == 4
    assert "a.png: it is empty (0 bytes); find a complete copy" in result.stderr


def test_what_the_system_refuses_is_no_internal_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert run_to_exit_code(lambda: (tmp_path / "file" / "folder").mkdir(), Console()) == 5
    message = capsys.readouterr().err
    assert "internal" not in message
    assert str(tmp_path / "file" / "folder") in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["upscal"],
            "there is no command 'upscal'; did you mean 'ripfdn upscale'? 'ripfdn --help'",
        ),
        (["zzz"], "there is no command 'zzz'; 'ripfdn --help' lists all"),
        (["weights", "lst"], "there is no command 'lst'; did you mean 'ripfdn weights list'?"),
        (["upscale"], "Missing argument 'INPUTS...'; see 'ripfdn upscale --help'"),
        (["upscale", "a.png", "-o", "b.png", "--qualty", "3"], "see 'ripfdn upscale --help'"),
        (["export", "x2"], "Got unexpected extra argument (x2); see 'ripfdn export --help'"),
    ],
)
def test_words_that_mean_nothing_are_told_with_the_page_to_look_at(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, said = run_command(arguments, capsys)
    assert status == 2
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["upscale", "", "-o", "out/"], ["upscale", "a.png", "-o", ""], ["train", "", "-o", "run"]]
)
def test_an_empty_name_is_not_the_current_folder(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As "$picture" gives where that is not set: it must not mean all pictures that happen to be here."""
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    status, _, said = run_command(arguments, capsys)
    assert status == 2
    assert "is empty" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_process_without_stderr_does_its_work(tmp_path: Path, bilinear_weights: Path) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png")
    command = (
        f"{sys.executable} -m ripfdn_cli upscale {tmp_path}/a.png -o {tmp_path}/b.png -w {bilinear_weights} "
        "--engine torch --device cpu"
    )
    result = subprocess.run(["sh", "-c", f"{command} 2>&-"], stdout=subprocess.PIPE)
    assert (result.returncode, result.stdout) == (0, b"")
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (64, 48)
    assert subprocess.run(["sh", "-c", f"{command} 2>&-"], stdout=subprocess.PIPE).returncode == 5  # is there


def test_a_current_folder_that_was_deleted_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone} && rmdir {gone} && {sys.executable} -m ripfdn_cli upscale a.png -o b.png"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment)
    assert result.returncode == 2
    assert result.stderr == "ripfdn: error: the current folder has been deleted; change to another one\n"
