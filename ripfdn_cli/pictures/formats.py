"""The picture formats this program reads and writes: an allowlist, with what each of them can hold.

Pillow knows dozens more; a decoder that is not named here never sees a byte of an input.
"""

import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath

from ripfdn_cli.errors import UnavailableError, UsageError
from ripfdn_cli.pictures.jxl_header import CODESTREAM, CONTAINER


@dataclass(frozen=True)
class Format:
    """One format, and what its files can hold.

    `encoder` and `decoders` are Pillow's names, registered by importing `plugin`. `channels`: 1 grey, 2 grey
    and alpha, 3 RGB, 4 RGBA. `samples`: NumPy names. `longest_side` in px. `quality`: the default of its
    lossy encoder, None where it has none. `metadata`: which fields of `Metadata` it keeps.
    `pixels_per_byte`: how far its best compression can go, None where there is no bound. `longest_segment`:
    bytes of EXIF, XMP or a comment, None for no limit (a profile is split where there is one).
    """

    name: str
    encoder: str
    suffixes: tuple[str, ...]
    decoders: tuple[str, ...]
    plugin: str
    channels: tuple[int, ...] = (1, 2, 3, 4)
    samples: tuple[str, ...] = ("uint8",)
    longest_side: int | None = None
    quality: int | None = None
    lossless: bool = True
    animated: bool = False
    metadata: frozenset[str] = frozenset()
    pixels_per_byte: int | None = None
    longest_segment: int | None = None
    extra: str | None = None

    @property
    def title(self) -> str:
        """The format's name as people write it."""
        return {"webp": "WebP", "heic": "HEIC", "jxl": "JPEG XL"}.get(self.name, self.name.upper())

    @property
    def has_transparency(self) -> bool:
        """Whether its files can have an alpha channel."""
        return bool({2, 4} & set(self.channels))


_PHOTO = frozenset({"icc_profile", "exif", "xmp"})

FORMATS = (
    Format(
        "png",
        "PNG",
        (".png", ".apng"),
        ("PNG",),
        "PIL.PngImagePlugin",
        samples=("uint8", "uint16"),
        longest_side=2**31 - 1,
        animated=True,
        metadata=_PHOTO | {"dpi", "text", "png_colour"},
        pixels_per_byte=8 * 1032,  # deflate's limit, 1 bit a pixel
    ),
    Format(
        "jpeg",
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        ("JPEG", "MPO"),
        "PIL.JpegImagePlugin",
        channels=(1, 3),
        longest_side=65500,
        quality=95,
        lossless=False,
        metadata=_PHOTO | {"dpi", "comment", "iptc", "extended_xmp", "auxiliary", "versions", "video"},
        pixels_per_byte=1024,  # two bits a block of 64, and as much again
        longest_segment=65500,
    ),
    Format(
        "webp",
        "WEBP",
        (".webp",),
        ("WEBP",),
        "PIL.WebPImagePlugin",
        channels=(3, 4),
        longest_side=16383,
        quality=90,
        animated=True,
        metadata=_PHOTO,
    ),
    Format(
        "tiff",
        "TIFF",
        (".tif", ".tiff"),
        ("TIFF",),
        "PIL.TiffImagePlugin",
        samples=("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"),
        metadata=_PHOTO | {"dpi", "iptc", "colorimetry"},
    ),
    Format(
        "bmp",
        "BMP",
        (".bmp", ".dib"),
        ("BMP", "DIB"),
        "PIL.BmpImagePlugin",
        channels=(1, 3),
        metadata=frozenset({"dpi"}),
    ),
    Format(
        "avif",
        "AVIF",
        (".avif",),
        ("AVIF",),
        "PIL.AvifImagePlugin",
        channels=(3, 4),
        longest_side=32768,  # what decoders accept by default
        quality=90,
        lossless=False,  # its encoder can't keep RGB exactly
        animated=True,
        metadata=_PHOTO,
    ),
    Format(
        "ppm",
        "PPM",
        (".ppm", ".pgm", ".pbm", ".pnm"),
        ("PPM",),
        "PIL.PpmImagePlugin",
        channels=(1, 3),
        samples=("uint8", "uint16"),
        pixels_per_byte=8,
    ),
    Format(
        "gif",
        "GIF",
        (".gif",),
        ("GIF",),
        "PIL.GifImagePlugin",
        longest_side=65535,
        animated=True,
        metadata=frozenset({"comment"}),
        pixels_per_byte=4096,  # LZW's longest string
    ),
    Format(
        "jxl",
        "JXL",
        (".jxl",),
        ("JXL",),
        "pillow_jxl",
        samples=("uint8", "uint16"),
        quality=90,
        metadata=frozenset({"exif", "xmp"}),  # its plugin takes no profile
        extra="jxl",
    ),
    Format(
        "heic",
        "HEIF",
        (".heic", ".heif", ".hif"),
        ("HEIF",),
        "pillow_heif",
        channels=(3, 4),
        longest_side=16384,
        quality=90,
        lossless=False,
        metadata=_PHOTO,
        extra="heic",
    ),
)
SIGNATURE_SIZE = 256
"""Bytes at the beginning of a file that tell its format."""
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_ANY_CODEC = frozenset((b"mif1", b"msf1"))
DEPTHS = {8: "uint8", 16: "uint16"}
"""NumPy's names of the samples of a depth in bits that can be asked for."""
CORE_FORMATS = tuple(file_format for file_format in FORMATS if file_format.extra is None)
SUFFIXES = tuple(suffix for file_format in FORMATS for suffix in file_format.suffixes)
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
"""Of what cameras record: upscaled with the extra "raw"; never written, nor taken for training and scores."""


