"""Which packets of VP9 show a frame, by the first bits of their frames."""

from ripfdn_cli.video.pyav_versions import AnyPacket

_SUPERFRAME_MARKER = 0b110
_RESERVED_PROFILE = 3


def shows_a_frame(packet: AnyPacket) -> bool:
    """Whether a frame comes out of `packet`: some muxers put those that are only referred to into packets of
    their own (VP9 bitstream specification, 6.2 uncompressed_header and annex B superframes).
    """
    data = memoryview(packet)
    return any(_is_shown(data[start : start + 2]) for start in _frame_starts(data))


def _frame_starts(data: memoryview) -> list[int]:
    """Where the frames of a packet begin: several make a superframe, whose index is at its end."""
    last = data[-1]
    if last >> 5 != _SUPERFRAME_MARKER:
        return [0]
    width, count = ((last >> 3) & 3) + 1, (last & 7) + 1
    index = data[-(2 + width * count) :]
    if len(index) < 2 + width * count or index[0] != last:
        return [0]
    starts, place = [], 0
    for number in range(count):
        starts.append(place)
        place += int.from_bytes(index[1 + number * width : 1 + (number + 1) * width], "little")
    return [start for start in starts if start < len(data)]


def _is_shown(head: memoryview) -> bool:
    """`head`: a frame's first bytes: 2 bits of marker, the profile's low and high bit (a reserved one after
    profile 3), show_existing_frame, frame_type, show_frame.
    """
    bits = int.from_bytes(bytes(head).ljust(2, b"\0"), "big")
    profile = (bits >> 13) & 1 | ((bits >> 12) & 1) << 1
    place = 10 if profile == _RESERVED_PROFILE else 11
    shows_existing, shown = (bits >> place) & 1, (bits >> (place - 2)) & 1
    return bool(shows_existing or shown)
