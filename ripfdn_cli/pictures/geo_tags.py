"""Where a picture lies on the earth (OGC GeoTIFF 1.1, and its extension for RPC): tags that count pixels,
corrected for a new size.
"""

import struct
from collections.abc import Callable
from dataclasses import replace

from ripfdn_cli.pictures.exif import HEAD, TagBlock
from ripfdn_cli.pictures.metadata import Metadata

_PIXEL_SCALE, _TIEPOINTS, _TRANSFORMATION, _KEYS = 33550, 33922, 34264, 34735
_RPC, _RPC_COUNT = 50844, 92
_LINE_OFFSET, _SAMPLE_OFFSET, _LINE_SCALE, _SAMPLE_SCALE = 2, 3, 7, 8
"""Rows and columns among the coefficients of a satellite's camera; always of the centres of pixels."""
_DOUBLE, _SHORT = 12, 3
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2

Values = list[float]


def enlarged_place(metadata: Metadata, across: float, down: float) -> Metadata:
    """`metadata` of a picture that is `across` times as wide and `down` times as high as it was: every place
    of the picture stays where it is on the earth. What can't be read stays as it is.
    """
    if metadata.exif is None:
        return metadata
    try:
        block = TagBlock(bytearray(metadata.exif[len(HEAD) :]))
        _correct(block, across, down)
    except (ValueError, struct.error):
        return metadata
    return replace(metadata, exif=HEAD + bytes(block.content))


def _correct(block: TagBlock, across: float, down: float) -> None:
    """Coordinates of pixels are those of corners, or of centres where the keys say so, half a pixel on."""
    centre = 0.5 if _counts_centres(block) else 0.0
    steps = (across, down)

    def scale(values: Values) -> Values:
        return [value / step for value, step in zip(values, (*steps, 1.0), strict=True)]

    def tiepoints(values: Values) -> Values:
        moved = list(values)
        for start in range(0, len(values) - 5, 6):
            for axis, step in enumerate(steps):
                moved[start + axis] = (values[start + axis] + centre) * step - centre
        return moved

    def transformation(values: Values) -> Values:
        moved = list(values)
        for row in range(0, 16, 4):
            for axis, step in enumerate(steps):
                moved[row + axis] = values[row + axis] / step
                moved[row + 3] += values[row + axis] * (centre / step - centre)
        return moved

    def coefficients(values: Values) -> Values:
        if len(values) != _RPC_COUNT:
            return values
        moved = list(values)
        for offset, extent, step in (
            (_LINE_OFFSET, _LINE_SCALE, down),
            (_SAMPLE_OFFSET, _SAMPLE_SCALE, across),
        ):
            moved[offset] = (values[offset] + 0.5) * step - 0.5
            moved[extent] = values[extent] * step
        return moved

    _rewrite(block, _RPC, coefficients)
    _rewrite(block, _PIXEL_SCALE, scale)
    _rewrite(block, _TIEPOINTS, tiepoints)
    _rewrite(block, _TRANSFORMATION, transformation)


def _rewrite(block: TagBlock, tag: int, change: Callable[[Values], Values]) -> None:
    entry = block.first().entries.get(tag)
    if entry is not None and entry.kind == _DOUBLE:
        values = struct.unpack_from(f"{block.order}{entry.count}d", block.content, entry.value)
        packed = struct.pack(f"{block.order}{entry.count}d", *change(list(values)))
        block.content[entry.value : entry.value + len(packed)] = packed


def _counts_centres(block: TagBlock) -> bool:
    entry = block.first().entries.get(_KEYS)
    if entry is None or entry.kind != _SHORT:
        return False
    keys = block.numbers(entry)
    return any(
        keys[at] == _RASTER_TYPE and keys[at + 3] == _PIXEL_IS_POINT for at in range(4, len(keys) - 3, 4)
    )
