"""GIF files, still and animated, as every reader takes them.

Readers differ where a file leaves something open: a transparent entry past the palette is opaque black to
some, and a frame that is to be cleared is cleared to the background's colour unless the frame has the
background's entry for transparent. So all frames share one transparent entry within their palettes, it is the
background, and frames are cleared only where that shows.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from ripfdn_cli.pictures.picture import Frame, as_rgb, has_alpha
from ripfdn_cli.pictures.pillow_pixels import image_of

log = logging.getLogger(__name__)

GIF_UNIT = 10
"""Milliseconds of the hundredths in which a GIF says how long a frame shows."""
_SHORTEST_DELAY = 2
"""In hundredths of a second: browsers and FFmpeg show frames that say less for ten."""
_OPAQUE_FROM = 128
"""Alpha from which a pixel is kept in a format that knows only all or nothing."""
_KEEP, _CLEAR = 1, 2
_MOST_COLOURS = 256
_LONGEST_BLOCK = 255


def gif_delays(durations: Sequence[float]) -> dict[int, int]:
    """Which of the frames that last `durations` (ms) are shown in a GIF, by number, and each one's delay in
    hundredths of a second.

    No frame that lasts at all shows for less than viewers know. Where that leaves a frame no time before its
    own is over, it is left out; others begin as near to their time as can be.
    """
    starts: dict[int, int] = {}
    end, free = 0.0, 0
    for number, duration in enumerate(durations):
        begin, end = end, end + duration
        if duration and round(end / GIF_UNIT, 6) <= free:
            continue
        starts[number] = max(math.floor(begin / GIF_UNIT + 0.5), free)
        free = starts[number] + (_SHORTEST_DELAY if duration else 0)
    bounds = [*starts.values(), max(math.floor(end / GIF_UNIT + 0.5), free)]
    return {number: after - start for (number, start), after in zip(starts.items(), bounds[1:], strict=True)}


def tell_of_left_out(count: int, frames: int, name: str) -> None:
    """Say that the GIF `name` is without `count` of its `frames`, if it is."""
    if count:
        log.warning(
            "%s: %d of %d frames are left out, as no viewer shows a frame of a GIF for less than 0.02 s",
            *(name, count, frames),
        )


def encode_gif(
    frames: Sequence[Frame],
    *,
    delays: Sequence[int] = (0,),
    plays: int = 1,
    comment: bytes | None = None,
) -> bytes:
    """`frames`, uint8 and of one size, as a GIF: `delays` in hundredths of a second, `plays` in all, 0 for
    ever.

    Pixels are not dithered: in an animation the pattern would crawl.
    """
    shown = [_opaque_mask(frame) for frame in frames]
    has_holes = not all(mask.all() for mask in shown)
    indexed = [_quantized(frame, _MOST_COLOURS - has_holes) for frame in frames]
    transparent = None
    if has_holes:
        transparent = max(_colours(image) for image in indexed)
        indexed = [_with_hole(image, mask, transparent) for image, mask in zip(indexed, shown, strict=True)]
    parts = [_head(indexed[0], transparent, plays, comment)]
    for number, (image, delay, disposal) in enumerate(
        zip(indexed, delays, _disposals(shown, plays), strict=True)
    ):
        options: dict[str, Any] = {"duration": 10 * delay, "disposal": disposal if len(frames) > 1 else 0}
        if transparent is not None:
            options["transparency"] = transparent
        parts += GifImagePlugin.getdata(image, include_color_table=number > 0, **options)
    return b"".join([*parts, b";"])


def _quantized(frame: Frame, colours: int) -> Image.Image:
    """`frame` with a palette of its own, of at most so many `colours`."""
    return image_of(np.ascontiguousarray(as_rgb(frame)[..., :3])).quantize(colours, dither=Image.Dither.NONE)


def _colours(image: Image.Image) -> int:
    return len(image.getpalette() or ()) // 3


def _with_hole(image: Image.Image, shown: NDArray[np.bool_], transparent: int) -> Image.Image:
    """`image` with the entry `transparent` of its palette where nothing is `shown`."""
    image.putpalette((image.getpalette() or []) + [0] * 3 * (transparent + 1 - _colours(image)))
    if not shown.all():
        image.paste(transparent, mask=Image.fromarray(~shown))
    return image


def _head(image: Image.Image, transparent: int | None, plays: int, comment: bytes | None) -> bytes:
    """All that comes before the first frame, `image`, whose palette is the file's."""
    palette = bytes(image.getpalette() or ())
    bits = max(1, (len(palette) // 3 - 1).bit_length())
    sides = b"".join(side.to_bytes(2, "little") for side in image.size)
    head = b"GIF89a" + sides + bytes((0x80 | bits - 1, transparent or 0, 0)) + palette.ljust(3 << bits, b"\0")
    if plays != 1:
        repetitions = max(plays - 1, 0)
        head += b"!\xff\x0bNETSCAPE2.0\x03\x01" + min(repetitions, 65535).to_bytes(2, "little") + b"\0"
    if comment:
        blocks = (comment[at : at + _LONGEST_BLOCK] for at in range(0, len(comment), _LONGEST_BLOCK))
        head += b"!\xfe" + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"
    return head


def _disposals(shown: Sequence[NDArray[np.bool_]], plays: int) -> list[int]:
    """Clear what the next frame would otherwise let show through; of the last one, the first played again."""
    drawn = np.zeros_like(shown[0])
    disposals = []
    for number, mask in enumerate(shown):
        drawn = drawn | mask
        following = shown[(number + 1) % len(shown)]
        is_end = number + 1 == len(shown) and plays == 1
        disposals.append(_CLEAR if (drawn & ~following).any() and not is_end else _KEEP)
        if disposals[-1] == _CLEAR:
            drawn = np.zeros_like(drawn)
    return disposals


def _opaque_mask(frame: Frame) -> NDArray[np.bool_]:
    if not has_alpha(frame):
        return np.ones(frame.shape[:2], np.bool_)
    return np.asarray(frame[..., -1] >= _OPAQUE_FROM)
