"""Small pictures made by code, in every kind of array and file that the tests of pictures need."""

import io
import struct
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from ripfdn_cli.pictures.picture import as_samples


def smooth(height: int, width: int, channels: int = 3, samples: str = "uint8") -> NDArray[Any]:
    """(`height`, `width`, `channels`): waves that lossy formats keep well; alpha, if any, is a ramp."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [0.5 + 0.4 * np.sin(rows / (4 + c)) * np.cos(columns / (6 - c)) for c in range(channels)]
    if channels in (2, 4):
        waves[-1] = np.clip(columns / max(width - 1, 1) * 1.2 - 0.1, 0, 1)
    return as_samples(np.stack(waves, axis=-1).astype(np.float32), samples)


def saved(image: Image.Image, encoder: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, encoder, **options)
    return stream.getvalue()


def exif_block(orientation: int = 1, width: int = 40, height: int = 30) -> bytes:
    """EXIF as a camera writes it: make, orientation, sizes, exposure, place, a maker's note."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = orientation
    exif[0x013B] = "Artist"
    details = exif.get_ifd(0x8769)
    details[0x829A] = IFDRational(1, 125)
    details[0xA002] = width
    details[0xA003] = height
    details[0x927C] = bytes(range(200))
    place = exif.get_ifd(0x8825)
    place[1] = "N"
    place[2] = (52.0, 31.0, 12.25)
    return exif.tobytes()


def xmp_packet(orientation: int = 1, width: int = 40, height: int = 30) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
        f'tiff:Orientation="{orientation}" exif:PixelXDimension="{width}">'
        f"<exif:PixelYDimension>{height}</exif:PixelYDimension><dc:title>Käse</dc:title>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


@lru_cache(maxsize=1)  # it bears the time at which it was made
def profile() -> bytes:
    """sRGB's profile; each call gives the same bytes."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An RGB profile in which red and green have changed places."""
    return profile().replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")


def shown_in_srgb(image: Image.Image, icc_profile: bytes) -> NDArray[np.uint8]:
    """`image`, in RGB, as LittleCMS shows it by its profile."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    target: ImageCms.ImageCmsProfile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return np.asarray(ImageCms.profileToProfile(image, source, target, outputMode="RGB"))


def cmyk_profile() -> bytes:
    """A CMYK profile (ICC.1:2001-04) that makes cyan red, and all else as dark as there is black."""
    colours = np.zeros((2, 2, 2, 2, 3), np.uint8)  # C, M, Y, K → L*, a*, b*
    colours[..., 0, :] = (255, 128, 128)
    colours[..., 1, :] = (0, 128, 128)
    colours[1, 0, 0, 0] = (136, 208, 195)  # L* 53, a* 80, b* 67: sRGB's red
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel())
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + colours.tobytes() + ramp * 3
    description = b"desc" + struct.pack(">4xI", 5) + b"test\0" + bytes(78)
    white = b"XYZ " + struct.pack(">4x3i", 63190, 65536, 54061)
    tags = {b"desc": description, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": white, b"A2B0": table}
    return _profile(b"prtr", b"CMYK", b"Lab ", tags)


def _profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    index, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        index += name + struct.pack(">2I", offset + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"none", 0x02400000, device, space, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def grey_profile(gamma: float = 1.0) -> bytes:
    """A profile for grey (ICC.1:2001-04): light is the number to the power of `gamma`."""
    white = struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061)
    curve = struct.pack(">4s4xIH2x", b"curv", 1, round(256 * gamma))
    description = b"desc" + struct.pack(">4xI", 5) + b"grey\0" + bytes(78)
    tags = {b"desc": description, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": white, b"kTRC": curve}
    return _profile(b"mntr", b"GRAY", b"XYZ ", tags)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header says so and that holds one row of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10))
        + chunk(b"IEND", b"")
    )


def box(kind: bytes, content: bytes) -> bytes:
    """A box of an ISO media file."""
    return struct.pack(">I4s", 8 + len(content), kind) + content
