"""How many frames a damaged file has lost: what never arrived leaves no packet that could fail to decode."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.video.timeline import SourceTimes

_SYNC = 0x47
_NO_CLOCK_PID = 0x1FFF  # null packets, which count nothing
_PACKETS_AT_ONCE = 1 << 16
_PACKET_SIZES = ((188, 0), (192, 4), (204, 0))
"""Of transport streams: plain, with Blu-ray's time before each, with error correction after each."""
_REGULAR = 0.9
"""The share of frames that are equally far apart, from which on a gap is taken for lost frames."""
_FLV_HEADER, _FLV_TAG = 9, 11
_SLOPPY = Fraction(1, 4)
"""Seconds by which headers of whole files exceed what is there."""
_PROMISING = ("matroska", "flv", "asf")
"""Demuxers whose duration is what the header says of all streams, and not found out from what is there."""
_AVI_UNSTATED = (0, 0xFFFFFFFF)
"""Sizes of RIFF chunks that nobody went back to fill in."""


def lost_frames(
    path: Path,
    demuxer: str,
    times: SourceTimes,
    breaks: Collection[int] = (),
    *,
    end: Fraction,
    promised_end: Fraction | None,
    promised_frames: int = 0,
) -> int:
    """About how many frames the file `path` should have besides those at `times`, 0 where it is whole.

    `breaks`: timestamps before which a gap is no loss. `end`: when the last of all streams ends;
    `promised_end`: what the header says of that, in seconds; `promised_frames`: how many it says the picture
    has. Counted are the gaps in a constant rate, where the file's structure is broken, and what lies between
    the last frame and the promised end; in AVI, whose frames are numbered, those that a file that is cut off
    should go on to.
    """
    names = set(demuxer.split(","))
    if "avi" in names:
        # A gap is empty chunks there, which repeat the frame before; and sound may go on after the picture.
        return max(0, promised_frames - int(times.pts[-1]) - 1) if avi_is_cut_off(path) else 0
    if len(times.pts) < 2:
        return 0
    if promised_end is not None and names & set(_PROMISING) and _falls_short(promised_end - end, times):
        picture_end = int(times.pts[-1] + times.durations[-1]) * times.time_base
        return _gaps(times, breaks) + int(
            (promised_end - picture_end) / times.time_base / Fraction(_step(times))
        )
    gaps = _gaps(times, breaks)
    broken = next((check for name, check in _STRUCTURES.items() if name in names), None)
    return gaps if gaps and broken is not None and broken(path) else 0


def _step(times: SourceTimes) -> float:
    return float(np.median(np.diff(times.pts)))


def _gaps(times: SourceTimes, breaks: Collection[int]) -> int:
    """Frames that would fill the gaps of times that are otherwise equally far apart."""
    steps, usual = np.diff(times.pts), _step(times)
    if usual <= 0 or np.mean(np.abs(steps - usual) <= max(1.0, usual / 4)) < _REGULAR:
        return 0
    lost = (np.round(steps / usual).astype(np.int64) - 1).clip(0)
    return int(lost[~np.isin(times.pts[1:], list(breaks))].sum())


def _falls_short(missing: Fraction, times: SourceTimes) -> bool:
    """The seconds that all streams are shorter than promised are more than what headers are off by."""
    return missing > _SLOPPY and missing / times.time_base >= 2 * Fraction(_step(times))


def transport_stream_is_broken(path: Path) -> bool:
    """Bytes lie between the packets of the MPEG transport stream `path`, or packets of a stream are missing
    (ITU-T H.222.0, 2.4.3.3: continuity_counter).
    """
    with path.open("rb") as stream:
        layout = _packet_layout(stream.read(4096))
        if layout is None:
            return True
        size, lead = layout
        stream.seek(0)
        counters: dict[int, int] = {}
        while data := stream.read(size * _PACKETS_AT_ONCE):
            whole = len(data) // size
            packets = np.frombuffer(data, np.uint8, whole * size).reshape(whole, size)[:, lead:]
            if (packets[:, 0] != _SYNC).any() or _skips(packets, counters):
                return True
    return False


def _packet_layout(head: bytes) -> tuple[int, int] | None:
    for size, lead in _PACKET_SIZES:
        if len(head) > lead + 2 * size and all(head[lead + place * size] == _SYNC for place in range(3)):
            return size, lead
    return None


def _skips(packets: NDArray[np.uint8], counters: dict[int, int]) -> bool:
    """A packet's counter doesn't go on from that of the one before of the same stream, in `counters`."""
    pids = (packets[:, 1].astype(np.int64) & 0x1F) << 8 | packets[:, 2]
    with_payload = (packets[:, 3] & 0x10) != 0
    # A packet may say itself that its counter starts anew (discontinuity_indicator).
    anew = ((packets[:, 3] & 0x20) != 0) & (packets[:, 4] > 0) & ((packets[:, 5] & 0x80) != 0)
    for pid in np.unique(pids):
        if pid == _NO_CLOCK_PID:
            continue
        chosen = np.flatnonzero((pids == pid) & with_payload)
        if not len(chosen):
            continue
        values = (packets[chosen, 3] & 0x0F).astype(np.int64)
        before = np.concatenate([[counters.get(int(pid), values[0])], values[:-1]])
        steps = (values - before) % 16  # 0 is a packet that was sent twice
        if ((steps > 1) & ~anew[chosen]).any():
            return True
        counters[int(pid)] = int(values[-1])
    return False


def flv_is_broken(path: Path) -> bool:
    """A tag of the FLV file `path` doesn't end where it says (Adobe's FLV 10.1 specification, annex E)."""
    with path.open("rb") as stream:
        stream.seek(_FLV_HEADER + 4)
        while header := stream.read(_FLV_TAG):
            size = int.from_bytes(header[1:4], "big")
            stream.seek(size, 1)
            if stream.read(4) != (size + _FLV_TAG).to_bytes(4, "big"):
                return True
    return False


def avi_is_cut_off(path: Path) -> bool | None:
    """The AVI file `path` is shorter than its chunks say (RIFF; large files have several); None where they
    don't say, as in files that were written to a pipe or never finished, whose counts aren't true either.
    """
    size, end = path.stat().st_size, 0
    with path.open("rb") as stream:
        while (header := stream.read(8))[:4] == b"RIFF" and len(header) == 8:
            length = int.from_bytes(header[4:], "little")
            if length in _AVI_UNSTATED:
                return None
            end += len(header) + length
            stream.seek(end := end + end % 2)
    return end - 1 > size if end else None


def short_sound(ends: Mapping[int, tuple[Fraction, Fraction]]) -> list[int]:
    """The streams that end earlier than their headers say, by more than those are off by; `ends`: when each
    ends, in seconds, and when it should.
    """
    return [index for index, (have, want) in ends.items() if want - have > _SLOPPY]


_STRUCTURES: dict[str, Callable[[Path], bool]] = {
    "mpegts": transport_stream_is_broken,
    "flv": flv_is_broken,
}
