"""What a picture's file says beside its pixels: profile, EXIF, XMP, resolution, text; read, corrected,
written.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo, iTXt

from ripfdn_cli.pictures.formats import Format

log = logging.getLogger(__name__)

_ORIENTATION = int(ExifTags.Base.Orientation)
_WIDTH_TAGS = {int(ExifTags.Base.ImageWidth)}
_HEIGHT_TAGS = {int(ExifTags.Base.ImageLength)}
_EXIF_WIDTH, _EXIF_HEIGHT = 0xA002, 0xA003
_TIFF_XMP, _TIFF_ICC = 700, 34675
_TIFF_STRUCTURE = frozenset(
    (
        *(*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301),
        *(*range(317, 327), *range(330, 348), *range(512, 522), *range(529, 533), 559),
        *(_TIFF_XMP, _TIFF_ICC, 34377, 37724),
    )
)
"""Tags that say how a TIFF lays out its pixels (or repeat what is carried otherwise); never copied."""
_RESOLUTION_TAGS = (282, 283, 296)
_PNG_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_PNG_TEXT_ELSEWHERE = ("XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1")
_COMPRESSED_TEXT = 1024
_HIGHEST_DPI = 65535  # what JPEG can say
_INCHES_IN_A_CENTIMETRE = 1 / 2.54


@dataclass(frozen=True)
class Metadata:
    """`icc_profile`, `exif` (with its "Exif\\0\\0" head), `xmp`, `iptc` (JPEG's APP13) and `comment` are the
    file's own bytes, `dpi` is horizontal and vertical, `text` and `png_colour` are PNG's chunks.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str | iTXt], ...] = ()
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    comment: bytes | None = None
    iptc: tuple[bytes, ...] = ()

    def colour_only(self) -> Self:
        """What the numbers of the pixels mean, and nothing of the picture, its maker or its place."""
        return type(self)(icc_profile=self.icc_profile, png_colour=self.png_colour)

    def lost_in(self, target: Format) -> list[str]:
        """Names of what is here and can't be kept in a file of format `target`."""
        here = [name for name in self.__dataclass_fields__ if getattr(self, name)]
        return [name for name in here if name not in target.metadata or self._too_long(name, target)]

    def without(self, names: Iterable[str]) -> Self:
        return replace(self, **{name: _NOTHING[name] for name in names})

    def _too_long(self, name: str, target: Format) -> bool:
        value = getattr(self, name)
        limit = target.longest_segment
        return limit is not None and name != "icc_profile" and isinstance(value, bytes) and len(value) > limit


NO_METADATA = Metadata()
_NOTHING: dict[str, Any] = {entry.name: entry.default for entry in fields(Metadata)}


def read_metadata(image: Image.Image) -> Metadata:
    """What `image`, decoded, says beside its pixels. Damaged EXIF is left out with a warning."""
    info = image.info
    return Metadata(
        icc_profile=info.get("icc_profile") or None,
        exif=_exif_bytes(image),
        xmp=_as_bytes(info.get("xmp")),
        dpi=_valid_dpi(info.get("dpi")),
        text=_png_text(image),
        comment=_as_bytes(info.get("comment")),
        iptc=tuple(data for name, data in getattr(image, "applist", ()) if name == "APP13"),
    )


def metadata_of_tiff_tags(exif: Image.Exif) -> Metadata:
    """What a TIFF's first directory says beside its pixels; the directory loses its structural tags."""
    icc_profile, xmp = exif.get(_TIFF_ICC), exif.get(_TIFF_XMP)
    dpi = _tiff_dpi(exif)
    for tag in (*_TIFF_STRUCTURE, *_RESOLUTION_TAGS):
        if tag in exif:
            del exif[tag]
    return Metadata(icc_profile=_as_bytes(icc_profile), exif=_serialised(exif), xmp=_as_bytes(xmp), dpi=dpi)


