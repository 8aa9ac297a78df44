"""What a picture's file says beside its pixels: profile, EXIF, XMP, resolution, text; read, corrected,
written.
"""

import logging
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from numpy.typing import DTypeLike
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo, iTXt

from ripfdn_cli.image_math.dihedral import EXIF_TRANSFORMS
from ripfdn_cli.pictures.exif import DETAILS, PLACE, check_exif, exif_of_tiff, with_head
from ripfdn_cli.pictures.formats import Format
from ripfdn_cli.pictures.jpeg_extras import AuxiliaryPicture, is_gain_map, read_extras
from ripfdn_cli.pictures.lost_parts import COLORIMETRY, CREDENTIALS, PIXEL_SHAPE, SUBJECT, TRANSFER_FUNCTION
from ripfdn_cli.pictures.movement import Movement
from ripfdn_cli.pictures.photoshop import current_resources, resources_of_tiff
from ripfdn_cli.pictures.subject_area import moved_subject
from ripfdn_cli.pictures.tiff_colorimetry import COLORIMETRY_TAGS, fits_samples, without_transfer_function
from ripfdn_cli.pictures.xmp_regions import moved_regions

log = logging.getLogger(__name__)

_ORIENTATION = int(ExifTags.Base.Orientation)
_TIFF_XMP, _TIFF_ICC, _TIFF_CREDENTIALS = 700, 34675, 0xCD41
_TIFF_RESOURCES, _TIFF_LAYERS = 34377, 37724
_TIFF_STRUCTURE = frozenset(
    (
        *(*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301),
        *(*range(317, 327), *range(330, 348), *range(512, 522), *range(529, 533), 559),
        *(_TIFF_XMP, _TIFF_ICC, _TIFF_RESOURCES, _TIFF_LAYERS, _TIFF_CREDENTIALS),
    )
)
"""Tags that say how a TIFF lays out its pixels (or repeat what is carried otherwise); never copied."""
_TIFF_PARTS = {_TIFF_CREDENTIALS: CREDENTIALS, _TIFF_LAYERS: "Photoshop's layers"}
_RESOLUTION_TAGS = (282, 283, 296)
_PNG_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
_PNG_HEADER_END = 33
_PNG_HEX_EXIF = ("Raw profile type exif", "Raw profile type APP1")
_PNG_TEXT_ELSEWHERE = ("XML:com.adobe.xmp", *_PNG_HEX_EXIF)
_COMPRESSED_FROM, _COMPRESSED_TO = 1024, 2**20 - 1
"""Bytes: shorter texts gain nothing, and longer ones Pillow, unasked, refuses to decompress."""
_HIGHEST_DPI = 65535  # what JPEG can say
_INCHES_IN_A_CENTIMETRE = 1 / 2.54


