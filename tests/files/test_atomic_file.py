import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ripfdn_cli.errors import OutputError
from ripfdn_cli.files.atomic_file import TEMPORARY_PREFIX, check_writable, replacing, write_bytes
from ripfdn_cli.files.storage import make_folder


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(TEMPORARY_PREFIX)]


def test_content_appears_whole_and_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with replacing(path) as stream:
        stream.write(b"x" * 100_000)
        assert not path.exists()
    assert path.read_bytes() == b"x" * 100_000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as stream:
            stream.write(b"new")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_bytes() == b"old"
    assert not leftovers(tmp_path)


def test_existing_files_are_kept_without_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"a\.bin exists already"):
        write_bytes(path, b"new", overwrite=False)
    assert path.read_bytes() == b"old"
    assert not leftovers(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_files_are_replaced_and_folders_written_to(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path, kind in ((pipe, "a pipe"), (link, "a pipe"), (tmp_path, "a folder")):
        for write in (check_writable, lambda path: write_bytes(path, b"new")):
            with pytest.raises(OutputError, match=f"can't write {path}: it is {kind}, not a file; choose"):
                write(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    for write in (check_writable, lambda path: write_bytes(path, b"new")):
        with pytest.raises(OutputError, match=f"{pipe} is a pipe, not a folder; choose"):
            write(pipe / "a.png")
    with pytest.raises(OutputError, match=f"{pipe} is a pipe, not a folder; choose"):
        make_folder(pipe)
    assert not leftovers(tmp_path)


def test_a_new_file_is_written_without_overwrite(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.bin", b"new", overwrite=False)
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert not leftovers(tmp_path)


def test_permissions_are_those_of_the_old_file_or_of_open(tmp_path: Path) -> None:
    old, new, opened = tmp_path / "old", tmp_path / "new", tmp_path / "opened"
    old.write_bytes(b"")
    old.chmod(0o640)
    opened.write_bytes(b"")
    write_bytes(old, b"1")
    write_bytes(new, b"1")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(opened.stat().st_mode)


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none/a\.bin: No such file"):
        write_bytes(tmp_path / "none" / "a.bin", b"")


LIMITED = """
import resource, signal, sys
from pathlib import Path
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_bytes(Path(sys.argv[1]), b"n" * 100_000)
except OutputError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(os.name == "nt", reason="RLIMIT_FSIZE is POSIX")
def test_no_room_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    process = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True)
    assert process.returncode == 1
    assert "a.bin: File too large" in process.stderr
    assert path.read_bytes() == b"old"
    assert not leftovers(tmp_path)
