import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli, run_to_exit_code


def prepare(*arguments: str | Path) -> int:
    console = Console()
    command = ["prepare", *map(str, arguments)]
    return run_to_exit_code(
        lambda: cli.main(command, prog_name="ripfdn", standalone_mode=False, obj=console), console
    )


def test_a_folder_becomes_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(photos / "a.png")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(photos / "flat.png")
    command = (photos, "-o", tmp_path / "set", "--tile", "128", "--overlap", "32")
    assert prepare(*command) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        f"4 tiles of 1 pictures in {tmp_path / 'set'}",
        f"left out: 4 flat; all are listed in {tmp_path / 'set' / 'left-out.txt'}",
    ]
    assert len(list((tmp_path / "set").glob("a-*.png"))) == 4
    assert prepare(*command, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["tiles"], values["pictures"], values["left_out"]["flat"]) == (4, 1, 4)


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(tmp_path / "nowhere", "-o", tmp_path / "set") == 4
    assert "is not a folder" in capsys.readouterr().err
    assert prepare(tmp_path, "-o", tmp_path.parent / "set", "--overlap", "480") == 2
    assert "--overlap 480 must be less than --tile 480" in capsys.readouterr().err


def test_a_set_without_tiles_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or a script would go on to train on nothing."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (200, 200)).save(tmp_path / "photos" / "flat.png")
    assert prepare(tmp_path / "photos", "-o", tmp_path / "set", "-q") == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        f"{tmp_path / 'set'} has no tiles to train on; {tmp_path / 'set' / 'left-out.txt'} says"
        in captured.err
    )
