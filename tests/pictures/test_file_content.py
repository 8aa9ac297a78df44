"""Files are read where they are files."""

import os
from pathlib import Path

import pytest

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.decoding import read_picture


def test_pipes_devices_and_folders_are_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="is a pipe, not a file; read it through stdin, which is called -"):
        read_picture(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="is a device, not a file"):
        read_picture(Path("/dev/zero"))
    with pytest.raises(InputError, match=r"folder|directory"):
        read_picture(tmp_path)
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(InputError, match="symbolic links"):
        read_picture(tmp_path / "loop.png")
    with pytest.raises(InputError, match="No such file"):
        read_picture(tmp_path / "none.png")
