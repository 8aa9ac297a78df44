"""Decoded frames as flat arrays of the samples of their planes, and back: what crosses to a device that
converts colours itself.
"""

from itertools import product
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.video.colour import SITINGS, WEIGHTS, ColourTags, check_alike, lines_of, tag

_SUBSAMPLINGS = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
_DEPTHS = {"": 8, "9le": 9, "10le": 10, "12le": 12, "14le": 14, "16le": 16}
_PLANAR = {
    f"yuv{chroma}p{suffix}": (_DEPTHS[suffix], _SUBSAMPLINGS[chroma])
    for chroma, suffix in product(_SUBSAMPLINGS, _DEPTHS)
} | {f"yuvj{chroma}p": (8, subsampling) for chroma, subsampling in _SUBSAMPLINGS.items()}
_INTERLEAVED = {"nv12": (8, (1, 1), 0), "p010le": (10, (1, 1), 6)}


def yuv_format(name: str, width: int, height: int, tags: ColourTags, chroma: str) -> YuvFormat | None:
    """Frames of FFmpeg's pixel format `name` whose numbers mean what `tags` say, with chroma samples that
    lie where `chroma` says (see `Colour`); None for formats and matrices that devices don't convert.
    """
    if tags.matrix not in WEIGHTS or (name.startswith("yuvj") and not tags.full_range):
        return None
    if name in _INTERLEAVED:
        bits, subsampling, shift = _INTERLEAVED[name]
    elif name in _PLANAR:
        (bits, subsampling), shift = _PLANAR[name], 0
    else:
        return None
    return YuvFormat(
        name=name,
        width=width,
        height=height,
        bits=bits,
        subsampling=subsampling,
        weights=WEIGHTS[tags.matrix],
        full_range=tags.full_range,
        siting=SITINGS[chroma],
        interleaved=name in _INTERLEAVED,
        shift=shift,
    )


class ToSamples:
    """Decoded frames as arrays (K,), uint8 or uint16, of all that their planes hold."""

    def __init__(self, layout: YuvFormat) -> None:
        self._layout = layout

    def __call__(self, frame: av.VideoFrame) -> NDArray[Any]:
        """Raises InputError where `frame` is not of the size and format it should have."""
        layout = self._layout
        check_alike(frame, (layout.width, layout.height, layout.name))
        samples = np.empty(layout.samples, layout.dtype)
        for plane, lines in zip(frame.planes, layout.stored(samples), strict=True):
            lines[:] = lines_of(plane, layout.dtype)[:, : lines.shape[1]]
        return samples


def frame_of(
    samples: NDArray[Any], layout: YuvFormat, tags: ColourTags, carrier: av.VideoFrame | None = None
) -> av.VideoFrame:
    """The frame that `samples` (K,) are of, with the tags, and with what `carrier` has beside its picture
    (captions).
    """
    if carrier is None:
        frame = av.VideoFrame(layout.width, layout.height, layout.name)
    else:  # PyAV copies side data only with a frame
        frame = carrier.reformat(layout.width, layout.height, layout.name, interpolation="POINT")
    for plane, lines in zip(frame.planes, layout.stored(samples), strict=True):
        lines_of(plane, layout.dtype)[:, : lines.shape[1]] = lines
    return tag(frame, tags)
