"""The command in this process: its exit code, its records, and what it said."""

import json
import sys
from typing import Any

import pytest

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli, run_to_exit_code

QUICK = ("--engine", "torch", "--device", "cpu", "--threads", "1")
"""Options of the engine that starts fastest."""


NOT_UTF8 = pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are Unicode")


def run_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[dict[str, Any]], str]:
    console = Console()
    status = run_to_exit_code(
        lambda: cli.main(words, prog_name="ripfdn", standalone_mode=False, obj=console), console
    )
    captured = capsys.readouterr()
    records = [json.loads(line) for line in captured.out.splitlines() if line.startswith("{")]
    return status, records, captured.out + captured.err
