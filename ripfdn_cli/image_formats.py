"""The picture formats this program reads and writes: an allowlist, with what each of them can hold.

Pillow knows dozens more; a decoder that is not named here never sees a byte of an input.
"""

from dataclasses import dataclass
from pathlib import PurePath

from ripfdn_cli.errors import UsageError


@dataclass(frozen=True)
class Format:
    """`decoders`: what Pillow calls the contents that files of this format may have."""

    name: str
    encoder: str
    suffixes: tuple[str, ...]
    decoders: tuple[str, ...]


FORMATS = (
    Format("png", "PNG", (".png", ".apng"), ("PNG",)),
    Format("jpeg", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), ("JPEG", "MPO")),
    Format("webp", "WEBP", (".webp",), ("WEBP",)),
    Format("tiff", "TIFF", (".tif", ".tiff"), ("TIFF",)),
    Format("bmp", "BMP", (".bmp", ".dib"), ("BMP", "DIB")),
)
DECODERS = tuple(decoder for entry in FORMATS for decoder in entry.decoders)


def format_of(path: PurePath) -> Format:
    """The format that the suffix of `path` names. Raises UsageError that lists those there are."""
    for entry in FORMATS:
        if path.suffix.lower() in entry.suffixes:
            return entry
    known = " ".join(suffix for entry in FORMATS for suffix in entry.suffixes)
    raise UsageError(f"{path}: {path.suffix or 'no suffix'} names no picture format; use one of {known}")
