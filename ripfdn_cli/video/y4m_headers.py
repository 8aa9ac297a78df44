"""What the first line of YUV4MPEG2 says that PyAV neither tells nor writes: where chroma lies, and the shape
of pixels (yuv4mpeg(5) of MJPEG Tools).
"""

from fractions import Fraction

Y4M = "yuv4mpegpipe"
"""FFmpeg's name of the format."""
LONGEST = 256
"""Bytes of a header, more than FFmpeg takes."""
_CHROMA = {b"420jpeg": "center", b"420mpeg2": "left", b"420paldv": "topleft"}
_WITHOUT_TAG = b"420jpeg"


def stated_chroma(header: bytes) -> str | None:
    """Where the `header` has chroma samples, by the names of `colour.SITINGS`; None where it doesn't say."""
    tags = header.partition(b"\n")[0].split(b" ")[1:]
    return _CHROMA.get(next((tag[1:] for tag in tags if tag.startswith(b"C")), _WITHOUT_TAG))


def completed(header: bytes, aspect: Fraction | None) -> bytes:
    """The `header` that FFmpeg writes where it knows neither, with chroma to the left as results have it, and
    pixels of the shape `aspect`. What follows it stays.
    """
    line, end, rest = header.partition(b"\n")
    line = line.replace(b" C420jpeg", b" C420mpeg2").replace(b" XYSCSS=420JPEG", b" XYSCSS=420MPEG2")
    if aspect is not None:
        line = line.replace(b" A0:0 ", f" A{aspect.numerator}:{aspect.denominator} ".encode())
    return line + end + rest
