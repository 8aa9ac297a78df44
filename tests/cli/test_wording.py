"""One message for Python and for the command line."""

import ast
import json
import re
from pathlib import Path

import pytest

import ripfdn_cli
from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import run_to_exit_code
from ripfdn_cli.cli.wording import as_options
from ripfdn_cli.errors import UsageError
from ripfdn_cli.model.tile_grid import checked_halo

PACKAGE = Path(ripfdn_cli.__file__).parent
ROOMS = sorted(place.name for place in PACKAGE.iterdir() if place.name not in ("cli", "__pycache__"))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("raise `memory`, or lower `halo`", "raise --memory, or lower --halo"),
        ("try `precision=fp32`", "try --precision fp32"),
        ('try `precision="fp32"`', "try --precision fp32"),
        ("pass `overwrite=True`", "pass --overwrite"),
        ("`deinterlace=False` leaves them", "--no-deinterlace leaves them"),
        ("`long_side` and `max_pixels`", "--long-side and --max-pixels"),
        ("`pixel_format` x", "--pix-fmt x"),
        ("`target` onnx", "--to onnx"),
        ("pass `bad_frames=repeat`", "pass --bad-frames repeat"),
        ("`encoder_options` aq-mode=lots", "--encoder-option aq-mode=lots"),
        ("a `Strange File`.png", "a `Strange File`.png"),
    ],
)
def test_parameters_become_options(message: str, shown: str) -> None:
    assert as_options(message) == shown


def test_errors_and_records_speak_of_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="`halo` -1"):
        checked_halo(-1)
    run_to_exit_code(lambda: checked_halo(-1), Console())
    assert capsys.readouterr().err.startswith("ripfdn: error: --halo -1 is negative")
    console = Console()
    console.configure(quiet=False, verbose=False, json=True)
    console.record({"error": "`halo` -1", "output": "`halo`"})
    assert json.loads(capsys.readouterr().out) == {"error": "--halo -1", "output": "`halo`"}


def strings(path: Path) -> list[tuple[int, str]]:
    """The string literals of a module that are not docstrings, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_the_library_does_not_speak_of_options(room: str) -> None:
    place = PACKAGE / room
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        flags = [(line, text) for line, text in strings(path) if re.search(r"(^|\W)(--[a-z]|-o )", text)]
        assert not flags, path
