"""Files as they come out of broken receivers and of `cat`."""

from pathlib import Path

TS_PACKET = 188


def concatenated(path: Path, *parts: Path) -> Path:
    """`parts` byte by byte one after the other, as recordings are joined by `cat`."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def without_transport_packets(source: Path, path: Path, start: float, stop: float) -> Path:
    """The transport stream `source` without its packets between two parts of its length."""
    data = source.read_bytes()
    count = len(data) // TS_PACKET
    path.write_bytes(data[: int(count * start) * TS_PACKET] + data[int(count * stop) * TS_PACKET :])
    return path


def cut_off(source: Path, path: Path, share: float) -> Path:
    """The first `share` of the bytes of `source`."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