@dataclass(frozen=True)
class Metadata:
    """`icc_profile`, `exif` (with its "Exif\\0\\0" head), `xmp`, `iptc` (APP13 of a JPEG) and `comment` are
    the file's own bytes, `dpi` is horizontal and vertical, `text` and `png_colour` are PNG's chunks, or what
    others say in their place, `colorimetry` a TIFF's tags (`tiff_colorimetry`). `extended_xmp`, `auxiliary`
    pictures (HDR gain maps), their `versions` and the `video` of a motion photo are described in
    `jpeg_extras`. `lost` names what no other file can take over.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str | iTXt], ...] = ()
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    comment: bytes | None = None
    iptc: tuple[bytes, ...] = ()
    extended_xmp: bytes | None = None
    auxiliary: tuple[AuxiliaryPicture, ...] = ()
    versions: tuple[bytes, ...] = ()
    video: bytes | None = None
    colorimetry: bytes | None = None
    lost: tuple[str, ...] = ()

    def colour_only(self) -> Self:
        """What the numbers of the pixels mean, and nothing of the picture, its maker or its place."""
        return type(self)(
            icc_profile=self.icc_profile, png_colour=self.png_colour, colorimetry=self.colorimetry
        )

    def lost_in(self, target: Format) -> list[str]:
        """Names of what is here and can't be kept in a file of format `target`."""
        here = [name for name in self.__dataclass_fields__ if name != "lost" and getattr(self, name)]
        return [name for name in here if name not in target.metadata or self._too_long(name, target)]

    def with_comment_for(self, target: Format) -> Self:
        """The comment where `target` has it: in PNG among the text, under the name that the specification
        gives it (11.3.3.2), in others by itself.
        """
        told = [(name, value) for name, value in self.text if name.casefold() == "comment"]
        if self.comment is not None and "text" in target.metadata and not told:
            return replace(self, comment=None, text=(*self.text, ("Comment", _as_text(self.comment))))
        if self.comment is None and "comment" in target.metadata and told:
            others = tuple(entry for entry in self.text if entry not in told)
            comment = "\n".join(value for _, value in told)
            return replace(self, comment=comment.encode(), text=others)
        return self

    def without(self, names: Iterable[str]) -> Self:
        """A copy with the fields `names` emptied."""
        return replace(self, **{name: _NOTHING[name] for name in names})

    def with_colorimetry_for(self, dtype: DTypeLike) -> Self:
        """That of samples of the type `dtype`: without a transfer function that is for others."""
        if self.colorimetry is None or fits_samples(self.colorimetry, dtype):
            return self
        rest = without_transfer_function(self.colorimetry)
        return replace(self, colorimetry=rest, lost=(*self.lost, TRANSFER_FUNCTION))

    def turned(self, turn: int, width: int, height: int) -> Self:
        """That of the picture, stored as `width` × `height` px, with EXIF's orientation `turn` applied."""
        if turn == 1:
            return self
        dpi = self.dpi if self.dpi is None or turn < 5 else (self.dpi[1], self.dpi[0])
        turned = replace(self, dpi=dpi, auxiliary=tuple(entry.turned(turn) for entry in self.auxiliary))
        return turned.moved(Movement(EXIF_TRANSFORMS[turn], (width, height)))

    def moved(self, movement: Movement) -> Self:
        """That of the picture after `movement`, with the places that it tells of where they belong."""
        xmp, extended = (part and moved_regions(part, movement) for part in (self.xmp, self.extended_xmp))
        moved = replace(self, xmp=xmp, extended_xmp=extended)
        if self.exif is None:
            return moved
        exif, is_lost = moved_subject(self.exif, movement)
        return replace(moved, exif=exif, lost=(*self.lost, SUBJECT) if is_lost else self.lost)

    def _too_long(self, name: str, target: Format) -> bool:
        limit = target.longest_segment
        return limit is not None and name in _IN_ONE_SEGMENT and len(getattr(self, name)) > limit

    def with_extras_of(self, jpeg: bytes, width: int, height: int) -> Self:
        """That of the picture in the file `jpeg`, of `width` × `height` px as it is stored."""
        extras = read_extras(jpeg, self.xmp, width, height)
        return replace(self, iptc=current_resources(self.iptc), **vars(extras))


NO_METADATA = Metadata()
_NOTHING: dict[str, Any] = {entry.name: entry.default for entry in fields(Metadata)}
_IN_ONE_SEGMENT = ("exif", "xmp", "comment")
_WORDS = {
    "icc_profile": "the colour profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "extended_xmp": "the rest of XMP",
    "dpi": "the resolution",
    "text": "text",
    "png_colour": "colour chunks",
    "comment": "the comment",
    "iptc": "captions",
    "auxiliary": "the HDR gain map",
    "versions": "the HDR gain map",
    "video": "the motion photo's video",
    "colorimetry": COLORIMETRY,
}


def in_words(names: Iterable[str], metadata: Metadata) -> str:
    """Fields of `metadata` as messages call them."""
    words = _WORDS
    if not any(map(is_gain_map, metadata.auxiliary)):
        words = _WORDS | {"auxiliary": "the pictures beside the main one"}
    return ", ".join(dict.fromkeys(words[name] for name in names))


def read_metadata(image: Image.Image) -> Metadata:
    """What `image`, decoded, says beside its pixels. Damaged EXIF is left out with a warning."""
    info = image.info
    return Metadata(
        icc_profile=info.get("icc_profile") or None,
        exif=_exif_bytes(image),
        xmp=_as_bytes(info.get("xmp")),
        dpi=_valid_dpi(info.get("dpi")),
        text=_png_text(image),
        comment=None if image.format == "PNG" else _as_bytes(info.get("comment")),  # else among the text
        iptc=tuple(data for name, data in getattr(image, "applist", ()) if name == "APP13"),
    )


