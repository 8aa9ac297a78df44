"""The cache gives back what was kept, and nothing else."""

import logging
from pathlib import Path

import pytest

from ripfdn_cli.engines import graph_cache

KEY = {"weights": "abc", "precision": "fp32"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path))
    return tmp_path / "graphs"


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_finds_what_was_kept() -> None:
    assert graph_cache.find(KEY) is None
    graph_cache.keep(KEY, b"payload")
    assert graph_cache.find(KEY) == b"payload"
    assert graph_cache.find(KEY | {"precision": "bf16"}) is None


def test_keeps_empty_payloads_and_overwrites() -> None:
    graph_cache.keep(KEY, b"first")
    graph_cache.keep(KEY, b"")
    assert graph_cache.find(KEY) == b""


@pytest.mark.parametrize("size", [0, 1, 8, 40, 60, -1])
def test_a_truncated_file_is_not_trusted(folder: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    graph_cache.keep(KEY, b"payload" * 10)
    path = only_file(folder)
    path.write_bytes(path.read_bytes()[:size])
    assert graph_cache.find(KEY) is None
    assert "damaged" in caplog.text


def test_no_flipped_byte_is_trusted(folder: Path) -> None:
    graph_cache.keep(KEY, b"payload")
    path = only_file(folder)
    content = path.read_bytes()
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        assert graph_cache.find(KEY) is None


def test_a_file_of_another_key_is_not_trusted(folder: Path) -> None:
    """A whole and well-formed file under the name of another: copied, or a collision of names."""
    graph_cache.keep(KEY, b"mine")
    mine = only_file(folder)
    graph_cache.keep(KEY | {"weights": "other"}, b"theirs")
    (theirs,) = set(folder.iterdir()) - {mine}
    mine.write_bytes(theirs.read_bytes())
    assert graph_cache.find(KEY) is None


def test_a_folder_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        graph_cache.keep(KEY, b"payload")
    assert "can't be kept" in caplog.text
    assert graph_cache.find(KEY) is None


def test_the_oldest_go_when_it_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "LARGEST_CACHE", 3500)
    keys = [KEY | {"weights": str(index)} for index in range(5)]
    for age, key in enumerate(keys):
        graph_cache.keep(key, bytes(1000))
        newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        assert graph_cache.find(key) is not None, newest
        _make_older(folder, 10 - age)
    assert [graph_cache.find(key) is not None for key in keys] == [False, False, True, True, True]


def test_the_newest_stays_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "LARGEST_CACHE", 10)
    graph_cache.keep(KEY, bytes(1000))
    assert graph_cache.find(KEY) == bytes(1000)


def _make_older(folder: Path, seconds: int) -> None:
    import os

    for path in folder.iterdir():
        stamp = path.stat().st_mtime - seconds
        os.utime(path, (stamp, stamp))
