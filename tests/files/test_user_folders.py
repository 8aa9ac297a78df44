import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ripfdn_cli.errors import OutputError
from ripfdn_cli.files import user_folders
from ripfdn_cli.files.user_folders import cache_folder, data_folder

HOMELESS = """
import os, pwd, sys
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
from ripfdn_cli.cli.main import main
main()
"""
"""The command for a user that the system does not know, which a container runs under any number."""


def test_folders_lie_where_the_system_wants_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert cache_folder() == tmp_path / "cache" / "ripfdn"
    assert data_folder() == tmp_path / "data" / "ripfdn"


@pytest.mark.parametrize("older", [False, True])
def test_no_home_is_told(older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> Any:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    if older:  # which has no error for it
        for name in ("user_cache_path", "user_data_path"):
            monkeypatch.setattr(user_folders, name, lambda *names, **options: Path("~/.x/ripfdn"))
    for folder in (cache_folder, data_folder):
        with pytest.raises(OutputError, match="no home folder, as HOME is not set"):
            folder()


def test_a_user_without_a_home_upscales_all_the_same(tmp_path: Path, bilinear_weights: Path) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png")
    unset = ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "RIPFDN_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])

    def ripfdn(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", HOMELESS, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    result = ripfdn("upscale", "a.png", "-o", "b.png", "-w", str(bilinear_weights), "--engine", "openvino")
    assert result.returncode == 0, result.stderr
    assert "can't be kept for the next run: there is no home folder" in result.stderr
    assert "set RIPFDN_CACHE to another folder" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
    result = ripfdn("weights", "import", str(bilinear_weights), "--name", "mine")
    assert result.returncode == 5
    assert "set HOME or XDG_DATA_HOME to a folder" in result.stderr
