"""A kept scan is used for the very file it was made of, and for nothing else."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.video_clips import Clip, make_clip

from ripfdn_cli.video.files import scan
from ripfdn_cli.video_jobs import scan_cache
from ripfdn_cli.video_jobs.scan_cache import keep_scan, scan_once


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mkv"
    make_clip(path, Clip(frames=5))
    return path


def times_of(path: Path, folder: Path) -> list[int]:
    found: list[int] = scan_once(path, 0, folder, complete=True, fields=False).times.pts.tolist()
    return found


def no_scan(*_: object, **__: object) -> None:
    raise AssertionError("the file was read again")


def test_what_was_kept_is_what_was_scanned(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = scan(clip, 0, complete=True, fields=False)
    keep_scan(clip, 0, tmp_path, fields=False, scanned=fresh)
    monkeypatch.setattr(scan_cache, "scan", no_scan)
    kept = scan_once(clip, 0, tmp_path, complete=True, fields=False)
    np.testing.assert_array_equal(kept.times.pts, fresh.times.pts)
    np.testing.assert_array_equal(kept.times.durations, fresh.times.durations)
    assert kept.times.time_base == fresh.times.time_base
    assert kept.times.nominal_rate == fresh.times.nominal_rate
    assert (kept.sha256, kept.copied_bytes, kept.lost_frames, kept.joints) == (
        *(fresh.sha256, fresh.copied_bytes, fresh.lost_frames, fresh.joints),
    )


def test_a_changed_file_is_scanned_again(clip: Path, tmp_path: Path) -> None:
    keep_scan(clip, 0, tmp_path, fields=False, scanned=scan(clip, 0, complete=True, fields=False))
    make_clip(clip, Clip(frames=7))
    assert len(times_of(clip, tmp_path)) == 7
    keep_scan(clip, 0, tmp_path, fields=False, scanned=scan(clip, 0, complete=True, fields=False))
    make_clip(clip, Clip(frames=4))
    os.utime(clip, ns=(0, 0))
    assert len(times_of(clip, tmp_path)) == 4


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half of an archive", b"\x93NUMPY"])
def test_half_of_a_kept_scan_is_none(clip: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scan.npz").write_bytes(content)
    assert len(times_of(clip, tmp_path)) == 5
