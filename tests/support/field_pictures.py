"""H.264 with one field in each picture, which no encoder of FFmpeg writes: made bit by bit."""

from collections.abc import Container
from fractions import Fraction
from pathlib import Path

import av
from support.bit_writer import Bits

MACROBLOCKS = 4
TICK = Fraction(1, 90000)
FIELD_TICKS = 1800  # 50 fields a second


def parameter_sets() -> bytes:
    """64×32 px, Main profile, fields allowed (frame_mbs_only_flag 0), shown in coding order."""
    sequence = Bits().u(8, 77, 0, 30).ue(0, 0, 2, 1).u(1, 0).ue(MACROBLOCKS - 1, 0).u(1, 0, 0, 1, 0, 0)
    picture = Bits().ue(0, 0).u(1, 0, 0).ue(0, 0, 0).u(1, 0).u(2, 0).ue(0, 0, 0).u(1, 1, 0, 0)
    return sequence.unit(0x67) + picture.unit(0x68)


def field_picture(number: int, bottom: bool, luma: int) -> bytes:
    """A field of macroblocks of plain samples (I_PCM), each dark on the left and bright on the right."""
    header = Bits().ue(0, 7, 0).u(4, 0).u(1, 1, bottom)
    header = header.u(1, 0) if bottom else header.ue(number % 2).u(1, 0, 0)
    field = header.ue(0, 1)
    for _ in range(MACROBLOCKS):
        field.ue(25).align().u(8, *([luma] * 8 + [luma + 60] * 8) * 16, *[100] * 64, *[140] * 64)
    return field.unit(0x41 if bottom else 0x65)


def field_clip(
    path: Path, *, frames: int = 6, own_packets: bool = True, damaged: Container[int] = ()
) -> Path:
    """Frame n has fields of luma 40 + 10n and 50 + 10n; `own_packets` gives each field a timestamp, else both
    lie in one packet. Those of frames `damaged` hold nothing that can be decoded.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream("h264", width=64, height=32)
        stream.time_base = TICK
        for number in range(frames):
            first, second = (
                field_picture(number, bottom, 40 + 10 * (number + bottom)) for bottom in (False, True)
            )
            fields = [parameter_sets() + first, second]
            if number in damaged:
                fields = [field[:-1500] for field in fields]
            for place, data in enumerate(fields if own_packets else [b"".join(fields)]):
                packet = av.Packet(data)
                packet.pts = packet.dts = (2 * number + place) * FIELD_TICKS
                packet.duration = FIELD_TICKS if own_packets else 2 * FIELD_TICKS
                packet.time_base, packet.stream = TICK, stream
                packet.is_keyframe = place == 0
                container.mux(packet)
    return path
