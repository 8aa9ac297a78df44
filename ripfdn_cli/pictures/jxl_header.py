"""What a JPEG XL file says of itself before it is decoded; its Pillow plugin decodes at once, and the first
frame only. After ISO/IEC 18181-1 (SizeHeader, ImageMetadata) and 18181-2 (boxes).
"""

from dataclasses import dataclass

from ripfdn_cli.errors import InputError

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_LONGEST_HEADER = 64
"""Bytes, more than the fields that are read here can take."""
_SIDE_BITS = (9, 13, 18, 30)
_USUAL_BITS = (8, 10, 12)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@dataclass(frozen=True)
class JxlHeader:
    """What a JPEG XL header says: the size in pixels, whether frames are animated, and the bits of an integer
    sample; None where samples are floats.
    """

    width: int
    height: int
    animated: bool
    bits: int | None


def read_jxl_header(data: bytes) -> JxlHeader:
    """Of the whole file `data`. Raises InputError where it ends too early or has no codestream."""
    bits = _Bits(_codestream(data))
    width, height = _size(bits)
    animated, sample_bits = _image_metadata(bits)
    return JxlHeader(width, height, animated, sample_bits)


class _Bits:
    """Fields of bits, lowest first."""

    def __init__(self, content: bytes) -> None:
        self._value, self._left = int.from_bytes(content, "little"), 8 * len(content)

    def take(self, count: int) -> int:
        if count > self._left:
            raise InputError("it is cut off, or damaged")
        self._left -= count
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        return value


def _codestream(data: bytes) -> bytes:
    """The beginning of the codestream after its signature, taken out of its boxes where it has some."""
    start = b"".join(_parts(data)) if data.startswith(CONTAINER) else data[:_LONGEST_HEADER]
    if not start.startswith(CODESTREAM):
        raise InputError("it is cut off, or damaged")
    return start[len(CODESTREAM) : _LONGEST_HEADER]


def _parts(data: bytes) -> list[bytes]:
    """The codestream's first bytes in each box that holds a part of it."""
    parts, position = [], 0
    while position + 8 <= len(data):
        size, kind, header = (
            int.from_bytes(data[position : position + 4], "big"),
            data[position + 4 : position + 8],
            8,
        )
        if size == 1:
            size, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        end = len(data) if size == 0 else position + size
        content = data[position + header : min(end, position + header + _LONGEST_HEADER)]
        if kind == b"jxlc":
            return [content]
        if kind == b"jxlp":  # its number comes first
            parts.append(content[4:])
        if end <= position:
            break
        position = end
    return parts


def _size(bits: _Bits) -> tuple[int, int]:
    """Width and height: SizeHeader."""
    eighths = bits.take(1)
    height = _side(bits, eighths)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, eighths), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _side(bits: _Bits, eighths: int) -> int:
    if eighths:
        return 8 * (bits.take(5) + 1)
    return bits.take(_SIDE_BITS[bits.take(2)]) + 1


def _image_metadata(bits: _Bits) -> tuple[bool, int | None]:
    """Whether frames are animated, and the bits of a sample: the beginning of ImageMetadata. Of a file with a
    preview, which nothing writes, or an animation, what follows isn't looked at.
    """
    all_default = bits.take(1)
    if all_default:
        return False, 8
    if bits.take(1):  # extra fields
        bits.take(3)  # orientation
        if bits.take(1):
            _size(bits)  # intrinsic
        has_preview = bits.take(1)
        if has_preview:
            return False, 8
        if bits.take(1):
            return True, 8
    if bits.take(1):  # floats
        return False, None
    choice = bits.take(2)
    return False, _USUAL_BITS[choice] if choice < len(_USUAL_BITS) else 1 + bits.take(6)
