"""H.265 with metadata that change from scene to scene, put there bit by bit."""

from pathlib import Path

import av
from support.bit_writer import Bits
from support.video_clips import Clip, Tags, make_clip

_SEI = (0x4E, 0x01)  # type 39, before the slices
_DOLBY_VISION = (0x7C, 0x01)  # type 62, unspecified in H.265, after the slices


def hdr10_plus() -> bytes:
    """User data of ITU-T T.35 with the syntax of SMPTE ST 2094-40 (application 4)."""
    bits = Bits().u(8, 0xB5).u(16, 0x003C, 0x0001).u(8, 4, 1).u(2, 1).u(27, 400).u(1, 0)
    bits.u(17, 1000, 1000, 1000, 500).u(4, 0).u(10, 0).u(1, 0, 0, 0).align()
    return Bits().u(8, 4, len(bits.text) // 8, *bits.data()).unit(*_SEI)


def dolby_vision(*, rpu_profile: int, full_range: bool) -> bytes:
    """A reference processing unit: 0 and full range are profile 5, 1 is profile 8 with these values."""
    bits = Bits().u(6, 2).u(11, 18).u(4, rpu_profile, 0).u(1, 1)
    bits.u(1, 0).u(2, 0).ue(23).u(2, 1).u(1, full_range).ue(2, 2, 4).u(1, 0).u(3, 0).u(1, 0, 1)
    bits.u(1, 0, 0).ue(0, 0, 0)
    for _ in range(3):
        bits.ue(0).u(10, 0, 1023)
    bits.ue(0, 0)
    for _ in range(3):
        bits.ue(0, 0).u(1, 0).ue(0).u(23, 0).ue(1).u(23, 0)  # a polynomial that leaves all as it is
    content = bits.align().data()
    return Bits().u(8, 25, *content).u(32, _crc(content)).unit(*_DOLBY_VISION)


def dynamic_clip(path: Path, unit: bytes, *, after: bool, tags: Tags) -> Path:
    """A clip with `unit` before or after the slices of each picture."""
    clip = Clip(frames=6, codec="libx265", width=64, height=64, pixel_format="yuv420p10le", tags=tags)
    plain = make_clip(path.with_name("plain.ts"), clip)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if not packet.size:
                continue
            data = bytes(packet)
            place = len(data) if after else data.rindex(b"\0\0\1")
            new = av.Packet(data[:place] + unit + data[place:])
            new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
            new.is_keyframe, new.stream = packet.is_keyframe, stream
            target.mux(new)
    return path


def _crc(content: bytes) -> int:
    """CRC-32/MPEG-2."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc
