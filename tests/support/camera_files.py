"""Photographs as cameras and phones write them, made by code; and a reader of JPEG that shares nothing with
ours.
"""

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

ORIENTATION, WIDTH, HEIGHT, MAKER_NOTE = 0x112, 0xA002, 0xA003, 0x927C


def photo(width: int = 32, height: int = 24, mode: str = "RGB") -> bytes:
    """A JPEG, dark on the left and bright on the right."""
    ramp = np.tile(np.linspace(0, 255, width, dtype=np.uint8), (height, 1))
    stream = io.BytesIO()
    Image.fromarray(ramp).convert(mode).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """`jpeg` that begins with this segment."""
    return jpeg[:2] + segment(marker, content) + jpeg[2:]


def maker_note(maker: str, start: int, order: str = "<") -> bytes:
    """A note to lie at `start` of an EXIF block, with the offsets that cameras of this maker write."""
    byte_order = b"II*\0" if order == "<" else b"MM\0*"
    head = {
        "Canon": b"",
        "Panasonic": b"Panasonic\0\0\0",
        "Olympus": b"OLYMP\0\1\0",
        "Nikon": b"Nikon\0\2\x10\0\0" + byte_order + struct.pack(order + "I", 8),
    }[maker]
    base = -10 if maker == "Nikon" else start  # Nikon's count from the byte order in the note
    values = [b"Firmware Version 1.00\0", b"Owner Name\0\0"]
    place = len(head) + 2 + 12 * len(values) + 4
    directory = struct.pack(order + "H", len(values))
    for tag, value in zip((7, 9), values, strict=True):
        directory += struct.pack(order + "HHII", tag, 2, len(value), base + place)
        place += len(value)
    return head + directory + bytes(4) + b"".join(values)


def camera_exif(maker: str, order: str = "<", *, orientation: int = 6, thumbnail: bytes = b"") -> bytes:
    """An EXIF block, its head included, with a maker note in the middle of it."""
    details_at = 8 + 2 + 12 * 3 + 4 + 12
    note_at = details_at + 2 + 12 * 3 + 4
    note = maker_note(maker, note_at, order)
    thumbnail_directory_at = note_at + len(note)
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 3)
    block += struct.pack(order + "HHII", 0x10F, 2, len(maker) + 1, details_at - 12)
    block += struct.pack(order + "HHIHH", ORIENTATION, 3, 1, orientation, 0)
    block += struct.pack(order + "HHII", 0x8769, 4, 1, details_at)
    block += struct.pack(order + "I", thumbnail_directory_at if thumbnail else 0)
    block += maker.encode().ljust(12, b"\0") + struct.pack(order + "H", 3)
    block += struct.pack(order + "HHII", MAKER_NOTE, 7, len(note), note_at)
    block += struct.pack(order + "HHIHH", WIDTH, 3, 1, 32, 0)
    block += struct.pack(order + "HHII", HEIGHT, 4, 1, 24) + bytes(4) + note
    if thumbnail:
        block += struct.pack(order + "H", 2)
        block += struct.pack(order + "HHII", 0x201, 4, 1, thumbnail_directory_at + 30)
        block += struct.pack(order + "HHII", 0x202, 4, 1, len(thumbnail)) + bytes(4) + thumbnail
    return b"Exif\0\0" + block


def note_strings(block: bytes, note_at: int, maker: str, order: str = "<") -> list[bytes]:
    """What a maker's program reads in the note at `note_at` of a TIFF structure, by the offsets in it."""
    skip = {"Canon": 0, "Panasonic": 12, "Olympus": 8, "Nikon": 18}[maker]
    base = note_at + 10 if maker == "Nikon" else 0
    at = note_at + skip
    found = []
    for entry in range(struct.unpack_from(order + "H", block, at)[0]):
        _, _, count, offset = struct.unpack_from(order + "HHII", block, at + 2 + 12 * entry)
        found.append(block[base + offset : base + offset + count])
    return found


@dataclass(frozen=True)
class ParsedJpeg:
    """`segments` (marker, content, position of the content), and where the picture ends."""

    segments: list[tuple[int, bytes, int]]
    end: int

    def contents(self, marker: int, head: bytes = b"") -> list[bytes]:
        return [found for kind, found, _ in self.segments if kind == marker and found.startswith(head)]


def parse_jpeg(data: bytes, start: int = 0) -> ParsedJpeg:
    """By ITU-T T.81, Annex B, byte by byte."""
    assert data[start : start + 2] == b"\xff\xd8"
    position = start + 2
    segments: list[tuple[int, bytes, int]] = []
    while True:
        assert data[position] == 0xFF
        marker = data[position + 1]
        if marker == 0xD9:
            return ParsedJpeg(segments, position + 2)
        length = struct.unpack_from(">H", data, position + 2)[0]
        segments.append((marker, data[position + 4 : position + 2 + length], position + 4))
        position += 2 + length
        if marker == 0xDA:
            while data[position] != 0xFF or data[position + 1] == 0 or 0xD0 <= data[position + 1] <= 0xD7:
                position += 1


def indexed_pictures(data: bytes) -> list[bytes]:
    """The pictures of a file with several, by its index alone (CIPA DC-007)."""
    ((_, content, position),) = [
        entry for entry in parse_jpeg(data).segments if entry[0] == 0xE2 and entry[1].startswith(b"MPF\0")
    ]
    order = "<" if content[4:6] == b"II" else ">"
    block = content[4:]
    at = struct.unpack_from(order + "I", block, 4)[0]
    for entry in range(struct.unpack_from(order + "H", block, at)[0]):
        tag, _, size, offset = struct.unpack_from(order + "HHII", block, at + 2 + 12 * entry)
        if tag == 0xB002:
            entries = (struct.unpack_from(order + "III", block, offset + 16 * i) for i in range(size // 16))
            places = [(start, size) for _, size, start in entries]
    return [data[start + (position + 4 if start else 0) :][:size] for start, size in places]


def xmp_of(attributes: str, content: str = "") -> bytes:
    """A packet of one description."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"<rdf:Description {attributes}>{content}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
HDRGM = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
GAIN_MAP_XMP = xmp_of(f'{HDRGM} hdrgm:GainMapMax="2.5"')
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(100))


def container_xmp(gain_map: int, video: int) -> bytes:
    """What a phone says of a picture that a gain map and a video of so many bytes follow."""
    google = "http://ns.google.com/photos/1.0"
    attributes = (
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:Camera="{google}/camera/" {HDRGM} '
        f'xmlns:Container="{google}/container/" xmlns:Item="{google}/container/item/" dc:format="image/jpeg" '
        'Camera:MotionPhoto="1" Camera:MotionPhotoPresentationTimestampUs="500000"'
    )
    items = (
        'Item:Semantic="Primary" Item:Mime="image/jpeg" Item:Padding="5"',
        f'Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="{gain_map}"',
        f'Item:Semantic="MotionPhoto" Item:Mime="video/mp4" Item:Length="{video}"',
    )
    listed = "".join(f'<rdf:li rdf:parseType="Resource"><Container:Item {item}/></rdf:li>' for item in items)
    directory = f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>"
    return xmp_of(attributes, directory)


def gain_map(width: int = 16, height: int = 12) -> bytes:
    return with_segment(photo(width, height, "L"), 0xE1, XMP_HEAD + GAIN_MAP_XMP)


def phone_photo(exif: bytes = b"") -> bytes:
    """A photograph of 32×24 px with a gain map of half its size and a video, and XMP that says so."""
    inner = gain_map()
    packet = container_xmp(len(inner), len(VIDEO))
    content = with_segment(photo(), 0xE1, XMP_HEAD + packet)
    if exif:
        content = with_segment(content, 0xE1, exif)
    return content + bytes(5) + inner + VIDEO
