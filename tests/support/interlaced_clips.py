"""Clips whose frames hold two moments each, marked as that or not."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

MARKED = {"preset": "ultrafast", "crf": "4", "flags": "+ildct", "x264-params": "tff=1"}


def interlaced(path: Path) -> Path:
    """Ten frames of H.264, marked as interlaced, the top field first."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=MARKED)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in _frames():
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def unmarked(path: Path, order: str) -> Path:
    """The same pictures in a codec that knows nothing of fields: only the file can say which shows first, as
    FFmpeg's `field_order` has it.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=25, options={"field_order": order})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
        for frame in _frames():
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _frames() -> Iterator[av.VideoFrame]:
    """A bar that has moved on between the fields."""
    for number in range(10):
        image = np.full((64, 64, 3), 40, np.uint8)
        image[0::2, 4 * number : 4 * number + 8] = 220
        image[1::2, 4 * number + 2 : 4 * number + 10] = 220
        yield av.VideoFrame.from_ndarray(image, format="rgb24")


def combing(pixels: np.ndarray) -> float:
    """How much neighbouring lines differ more than every other one."""
    lines = pixels[..., 1].astype(float)
    return float(np.abs(np.diff(lines, axis=0)).mean() - np.abs(lines[2:] - lines[:-2]).mean())
