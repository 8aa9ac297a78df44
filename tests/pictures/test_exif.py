import io
import struct
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from support.camera_files import camera_exif, note_strings, parse_jpeg, photo, with_segment

from ripfdn_cli.pictures import tiff_writing
from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.exif import corrected_exif, moved_exif
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.picture import Picture

MAKERS = ["Canon", "Panasonic", "Olympus", "Nikon"]
NOTE_AT = 8 + 42 + 12 + 42
STRINGS = [b"Firmware Version 1.00\0", b"Owner Name\0\0"]


def block_in(content: bytes, name: str) -> bytes:
    """The EXIF block in a file, found without any reader of ours."""
    if name == "jpeg":
        return parse_jpeg(content).contents(0xE1, b"Exif\0\0")[0][6:]
    if name == "png":
        at = content.index(b"eXIf")
        return content[at + 4 : at + 4 + int.from_bytes(content[at - 4 : at], "big")]
    at = content.index(b"EXIF")
    size = int.from_bytes(content[at + 4 : at + 8], "little")
    return content[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_nothing_moves_in_exif_so_that_maker_notes_stay_readable(name: str, maker: str, order: str) -> None:
    exif = camera_exif(maker, order)
    picture = decode(with_segment(photo(), 0xE1, exif), "a")
    written = block_in(encode(picture, Encoding(format_named(name)), "a"), name)
    assert len(written) == len(exif) - 6
    changed = {at // 12 for at in range(len(written)) if written[at] != exif[6 + at]}
    assert len(changed) <= 3  # orientation, and the swapped sides
    assert note_strings(written, NOTE_AT, maker, order) == STRINGS
    parsed = Image.Exif()
    parsed.load(b"Exif\0\0" + written)
    details = parsed.get_ifd(0x8769)
    assert (parsed[0x112], details[0xA002], details[0xA003]) == (1, 24, 32)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("name", ["avif", "heic", "jxl"])
def test_notes_stay_readable_in_formats_whose_plugins_touch_the_orientation(
    name: str, maker: str, order: str
) -> None:
    """The block is found by its maker's name, and the note where it was in it."""
    picture = decode(with_segment(photo(), 0xE1, camera_exif(maker, order)), "a")
    content = encode(picture, Encoding(format_named(name)), "a")
    block = content[content.index((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)) :]
    assert note_strings(block, NOTE_AT, maker, order) == STRINGS
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif().get(0x112, 1) == 1
        assert image.size == (24, 32)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sizes_that_need_four_bytes_get_them(order: str) -> None:
    parsed = Image.Exif()
    parsed.load(corrected_exif(camera_exif("Canon", order), 70_000, 80_000))
    details = parsed.get_ifd(0x8769)
    assert (details[0xA002], details[0xA003]) == (70_000, 80_000)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_is_gone_with_its_bytes(order: str) -> None:
    thumbnail = photo(16, 12)
    exif = camera_exif("Canon", order, thumbnail=thumbnail)
    corrected = corrected_exif(exif, 320, 240)
    assert thumbnail in exif
    assert b"\xff\xd8" not in corrected
    parsed = Image.Exif()
    parsed.load(corrected)
    assert not parsed.get_ifd(1)
    assert note_strings(corrected[6:], NOTE_AT, "Canon", order) == STRINGS


def test_a_thumbnail_said_to_be_where_the_tags_are_takes_none_of_them_along() -> None:
    exif = camera_exif("Canon", thumbnail=b"12345678")
    at = exif.rindex(struct.pack("<HHI", 0x201, 4, 1)) + 8
    overlapping = exif[:at] + struct.pack("<I", 8) + exif[at + 4 :]
    corrected = corrected_exif(overlapping, 320, 240)
    assert note_strings(corrected[6:], NOTE_AT, "Canon") == STRINGS
    parsed = Image.Exif()
    parsed.load(corrected)
    assert parsed[0x10F] == "Canon"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_block_that_moves_takes_its_offsets_along(maker: str, order: str) -> None:
    """To 1000 in a TIFF file: its tags are found there, and what a maker's note points to."""
    moved = bytes(1000) + moved_exif(camera_exif(maker, order), 1000)
    assert note_strings(moved, 1000 + NOTE_AT, maker, order) == STRINGS
    details = struct.unpack_from(order + "I", moved, 1000 + 10 + 24 + 8)[0]
    assert struct.unpack_from(order + "HHII", moved, details + 2)[0] == 0x927C
    assert struct.unpack_from(order + "HHII", moved, details + 2)[3] == 1000 + NOTE_AT


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("maker", MAKERS)
def test_notes_stay_readable_through_a_tiff_and_back(maker: str, order: str) -> None:
    """A TIFF is one block of EXIF with pixels in it: the note is elsewhere, and its offsets follow."""
    picture = decode(with_segment(photo(), 0xE1, camera_exif(maker, order)), "a")
    tiff = encode(picture, Encoding(format_named("tiff")), "a")
    assert tiff[:2] == (b"II" if order == "<" else b"MM")
    assert note_strings(tiff, place_of_note(tiff), maker, order) == STRINGS
    np.testing.assert_array_equal(imagecodecs.tiff_decode(tiff), picture.frames[0])
    back = encode(decode(tiff, "a"), Encoding(format_named("jpeg")), "a")
    block = block_in(back, "jpeg")
    assert block[:2] == tiff[:2]
    assert note_strings(block, place_of_note(block), maker, order) == STRINGS


def test_pages_whose_exif_has_another_byte_order_keep_it() -> None:
    pages = [decode(with_segment(photo(), 0xE1, camera_exif("Canon", order)), "a") for order in "<>"]
    book = replace(
        pages[0],
        frames=(pages[0].frames[0], pages[1].frames[0]),
        later_metadata=(pages[1].metadata,),
    )
    back = decode(encode(book, Encoding(format_named("tiff")), "a"), "a")
    for metadata in back.page_metadata:
        parsed = Image.Exif()
        parsed.load(metadata.exif or b"")
        assert parsed[0x10F] == "Canon"
        assert parsed.get_ifd(0x8769)[0xA003] == 32


NAME = "Jörg Müller".encode()


def named(place: str) -> bytes:
    """Something as long as NAME, to be replaced by it: Pillow writes ASCII alone."""
    return place.encode() * len(NAME)


def with_name(order: str = "<") -> Image.Exif:
    """The artist and a detail are to be NAME (in UTF-8, as most programs write it)."""
    exif = Image.Exif()
    exif.endian = order
    exif[315] = named("x").decode()
    exif.get_ifd(0x8769)[0xA434] = named("y").decode()
    exif.get_ifd(0x8825)[0x1D] = "2026:11:28"
    return exif


def put_in(content: bytes) -> bytes:
    return content.replace(named("x"), NAME).replace(named("y"), NAME)


@pytest.mark.parametrize("source", ["jpeg", "tiff", "avif", "bigtiff"])
@pytest.mark.parametrize("target", ["jpeg", "tiff", "png", "avif", "bigtiff"])
def test_letters_that_are_not_ascii_stay_as_they_are(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encoded(picture: Picture, name: str) -> bytes:
        with monkeypatch.context() as patched:
            if name == "bigtiff":
                patched.setattr(tiff_writing, "_CLASSIC_LIMIT", 0)
            return encode(picture, Encoding(format_named(name.removeprefix("big"))), "a")

    picture = decode(put_in(with_segment(photo(), 0xE1, with_name().tobytes())), "a")
    there = encoded(decode(encoded(picture, source), "a"), target)
    # A TIFF has the artist among its own tags, and that of the block besides.
    assert there.count(NAME) == (3 if target == "tiff" else 2)
    assert there.count(b"2026:11:28\0") == 1


def test_an_avif_that_says_twice_how_it_is_turned_keeps_its_exif() -> None:
    """In a property of its own and in EXIF, which differ: Pillow writes the block anew then."""
    exif, stream = with_name(), io.BytesIO()
    exif[274] = 6  # which Pillow makes a property, and takes out of the block
    Image.new("RGB", (24, 16)).save(stream, "AVIF", exif=exif.tobytes())
    picture = decode(put_in(stream.getvalue()), "a")
    assert picture.frames[0].shape == (24, 16, 3)
    assert (picture.metadata.exif or b"").count(NAME) == 2


def test_a_tag_of_a_type_that_is_not_usual_for_it_keeps_all_of_its_values() -> None:
    """IPTC as LONG, as old Photoshop and ExifTool write it; Pillow takes it for one number."""
    iptc = bytes.fromhex("1c021900036461671c0219000363617400") + bytes(3)
    values = struct.unpack("<5I", iptc)
    stream = io.BytesIO()
    pixels = np.zeros((16, 16, 3), np.uint8)
    tifffile.imwrite(
        stream, pixels, photometric="rgb", extratags=[(33723, 4, 5, values, True)], metadata=None
    )
    back = encode(decode(stream.getvalue(), "a"), Encoding(format_named("tiff")), "a")
    with tifffile.TiffFile(io.BytesIO(back)) as file:
        tag = file.pages.first.tags[33723]
        assert (tag.dtype, tag.count) == (4, 5)
        assert back[tag.valueoffset : tag.valueoffset + 20] == iptc


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_bigtiff_has_the_details_and_the_place(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged by tifffile and Pillow; a classic TIFF made of it says the same again."""
    exif = Image.Exif()
    exif.endian = order
    exif[315] = "an artist"
    exif.get_ifd(0x8769).update({0x9003: "2026:11:28 12:00:00", 0x829A: 0.25, 0x927C: b"a maker's note"})
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 1.5)})
    picture = decode(with_segment(photo(), 0xE1, exif.tobytes()), "a")
    monkeypatch.setattr(tiff_writing, "_CLASSIC_LIMIT", 0)
    big = encode(picture, Encoding(format_named("tiff")), "a")
    with tifffile.TiffFile(io.BytesIO(big)) as file:
        assert file.is_bigtiff
        tags = file.pages.first.tags
        assert tags["Artist"].value == "an artist"
        details, place = tags["ExifTag"].value, tags["GPSTag"].value
    assert (details["DateTimeOriginal"], details["ExposureTime"]) == ("2026:11:28 12:00:00", 0.25)
    assert (place["GPSLatitudeRef"], place["GPSLatitude"]) == ("N", (52, 1, 30, 1, 3, 2))
    monkeypatch.undo()
    parsed = Image.Exif()
    parsed.load(decode(big, "a").metadata.exif or b"")
    assert parsed[315] == "an artist"
    assert parsed.get_ifd(0x8769)[0x927C] == b"a maker's note"
    assert parsed.get_ifd(0x8825)[2] == (52.0, 30.0, 1.5)


def test_directories_that_point_to_themselves_end() -> None:
    """In a TIFF whose EXIF has its own first directory for the details."""
    stream = io.BytesIO()
    pixels = np.zeros((16, 16, 3), np.uint8)
    tags: list[tuple[int | str, int | str, int | None, Any, bool]] = [
        (315, 2, 0, b"an artist", True),
        ("ExifTag", 4, 1, 8, True),
    ]
    tifffile.imwrite(stream, pixels, photometric="rgb", extratags=tags, metadata=None)
    exif = decode(stream.getvalue(), "a").metadata.exif
    assert exif is not None
    assert 1 <= exif.count(b"an artist") <= 3


def place_of_note(block: bytes) -> int:
    """The offset of the maker note of a TIFF structure."""
    order = "<" if block[:2] == b"II" else ">"

    def entries(at: int) -> dict[int, int]:
        count = struct.unpack_from(order + "H", block, at)[0]
        found = (struct.unpack_from(order + "HHII", block, at + 2 + 12 * i) for i in range(count))
        return {tag: value for tag, _, _, value in found}

    first = entries(struct.unpack_from(order + "I", block, 4)[0])
    return entries(first[0x8769])[0x927C]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_blocks_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\0\0\0", b"Exif\0\0nothing of the kind"):
        caplog.clear()
        assert decode(with_segment(photo(), 0xE1, exif), "a").metadata.exif is None
        assert "EXIF block is damaged" in caplog.text


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("cut", range(6, 140, 3))
def test_blocks_that_end_early_stop_nothing(cut: int) -> None:
    content = with_segment(photo(), 0xE1, camera_exif("Canon", orientation=1)[:cut])
    picture = decode(content, "a")
    again = encode(picture, Encoding(format_named("jpeg")), "a")
    assert Image.open(io.BytesIO(again)).size == (32, 24)


def test_exif_in_the_text_of_a_png_is_kept_byte_for_byte() -> None:
    """ImageMagick's way before PNG had a chunk for it."""
    from PIL.PngImagePlugin import PngInfo

    exif = camera_exif("Canon", orientation=1)
    digits = exif.hex()
    lines = [f"\nexif\n{len(exif):8}", *(digits[at : at + 72] for at in range(0, len(digits), 72)), ""]
    info = PngInfo()
    info.add_text("Raw profile type exif", "\n".join(lines), zip=True)
    stream = io.BytesIO()
    Image.new("RGB", (32, 24)).save(stream, "PNG", pnginfo=info)
    assert decode(stream.getvalue(), "a").metadata.exif == exif
