"""What files of other formats than JPEG have beside their picture and no result can take over: named only."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ripfdn_cli.pictures.iso_boxes import boxes

CREDENTIALS = "content credentials (C2PA), which are signed for the original only"
GAIN_MAP, DEPTH, VIDEO = "the HDR gain map", "the depth map", "the motion photo's video"
PIXEL_SHAPE = "the shape of its pixels, which aren't square"
COLORIMETRY = "the tags of its colour space (white point, primaries, transfer function)"
TRANSFER_FUNCTION = "the tag of its transfer function, which is for other samples"
SUBJECT = "the place of its subject, which is past what EXIF can say"

_CREDENTIALS_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_LONGEST_HEAD = 80
"""Bytes of a PNG's chunk that are looked at: the longest name of a text, and its end."""
_LONGEST_BEGINNING = 256
"""Bytes of a box that are looked at."""
_OTHER_PARTS = {
    b"caBX": CREDENTIALS,
    b"C2PA": CREDENTIALS,
    b"mpvd": VIDEO,
    b"jhgm": GAIN_MAP,
    b"gmAP": GAIN_MAP,
}


def lost_parts(data: bytes, format_name: str, info: Mapping[Any, Any]) -> tuple[str, ...]:
    """Names of such parts of the file `data`, of which Pillow's `info` tells, too."""
    walk = _WALKS.get(format_name)
    found = [] if walk is None else [_name(kind, content) for kind, content in walk(data)]
    found += [GAIN_MAP if "gainmap" in kind else "" for kind in map(str, info.get("aux", ()))]
    found += [DEPTH] if info.get("depth_images") else []
    found += [PIXEL_SHAPE] if has_oblong_pixels(info) else []
    found += _repeated_text(data) if format_name == "png" else []
    return tuple(dict.fromkeys(name for name in found if name))


def has_oblong_pixels(info: Mapping[Any, Any]) -> bool:
    """Whether a PNG's pHYs or a JPEG's JFIF head, as Pillow's `info` has them, give an aspect ratio in place
    of a resolution.
    """
    aspect = info.get("aspect") or (info.get("jfif_density") if info.get("jfif_unit") == 0 else None)
    return aspect is not None and aspect[0] != aspect[1]


def _repeated_text(data: bytes) -> list[str]:
    """Of several texts of a PNG under one name Pillow reads the last."""
    names = Counter(
        content.partition(b"\0")[0] for kind, content in _chunks(data) if kind in (b"tEXt", b"zTXt", b"iTXt")
    )
    return [
        f"all but the last of the {count} texts named {name.decode('latin-1')}"
        for name, count in names.items()
        if count > 1
    ]


def _name(kind: bytes, content: bytes) -> str:
    if kind == b"uuid" and content.startswith(_CREDENTIALS_BOX):
        return CREDENTIALS
    if kind == b"jumb" and b"c2pa" in content[:64]:
        return CREDENTIALS
    if kind == b"ftyp" and b"tmap" in content:
        return GAIN_MAP
    return _OTHER_PARTS.get(kind, "")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Of a PNG."""
    position = 8
    while position + 12 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + min(size, _LONGEST_HEAD)]
        position += 12 + size


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Of a WebP."""
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        yield data[position : position + 4], b""
        position += 8 + size + size % 2


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The outermost of an ISO media file, with the beginning of their contents."""
    for kind, start, end in boxes(data):
        yield kind, data[start : min(end, start + _LONGEST_BEGINNING)]


_WALKS: dict[str, Callable[[bytes], Iterator[tuple[bytes, bytes]]]] = {
    "png": _chunks,
    "webp": _riff_chunks,
    "avif": _boxes,
    "heic": _boxes,
    "jxl": _boxes,
}
