"""A clip as y4m, made by code."""

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
from support.sample_pictures import smooth

FRAMES = 6
RATE = Fraction(30000, 1001)


def pictures(width: int = 32, height: int = 24) -> list[np.ndarray[Any, Any]]:
    """Different ones, but that the fourth shows the third once more."""
    moved = [np.ascontiguousarray(np.roll(smooth(height, width), 3 * n, axis=1)) for n in range(FRAMES)]
    moved[3] = moved[2]
    return moved


def y4m(pixel_format: str = "yuv420p", *, full: bool = False, width: int = 32) -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format="yuv4mpegpipe", container_options={"strict": "-1"}) as container:
        video: Any = container.add_stream("rawvideo", rate=RATE)
        video.width, video.height, video.pix_fmt = width, 24, pixel_format
        video.codec_context.color_range = 2 if full else 1
        video.codec_context.time_base = video.time_base = 1 / RATE
        for number, pixels in enumerate(pictures(width)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return stream.getvalue()