def format_named(name: str) -> Format:
    """The format called `name` (or by one of its suffixes, "jpg"). Raises UsageError that lists them."""
    for file_format in FORMATS:
        if name.lower() == file_format.name or f".{name.lower()}" in file_format.suffixes:
            return file_format
    known = ", ".join(file_format.name for file_format in FORMATS)
    raise UsageError(f"{name!r} is not a picture format; choose one of {known}")


def format_of(path: PurePath) -> Format | None:
    """The format that the suffix of `path` names, None where it names none."""
    suffix = path.suffix.lower()
    return next((file_format for file_format in FORMATS if suffix in file_format.suffixes), None)


def format_decoded_by(decoder: str) -> Format:
    """The format whose files Pillow's `decoder` reads."""
    return next(file_format for file_format in FORMATS if decoder in file_format.decoders)


def load_plugin(file_format: Format) -> None:
    """Register a format with Pillow. Raises UnavailableError with the pip line where its extra is missing."""
    try:
        plugin = import_module(file_format.plugin)
    except ImportError as error:
        if file_format.extra is None:
            raise
        raise UnavailableError(
            f"{file_format.title} needs an extra package; "
            f'install it with: pip install "ripfdn-cli[{file_format.extra}]"'
        ) from error
    if file_format.plugin == "pillow_heif":
        plugin.register_heif_opener()


def sniff_extra(head: bytes) -> Format | None:
    """The format of an extra package whose signature is in the first `SIGNATURE_SIZE` bytes of a file."""
    if head.startswith((CODESTREAM, CONTAINER)):
        return format_named("jxl")
    return format_named("heic") if _is_heic(head) else None


def _is_heic(head: bytes) -> bool:
    """By the brands of its first box (ISO/IEC 23008-12, 10, and 14496-12, 4.3): AVIF may have the same main
    one.
    """
    size, kind, brand = int.from_bytes(head[:4], "big"), head[4:8], head[8:12]
    compatible = {head[at : at + 4] for at in range(16, min(size, len(head)) - 3, 4)}
    if kind != b"ftyp":
        return False
    return brand in _HEIC_BRANDS or (brand in _ANY_CODEC and not compatible & _AVIF_BRANDS)


def check_fits(file_format: Format, width: int, height: int) -> None:
    """Raises UsageError where a file of this format can't be `width` × `height` px."""
    limit = file_format.longest_side or math.inf
    if max(width, height) > limit:
        raise UsageError(
            f"the result is {width}×{height} px and {file_format.title} allows at most {limit} px a side; "
            "choose another `format`, or a smaller size"
        )
