"""The cache gives back what was kept, and nothing else."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from ripfdn_cli.files.sealed_cache import SealedCache

CACHE = SealedCache(name="graphs", suffix=".graph", what="the converted network", limit=3500)
KEY = {"weights": "abc", "precision": "fp32"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path))
    return tmp_path / "graphs"


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_finds_what_was_kept() -> None:
    assert CACHE.find(KEY) is None
    CACHE.keep(KEY, b"payload")
    assert CACHE.find(KEY) == b"payload"
    assert CACHE.find(KEY | {"precision": "bf16"}) is None


def test_keeps_empty_payloads_and_overwrites() -> None:
    CACHE.keep(KEY, b"first")
    CACHE.keep(KEY, b"")
    assert CACHE.find(KEY) == b""


@pytest.mark.parametrize("size", [0, 1, 8, 40, 60, -1])
def test_a_truncated_file_is_not_trusted(folder: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    CACHE.keep(KEY, b"payload" * 10)
    path = only_file(folder)
    path.write_bytes(path.read_bytes()[:size])
    assert CACHE.find(KEY) is None
    assert "damaged" in caplog.text


def test_no_flipped_byte_is_trusted(folder: Path) -> None:
    CACHE.keep(KEY, b"payload")
    path = only_file(folder)
    content = path.read_bytes()
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        assert CACHE.find(KEY) is None


def test_a_file_of_another_key_is_not_trusted(folder: Path) -> None:
    """A whole and well-formed file under the name of another: copied, or a collision of names."""
    CACHE.keep(KEY, b"mine")
    mine = only_file(folder)
    CACHE.keep(KEY | {"weights": "other"}, b"theirs")
    (theirs,) = set(folder.iterdir()) - {mine}
    mine.write_bytes(theirs.read_bytes())
    assert CACHE.find(KEY) is None


def test_a_folder_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert not CACHE.keep(KEY, b"payload")
        assert not CACHE.keep(KEY | {"more": "1"}, b"payload")
    (message,) = caplog.messages
    assert "can't be kept" in message
    assert "RIPFDN_CACHE" in message
    assert CACHE.find(KEY) is None


def test_the_oldest_go_when_it_is_full(folder: Path) -> None:
    keys = [KEY | {"weights": str(index)} for index in range(5)]
    for age, key in enumerate(keys):
        CACHE.keep(key, bytes(1000))
        newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        assert CACHE.find(key) is not None, newest
        _make_older(folder, 10 - age)
    assert [CACHE.find(key) is not None for key in keys] == [False, False, True, True, True]


def test_the_old_stay_where_nobody_looks_for_them(folder: Path) -> None:
    small = replace(CACHE, limit=1500)
    keys = [KEY | {"weights": str(index)} for index in range(3)]
    for key in keys:
        small.keep(key, bytes(1000), trim=False)
    assert all(small.find(key) for key in keys)
    small.keep(KEY, bytes(1000))
    assert len(list(folder.iterdir())) == 1


def test_the_newest_stays_however_large() -> None:
    small = replace(CACHE, limit=10)
    assert small.keep(KEY, bytes(1000))
    assert small.find(KEY) == bytes(1000)


def _make_older(folder: Path, seconds: int) -> None:
    import os

    for path in folder.iterdir():
        stamp = path.stat().st_mtime - seconds
        os.utime(path, (stamp, stamp))
