"""The `ripfdn` command: finds subcommands lazily, so that `--help` imports no torch, and turns errors into
exit codes.
"""

import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from ripfdn_cli import __version__
from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.help_pages import SETTINGS, Group
from ripfdn_cli.errors import OutputError, RipfdnError

COMMANDS = {
    "bench": ("ripfdn_cli.cli.bench", "Measure the speed of each engine on this machine."),
    "compare": ("ripfdn_cli.cli.compare", "Compare the results of several networks by eye, on one page."),
    "eval": ("ripfdn_cli.cli.eval", "Score and time weights on data sets."),
    "export": ("ripfdn_cli.cli.export", "Write the network as ONNX, OpenVINO, TorchScript or ncnn."),
    "prepare": ("ripfdn_cli.cli.prepare", "Cut photographs into tiles to train on."),
    "train": ("ripfdn_cli.cli.train", "Train the network on folders of pictures."),
    "upscale": ("ripfdn_cli.cli.upscale", "Upscale pictures and videos."),
    "weights": ("ripfdn_cli.cli.weights", "List, inspect, mix, fetch, import and export weights."),
}
"""Name → the module with a click command of that name, and its line in the help."""

_UNWRITABLE = {
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS") if hasattr(errno, name)
}
"""What the system says where an output, most often stdout, can't be written."""
_UNUSABLE = {errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES}
"""What the system says of a name that can't even be looked at."""
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception: like KeyboardInterrupt, it must reach the top."""


class LazyGroup(Group):
    """A group whose subcommands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def command_lines(self, ctx: click.Context) -> list[tuple[str, str]]:
        """From the table, so that listing imports nothing."""
        return [(name, COMMANDS[name][1]) for name in self.list_commands(ctx)]


@click.group(cls=LazyGroup, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="ripfdn")
def cli() -> None:
    """Upscale pictures and videos with RIPFDN, a super-resolution network for machines without a GPU.

    \b
      ripfdn upscale in.png -o out.png    # four times as large
      ripfdn upscale --help               # sizes, formats, video, more examples

    Every option can also be set in the environment: RIPFDN_UPSCALE_DEVICE=cpu sets 'upscale --device'.

    Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 some of several items failed, 4 unreadable input,
    5 output can't be written, 6 out of memory, 130 interrupted, 143 terminated.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the `ripfdn` command; always exits."""
    _open_closed_streams()
    console = Console()
    signal.signal(signal.SIGTERM, _raise_terminated)
    status = run_to_exit_code(
        lambda: cli.main(arguments, prog_name="ripfdn", standalone_mode=False, obj=console), console
    )
    if os.environ.get("WORLD_SIZE", "1") != "1":
        _leave_at_once(status)
    sys.exit(status)


def _leave_at_once(status: int) -> NoReturn:
    """End a rank of torchrun without the destructors that run at a process's end: those of gloo's threads
    abort it now and then ("terminate called without an active exception", 1 run of 60 with torch 2.13), and
    torchrun takes a run that is finished for one that failed.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or never there
            stream.flush()
    os._exit(status)


def _open_closed_streams() -> None:
    """A process may be started with its streams closed (2>&-): no file of ours may become one of them, and
    messages have to go somewhere.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor is this one
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - open until the process ends


def run_to_exit_code(command: Callable[[], Any], console: Console) -> int:
    """Run `command`; tell its error on stderr in one line, and give the exit code that says how it ended."""
    try:
        result = command()
        if sys.stdout is not None:
            sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        console.fail("interrupted")
        return EXIT_INTERRUPTED
    except Terminated:
        console.fail("terminated")
        return EXIT_TERMINATED
    except RipfdnError as error:
        return _failed(console, str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)  # the help page, in its own lines
        return error.exit_code
    except click.ClickException as error:
        return _failed(console, _in_one_line(error), 2)
    except BrokenPipeError:
        _silence_stdout()  # whoever read it has gone
        return 1
    except OSError as error:
        if error.errno in _UNUSABLE and error.filename is not None:
            reason = f"{error.filename}: {error.strerror}; choose another name, or check its permissions"
            return _failed(console, reason, 2)
        if _is_current_folder_gone():
            return _failed(console, "the current folder has been deleted; change to another one", 2)
        if error.errno not in _UNWRITABLE:
            return _failed_by_system(console, error)
        from ripfdn_cli.files.atomic_file import output_error

        _silence_stdout()
        failure = output_error(Path(error.filename or "stdout"), error)
        return _failed(console, str(failure), failure.exit_code)
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, and a traceback with -v
        return _internal(console, error)
    return result if isinstance(result, int) else 0


def _in_one_line(error: click.ClickException) -> str:
    """What click says, and where the page is that tells what should have been written."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    unknown = isinstance(error, click.MissingParameter | click.NoSuchOption)
    if context is not None and (unknown or message.startswith("Got unexpected extra argument")):
        return f"{message.rstrip('.')}; see '{context.command_path} --help'"
    return message


def _is_current_folder_gone() -> bool:
    try:
        return not Path.cwd().is_dir()
    except OSError:
        return True


def _silence_stdout() -> None:
    """The interpreter's own flush at exit would fail as the one before it has."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _internal(console: Console, error: Exception) -> int:
    return _failed(
        console,
        f"internal error (please report it), {type(error).__name__}: {error}; -v shows the traceback",
        1,
    )


def _failed(console: Console, message: str, status: int) -> int:
    if console.verbose:
        traceback.print_exc()
    console.fail(message)
    return status


def _failed_by_system(console: Console, error: OSError) -> int:
    """What the system refused of a file, and nobody has told better, is not an internal error."""
    if error.filename is None:
        return _internal(console, error)
    reason = f"can't use {error.filename}: {error.strerror}; check the folder's space and permissions"
    return _failed(console, reason, OutputError.exit_code)


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated
