"""Where EXIF says that a picture's subject is (EXIF 2.32, tags 37396 and 41492), in px of the picture."""

import struct
from collections.abc import Sequence
from math import sqrt

from ripfdn_cli.pictures.exif import DETAILS, HEAD, TagBlock
from ripfdn_cli.pictures.movement import Movement

_TAGS = (0x9214, 0xA214)
"""The area: the centre of a point, of a circle (its diameter follows) or of a rectangle (its sides follow);
and the location, a point.
"""
_HIGHEST = {3: 2**16 - 1, 4: 2**32 - 1}
"""What types of tags can hold."""


def moved_subject(exif: bytes, movement: Movement) -> tuple[bytes, bool]:
    """`exif` of the picture after `movement`, and whether a place was left out: the usual numbers of 16 bits
    don't reach all of a large picture. What can't be read stays as it is.
    """
    lost = False
    try:
        block = TagBlock(bytearray(exif[len(HEAD) :]))
        for tag in _TAGS:
            lost |= not _move(block, tag, movement)
    except (ValueError, struct.error):
        return exif, False
    return HEAD + bytes(block.content), lost


def _move(block: TagBlock, tag: int, movement: Movement) -> bool:
    """Correct a place in `block`, or take it out where its new numbers don't fit; whether it is right now."""
    details = block.further().get(DETAILS)
    entry = None if details is None else details.entries.get(tag)
    if details is None or entry is None or entry.kind not in _HIGHEST or not 2 <= entry.count <= 4:
        return True
    values = moved_place(block.numbers(entry), movement)
    fits = max(values) <= _HIGHEST[entry.kind]
    if fits:
        block.set_numbers(entry, values)
    else:
        block.remove(details, entry)
    return fits


def moved_place(values: Sequence[int], movement: Movement) -> list[int]:
    """A point (x, y), a circle (x, y, diameter) or a rectangle (x, y, width, height; x and y of its centre)
    after `movement`. A point is a pixel, and becomes the one in the middle of what becomes of it.
    """
    across, down = values[:2]
    left, top, *_ = movement.pixels((across + 0.5, down + 0.5, 0, 0))
    sides = values[2:]
    if len(sides) == 1:
        sides = [round(sides[0] * sqrt(movement.growth[0] * movement.growth[1]))]
    elif sides:
        sides = [round(side) for side in movement.pixels((0, 0, sides[0], sides[1]))[2:]]
    return [int(left), int(top), *sides]
