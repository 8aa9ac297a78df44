"""Photoshop's image resources (APP13 of a JPEG): captions, resolution, paths and others; without those that
show or measure the picture as it was (Adobe Photoshop File Formats Specification, "Image Resources").
"""

from collections.abc import Iterator, Sequence

from ripfdn_cli.pictures.jpeg_segments import LONGEST_SEGMENT

_HEAD = b"Photoshop 3.0\0"
_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
_STALE = frozenset((0x0409, 0x040C, 0x0408, 0x041A, 0x0422, 0x0423, 0x0424))
"""Two kinds of thumbnail; guides and slices, which are in px; copies of EXIF and XMP."""


def current_resources(segments: Sequence[bytes]) -> tuple[bytes, ...]:
    """The contents of APP13 `segments` without resources that are no longer true of an enlarged picture.

    A resource may go on in the next segment. What comes after a damaged one is left out.
    """
    others = tuple(content for content in segments if not content.startswith(_HEAD))
    resources = b"".join(content[len(_HEAD) :] for content in segments if content.startswith(_HEAD))
    kept = b"".join(content for number, content in _resources(resources) if number not in _STALE)
    room = LONGEST_SEGMENT - len(_HEAD)
    return others + tuple(_HEAD + kept[start : start + room] for start in range(0, len(kept), room))


def resources_of_tiff(content: bytes) -> tuple[bytes, ...]:
    """Those of a TIFF's tag, as `current_resources` gives them."""
    return current_resources([_HEAD + content]) if content else ()


def resources_for_tiff(segments: Sequence[bytes]) -> bytes:
    """Contents of APP13 `segments` as a TIFF has them in its tag."""
    return b"".join(content[len(_HEAD) :] for content in segments if content.startswith(_HEAD))


def _resources(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The number of each resource, and all of its bytes."""
    position = 0
    while position + 12 <= len(content) and content[position : position + 4] in _SIGNATURES:
        number = int.from_bytes(content[position + 4 : position + 6], "big")
        name = content[position + 6]
        at = position + 6 + (1 + name + 1) // 2 * 2  # the name and its length, padded to an even number
        size = int.from_bytes(content[at : at + 4], "big")
        end = at + 4 + size
        if end > len(content):
            return
        yield number, content[position:end] + bytes(size % 2)
        position = end + size % 2
