"""What reading every packet of a video told, kept beside its segments for a run that is resumed."""

import io
from fractions import Fraction
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.video.files import Scan, scan
from ripfdn_cli.video.packet_times import Joint
from ripfdn_cli.video.timeline import SourceTimes

_NAME = "scan.npz"


def scan_once(
    path: Path, index: int, folder: Path, *, complete: bool, fields: bool, first_shown: int | None = None
) -> Scan:
    """The scan of `path` (see `video.files.scan`): the one kept in `folder`, where `path` is of the same size
    and age as then.
    """
    return _kept(folder, _stamp(path, index, fields)) or scan(
        path, index, complete=complete, fields=fields, first_shown=first_shown
    )


def keep_scan(path: Path, index: int, folder: Path, *, fields: bool, scanned: Scan) -> None:
    """Keep `scanned` in `folder`. Raises OutputError."""
    times = scanned.times
    stream = io.BytesIO()
    np.savez(
        stream,
        stamp=_stamp(path, index, fields),
        time_base=np.array(times.time_base.as_integer_ratio()),
        rate=np.array([0, 1] if times.nominal_rate is None else times.nominal_rate.as_integer_ratio()),
        pts=times.pts,
        durations=times.durations,
        sha256=np.array(scanned.sha256),
        stamps=np.array([], np.int64) if times.stamps is None else times.stamps,
        copied_bytes=np.array(scanned.copied_bytes),
        lost_frames=np.array(scanned.lost_frames),
        joints=np.array([_joint_row(joint) for joint in scanned.joints], np.int64).reshape(-1, 3),
    )
    write_bytes(folder / _NAME, stream.getvalue())


def _kept(folder: Path, stamp: "np.typing.NDArray[np.int64]") -> Scan | None:
    try:
        content = io.BytesIO((folder / _NAME).read_bytes())
        with np.load(content, allow_pickle=False) as kept:
            if not np.array_equal(kept["stamp"], stamp):
                return None
            base, rate = Fraction(*kept["time_base"].tolist()), Fraction(*kept["rate"].tolist())
            stamps = kept["stamps"] if len(kept["stamps"]) else None
            times = SourceTimes(base, kept["pts"], kept["durations"], rate or None, stamps)
            joints = tuple(Joint(place, Fraction(*seconds)) for place, *seconds in kept["joints"].tolist())
            return Scan(
                times, str(kept["sha256"]), int(kept["copied_bytes"]), joints, int(kept["lost_frames"])
            )
    except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile):
        return None  # none, or half of one


def _joint_row(joint: Joint) -> tuple[int, int, int]:
    return joint.position, *joint.seconds.as_integer_ratio()


def _stamp(path: Path, index: int, fields: bool) -> "np.typing.NDArray[np.int64]":
    status = path.stat()
    return np.array([status.st_size, status.st_mtime_ns, index, fields], np.int64)