def metadata_of_tiff_tags(exif: Image.Exif, tiff: bytes, offset: int) -> Metadata:
    """What the directory at `offset` of the file `tiff` says beside its pixels; `exif` has those of its tags
    that are not left out, and loses the structural ones.
    """
    icc_profile, xmp = exif.get(_TIFF_ICC), exif.get(_TIFF_XMP)
    dpi = _tiff_dpi(exif)
    colorimetry = exif_of_tiff(tiff, {*exif} & {*COLORIMETRY_TAGS}, start=offset)
    lost = tuple(words for tag, words in _TIFF_PARTS.items() if tag in exif)
    if _has_oblong_pixels(exif):
        lost = (*lost, PIXEL_SHAPE)
    resources = _as_bytes(exif.get(_TIFF_RESOURCES))
    for tag in (*_TIFF_STRUCTURE, *_RESOLUTION_TAGS):
        if tag in exif:
            del exif[tag]
    return Metadata(
        _as_bytes(icc_profile),
        exif_of_tiff(tiff, {*exif, DETAILS, PLACE}, start=offset),  # which Pillow misses in a BigTIFF
        _as_bytes(xmp),
        dpi,
        iptc=resources_of_tiff(resources or b""),
        colorimetry=colorimetry,
        lost=lost,
    )


def orientation(image_exif: Image.Exif) -> int:
    """EXIF's orientation, 1 (upright) to 8."""
    value = image_exif.get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn_of(image: Image.Image) -> int:
    """The orientation in the EXIF or XMP of `image`; 1 where that is damaged, which `read_metadata` says, and
    of JPEG XL, whose decoder has turned the picture (ISO/IEC 18181-2: EXIF's has no say), unless it gave back
    the JPEG that it was made of. Of AVIF only its own boxes count (ISO/IEC 23000-22), of which Pillow makes
    EXIF.
    """
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1
    try:
        return orientation(_own_exif(image) if image.format == "AVIF" else image.getexif())
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything for damaged EXIF
        return 1


def _own_exif(image: Image.Image) -> Image.Exif:
    """Without the orientation in XMP that Pillow takes where EXIF has none."""
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    return exif


def png_info(metadata: Metadata) -> PngInfo:
    """Text and XMP as Pillow writes them into a PNG."""
    info = PngInfo()
    for key, value in metadata.text:
        long = _COMPRESSED_FROM < len(value.encode()) <= _COMPRESSED_TO
        if isinstance(value, iTXt):
            info.add_itxt(key, value, value.lang or "", value.tkey or "", zip=long)
        else:
            info.add_text(key, value, zip=long)
    if metadata.xmp:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    return info


def with_png_chunks(png: bytes, chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The file `png` with these chunks after its header."""
    written = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return png[:_PNG_HEADER_END] + written + png[_PNG_HEADER_END:]


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
    """The block byte for byte, where the file has it in one; what Pillow read from it elsewhere."""
    try:
        content = _avif_exif(image) or image.info.get("exif") or _exif_in_hex(image)
        if not content:
            return _serialised(image.getexif())
        exif = with_head(content)
        check_exif(exif)
        return exif
    except Exception as error:  # noqa: BLE001 - Pillow raises nearly anything for damaged EXIF
        log.warning("the EXIF block is damaged (%s) and is left out", error)
        return None


def _avif_exif(image: Image.Image) -> bytes | None:
    """As it is in the file: where it disagrees with the picture's own turn, `info` has what Pillow wrote anew
    without letters that aren't ASCII.
    """
    decoder = getattr(image, "_decoder", None)
    if image.format != "AVIF" or decoder is None:
        return None
    exif: bytes | None = decoder.get_info()[4]
    return exif


def _exif_in_hex(image: Image.Image) -> bytes | None:
    """As ImageMagick wrote it into a PNG before that had a chunk for EXIF."""
    text = next((str(image.info[name]) for name in _PNG_HEX_EXIF if name in image.info), None)
    return None if text is None else bytes.fromhex("".join(text.split("\n")[3:]))


def _serialised(exif: Image.Exif) -> bytes | None:
    return exif.tobytes() if len(exif) else None


def _png_text(image: Image.Image) -> tuple[tuple[str, str | iTXt], ...]:
    if image.format != "PNG":
        return ()
    found: dict[str, Any] = getattr(image, "text", {})
    return tuple((key, value) for key, value in found.items() if key not in _PNG_TEXT_ELSEWHERE)


def _as_text(comment: bytes) -> str:
    try:
        text = comment.decode()
    except UnicodeDecodeError:
        text = comment.decode("latin-1")
    return text.replace("\0", "")


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


def _has_oblong_pixels(exif: Image.Exif) -> bool:
    """Whether a TIFF gives an aspect ratio in place of a resolution."""
    horizontal, vertical, unit = (exif.get(tag) for tag in _RESOLUTION_TAGS)
    found = _valid_dpi((horizontal, vertical))
    return unit == 1 and found is not None and found[0] != found[1]