def orientation(image_exif: Image.Exif) -> int:
    """EXIF's orientation, 1 (upright) to 8."""
    value = image_exif.get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def corrected_exif(exif: bytes, width: int, height: int) -> bytes:
    """`exif` for a picture of `width` × `height` px whose pixels stand upright: orientation 1, sizes set
    where they are given, no thumbnail.
    """
    parsed = Image.Exif()
    parsed.load(exif)
    corrections = {
        _ORIENTATION: 1,
        **dict.fromkeys(_WIDTH_TAGS, width),
        **dict.fromkeys(_HEIGHT_TAGS, height),
    }
    parsed.update({tag: value for tag, value in corrections.items() if tag in parsed})
    if ExifTags.IFD.Exif in parsed:  # asked for where it isn't, it would be made
        details = parsed.get_ifd(ExifTags.IFD.Exif)
        sizes = {_EXIF_WIDTH: width, _EXIF_HEIGHT: height}
        details.update({tag: value for tag, value in sizes.items() if tag in details})
    return parsed.tobytes()


def corrected_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """`xmp` with orientation 1 and the sizes of a picture of `width` × `height` px where they are given."""
    corrections = {
        b"tiff:Orientation": 1,
        b"tiff:ImageWidth": width,
        b"tiff:ImageLength": height,
        b"exif:PixelXDimension": width,
        b"exif:PixelYDimension": height,
    }
    for name, value in corrections.items():
        number = str(value).encode()
        xmp = re.sub(name + rb'(\s*=\s*["\'])\d+', name + rb"\g<1>" + number, xmp)
        xmp = re.sub(b"<" + name + rb">\s*\d+", b"<" + name + b">" + number, xmp)
    return xmp


def png_info(metadata: Metadata) -> PngInfo:
    """Text, XMP and colour chunks as Pillow writes them into a PNG."""
    info = PngInfo()
    for kind, data in metadata.png_colour:
        info.add(kind, data)
    for key, value in metadata.text:
        long = len(value) > _COMPRESSED_TEXT
        if isinstance(value, iTXt):
            info.add_itxt(key, value, value.lang or "", value.tkey or "", zip=long)
        else:
            info.add_text(key, value, zip=long)
    if metadata.xmp:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    return info


def png_colour_chunks(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The chunks of the PNG file `data` that say how its numbers become colours, the profile aside."""
    return tuple((kind, content) for kind, content in png_chunks(data) if kind in _PNG_COLOUR_CHUNKS)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of every chunk before the pixels of the PNG file `data`, IHDR first."""
    chunks, position = [], 8
    while position + 12 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if kind == b"IDAT":
            break
        chunks.append((kind, data[position + 8 : position + 8 + size]))
        position += 12 + size
    return chunks


def _exif_bytes(image: Image.Image) -> bytes | None:
    try:
        exif = image.getexif()
        if image.info.get("exif") and not len(exif):
            raise ValueError("nothing in it can be read")
        return _serialised(exif)
    except Exception as error:  # noqa: BLE001 - Pillow raises nearly anything for damaged EXIF
        log.warning("the EXIF block is damaged (%s) and is left out", error)
        return None


def _serialised(exif: Image.Exif) -> bytes | None:
    return exif.tobytes() if len(exif) else None


def _png_text(image: Image.Image) -> tuple[tuple[str, str | iTXt], ...]:
    if image.format != "PNG":
        return ()
    found: dict[str, Any] = getattr(image, "text", {})
    return tuple((key, value) for key, value in found.items() if key not in _PNG_TEXT_ELSEWHERE)


def _as_bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        value = value.encode()
    return bytes(value) if isinstance(value, bytes | tuple | list) and value else None


def _valid_dpi(value: Any) -> tuple[float, float] | None:
    try:
        horizontal, vertical = (float(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    credible = all(0 < value <= _HIGHEST_DPI for value in (horizontal, vertical))
    return (horizontal, vertical) if credible else None


def _tiff_dpi(exif: Image.Exif) -> tuple[float, float] | None:
    horizontal, vertical, unit = (exif.get(tag) for tag in _RESOLUTION_TAGS)
    found = _valid_dpi((horizontal, vertical))
    if found is None or unit == 1:  # an aspect ratio, not a resolution
        return None
    factor = 1 / _INCHES_IN_A_CENTIMETRE if unit == 3 else 1.0
    return found[0] * factor, found[1] * factor
