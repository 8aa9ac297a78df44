"""No room for the result: the old file stays, nothing is left behind, the exit code says it."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from support.commands import QUICK
from support.full_disk import files_of_at_most
from support.sample_pictures import smooth

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli
from ripfdn_cli.errors import DiskFullError, OutputError
from ripfdn_cli.pictures.formats import FORMATS, Format
from ripfdn_cli.pipeline.journal import JOURNAL_NAME

CORE = [entry for entry in FORMATS if entry.extra is None]


class Command:
    def __init__(self, folder: Path, weights: Path, suffix: str) -> None:
        self.target = folder / f"b{suffix}"
        Image.fromarray(smooth(32, 32)).save(folder / "a.png")
        options = ["--weights", str(weights), *QUICK, "-q"]
        self.arguments = ["upscale", str(folder / "a.png"), "-o", str(self.target), "--overwrite", *options]

    def run(self) -> BaseException | None:
        return CliRunner().invoke(cli, self.arguments, obj=Console()).exception

    def run_with_room_for(self, size: int) -> None:
        """Fails as it should, within 10 s, and the old target is untouched."""
        before = self.target.read_bytes()
        started = time.monotonic()
        with files_of_at_most(size):
            error = self.run()
        assert time.monotonic() - started < 10
        assert isinstance(error, OutputError)
        assert error.exit_code == 5
        assert os.strerror(errno.EFBIG) in str(error)
        assert self.target.read_bytes() == before
        assert sorted(path.name for path in self.target.parent.iterdir()) == ["a.png", self.target.name]


def written_once(folder: Path, weights: dict[int, Path], entry: Format) -> tuple[Command, int]:
    """A command whose result takes so many bytes, with another file in the result's place."""
    command = Command(folder, weights[4], entry.suffixes[0])
    assert command.run() is None
    needed = command.target.stat().st_size
    command.target.write_bytes(b"what was there")
    return command, needed


@pytest.mark.parametrize("entry", CORE, ids=lambda entry: entry.name)
def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, enlarging_weights: dict[int, Path], entry: Format
) -> None:
    command, needed = written_once(tmp_path, enlarging_weights, entry)
    for size in (0, needed - 1):
        command.run_with_room_for(size)
    with files_of_at_most(needed):
        assert command.run() is None
    assert command.target.stat().st_size == needed


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("entry", CORE, ids=lambda entry: entry.name)
def test_twenty_sizes_of_a_full_disk(
    tmp_path: Path, enlarging_weights: dict[int, Path], entry: Format
) -> None:
    command, needed = written_once(tmp_path, enlarging_weights, entry)
    for step in range(20):
        command.run_with_room_for(needed * step // 20)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_batch_on_a_full_disk_ends_and_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, enlarging_weights: dict[int, Path]
) -> None:
    source, out = tmp_path / "in", small_disk / "out"
    source.mkdir()
    for number in range(12):
        Image.fromarray(smooth(24, 40)).save(source / f"{number:02d}.bmp")  # 46 kB each when enlarged
    options = ["--weights", str(enlarging_weights[4]), "--device", "cpu", "--threads", "1", "-q"]
    command = [sys.executable, "-m", "ripfdn_cli", "upscale", str(source), "-o", str(out), *options]
    started = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == DiskFullError.exit_code == 5
    assert os.strerror(errno.ENOSPC) in ended.stderr
    assert time.monotonic() - started < 30
    left = {path.name: path.read_bytes() for path in out.glob("[!.]*")}
    assert 1 <= len(left) < 12
    assert len(set(left.values())) == 1
    assert sorted(path.name for path in out.glob(".*")) == [JOURNAL_NAME]
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    assert subprocess.run(command, check=False).returncode == 0
    assert {path.read_bytes() for path in out.glob("[!.]*")} == set(left.values())
    assert len(list(out.glob("[!.]*"))) == 12


def test_no_room_for_the_networks_temporary_file(
    tmp_path: Path, enlarging_weights: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "a.png"
    Image.fromarray(smooth(16, 16)).save(source)
    network = ("--weights", str(enlarging_weights[4]), "--engine", "openvino", "--precision", "fp32")
    arguments = ["upscale", str(source), "-o", str(tmp_path / "b.png"), *network]
    with files_of_at_most(2000):
        error = CliRunner().invoke(cli, arguments, obj=Console()).exception
    assert isinstance(error, DiskFullError)
    assert "TMPDIR" in str(error)
    assert not (tmp_path / "b.png").exists()
