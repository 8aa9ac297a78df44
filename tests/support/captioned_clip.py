"""A video with closed captions inside its pictures, and what captions a video has."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from support.video_clips import picture
from support.video_facts import decoded


def captions_of(path: Path) -> list[bytes | None]:
    sides: list[Any] = [frame.side_data for frame in decoded(path)]  # whose stubs know a kind only
    return [bytes(side["A53_CC"]) if "A53_CC" in side else None for side in sides]


def captioned(path: Path, frames: int = 7, first: int = 0) -> Path:
    """A stream with a caption (ATSC A/53, part 4) in the SEI of each picture from `first` on, put there by
    hand.
    """
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 48, 32, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 24), {"bf": "0", "preset": "ultrafast"}
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream("h264", width=48, height=32)
        stream.time_base = Fraction(1, 90000)
        for number in (*range(frames), None):
            frame = None
            if number is not None:
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 24)
            for packet in encoder.encode(frame):
                data = bytes(packet)
                slice_start = min(
                    place for kind in (b"\x65", b"\x41") if (place := data.find(b"\0\0\1" + kind)) >= 0
                )
                assert packet.pts is not None
                caption = b"\xb5\x00\x31GA94\x03\xc1\xff\xfc\x94" + bytes([0x2C + packet.pts, 0xFF])
                sei = b"\0\0\0\1\x06\x04" + bytes([len(caption)]) + caption + b"\x80"
                sei = sei if packet.pts >= first else b""
                new = av.Packet(data[:slice_start] + sei + data[slice_start:])
                new.pts, new.dts, new.time_base = packet.pts, packet.dts, Fraction(1, 24)
                new.is_keyframe, new.duration, new.stream = packet.is_keyframe, 1, stream
                container.mux(new)
    return path
