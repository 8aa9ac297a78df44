import hashlib
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PIL.MpoImagePlugin import MpoImageFile
from support.camera_files import (
    GAIN_MAP_XMP,
    VIDEO,
    XMP_HEAD,
    camera_exif,
    indexed_pictures,
    parse_jpeg,
    phone_photo,
    photo,
    with_segment,
    xmp_of,
)

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.picture import Picture

VERSION = b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"


def enlarged(content: bytes, name: str = "jpeg", times: int = 2) -> bytes:
    picture = decode(content, "a.jpg")
    frames = tuple(frame.repeat(times, axis=0).repeat(times, axis=1) for frame in picture.frames)
    entry = format_named(name)
    return encode(Picture(frames, entry, picture.metadata), Encoding(entry), "a.jpg")


def packet(content: bytes) -> str:
    (xmp,) = parse_jpeg(content).contents(0xE1, XMP_HEAD)
    return xmp[len(XMP_HEAD) :].decode()


def length_of(xmp: str, semantic: str) -> int:
    found = re.search(rf'Item:Semantic="{semantic}"[^>]*Item:Length="(\d+)"', xmp)
    assert found is not None
    return int(found[1])


def test_a_gain_map_is_enlarged_and_found_by_index_and_by_xmp() -> None:
    content = enlarged(phone_photo())
    main, inner = indexed_pictures(content)
    end = parse_jpeg(content).end
    xmp = packet(content)
    assert content[:end] == main
    assert content[end : end + length_of(xmp, "GainMap")] == inner
    assert 'Item:Padding="0"' in xmp
    with Image.open(io.BytesIO(inner)) as image:
        assert (image.mode, image.size) == ("L", (32, 24))
        ramp = np.asarray(image).mean(axis=0)
    assert ramp[0] < 12
    assert ramp[-1] > 243
    assert GAIN_MAP_XMP in parse_jpeg(inner).contents(0xE1, XMP_HEAD)[0]


def test_the_video_of_a_motion_photo_stays_at_the_end() -> None:
    content = enlarged(phone_photo())
    assert content.endswith(VIDEO)
    xmp = packet(content)
    assert length_of(xmp, "MotionPhoto") == len(VIDEO)
    assert 'Camera:MotionPhoto="1"' in xmp
    main, inner = indexed_pictures(content)
    assert len(content) == len(main) + len(inner) + len(VIDEO)


def test_a_gain_map_turns_with_its_picture() -> None:
    """Orientation 6: what is stored on the left stands at the top."""
    content = enlarged(phone_photo(camera_exif("Canon", orientation=6)))
    main, inner = indexed_pictures(content)
    for part, size in ((main, (48, 64)), (inner, (24, 32))):
        with Image.open(io.BytesIO(part)) as image:
            assert image.size == size
            column = np.asarray(image.convert("L")).mean(axis=1)
        assert column[0] < 12
        assert column[-1] > 243


@pytest.mark.parametrize("name", ["png", "webp", "tiff", "avif"])
def test_elsewhere_gain_map_and_video_are_said_to_be_lost_and_not_claimed(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        content = enlarged(phone_photo(), name)
    xmp = (decode(content, "b").metadata.xmp or b"").decode()
    assert 'dc:format="image/jpeg"' in xmp
    for claim in ("hdrgm:Version", "MotionPhoto=", "MotionPhotoPres", "Directory", "GainMap"):
        assert claim not in xmp
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "left out" in line]) == 1
    assert "the HDR gain map, the motion photo's video" in caplog.text


def test_what_is_not_there_is_not_claimed() -> None:
    """As after a program that has copied XMP and nothing else."""
    bare = phone_photo()[: parse_jpeg(phone_photo()).end]
    xmp = packet(enlarged(bare))
    assert "Container:Directory" not in xmp
    assert "hdrgm:Version" not in xmp
    assert "Camera:MotionPhoto" not in xmp


def indexed(main: bytes, *others: tuple[int, bytes]) -> bytes:
    """A file with several pictures as Pillow writes it, and their types set."""
    stream = io.BytesIO()
    contents = (main, *(content for _, content in others))
    first, *rest = (Image.open(io.BytesIO(content)) for content in contents)
    first.save(stream, "MPO", save_all=True, append_images=rest, quality=95)
    content = bytearray(stream.getvalue())
    for number, (kind, _) in enumerate(others, 1):
        at = content.index(b"MPF\0") + 4 + 50 + 16 * number
        content[at : at + 4] = kind.to_bytes(4, "little")
    return bytes(content)


def test_a_map_that_only_the_index_names_is_kept() -> None:
    content = enlarged(indexed(photo(), (0, photo(16, 12, "L"))))
    _, inner = indexed_pictures(content)
    with Image.open(io.BytesIO(inner)) as image:
        assert image.size == (32, 24)
    with Image.open(io.BytesIO(content)) as image:  # Pillow finds both
        assert isinstance(image, MpoImageFile)
        assert (image.format, image.n_frames) == ("MPO", 2)


@pytest.mark.parametrize(
    ("kind", "other", "said"),
    [
        (0x010001, photo(16, 12), False),  # a preview
        (0x020002, photo(), True),  # the other eye's view
        (0, photo(16, 16), True),  # of other proportions
    ],
)
def test_other_pictures_in_the_file_are_left_out(
    kind: int, other: bytes, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        content = enlarged(indexed(photo(), (kind, other)))
    assert parse_jpeg(content).end == len(content)
    assert b"MPF\0" not in content
    assert ("left out: other pictures in the file" in caplog.text) == said


def test_isos_mark_of_a_gain_map_stays_with_it_and_only_with_it() -> None:
    inner = with_segment(photo(16, 12, "L"), 0xE2, VERSION + b"numbers")
    content = enlarged(with_segment(photo(), 0xE2, VERSION) + inner)
    assert parse_jpeg(content).contents(0xE2, VERSION) == [VERSION]
    assert parse_jpeg(indexed_pictures(content)[1]).contents(0xE2, VERSION) == [VERSION + b"numbers"]
    alone = enlarged(with_segment(photo(), 0xE2, VERSION))
    assert VERSION not in alone


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_content_credentials_are_left_out_and_said(name: str, caplog: pytest.LogCaptureFixture) -> None:
    signed = with_segment(photo(), 0xEB, b"JP\0\1\0\0\0\1\0\0\0\x28jumb\0\0\0\x20jumdc2pa" + bytes(16))
    space = 'xmlns:dcterms="http://purl.org/dc/terms/"'
    claim = xmp_of(f'{space} dcterms:provenance="self#jumbf=c2pa/x" dcterms:rights="mine"')
    with caplog.at_level("INFO"):
        content = enlarged(with_segment(signed, 0xE1, XMP_HEAD + claim), name)
    assert b"c2pa" not in content
    assert b'dcterms:rights="mine"' in (decode(content, "b").metadata.xmp or b"")
    assert "a.jpg: left out: content credentials (C2PA)" in caplog.text


def test_segments_of_other_programs_are_named(caplog: pytest.LogCaptureFixture) -> None:
    content = with_segment(with_segment(photo(), 0xE1, b"FLIR\0\1data"), 0xE3, b"\0\1")
    with caplog.at_level("INFO"):
        enlarged(content)
    assert "left out: APP3; APP1 FLIR" in caplog.text


def test_junk_after_the_picture_is_said_and_padding_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        enlarged(photo() + bytes(100))
        assert not caplog.text
        enlarged(photo() + b"junk" * 10)
    assert "left out: data after the picture" in caplog.text


def test_all_comments_are_kept() -> None:
    content = with_segment(with_segment(photo(), 0xFE, b"second"), 0xFE, b"first")
    assert parse_jpeg(enlarged(content)).contents(0xFE) == [b"first\nsecond"]


def test_a_panorama_is_measured_in_its_new_pixels() -> None:
    """A part of 32×24 px at 8, 4 of a sphere of 64×32; as Google's viewers read it."""
    space = 'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"'
    sizes = 'GPano:FullPanoWidthPixels="64" GPano:FullPanoHeightPixels="32" GPano:CroppedAreaLeftPixels="8"'
    part = (
        "<GPano:CroppedAreaTopPixels>4</GPano:CroppedAreaTopPixels>"
        "<GPano:CroppedAreaImageWidthPixels>32</GPano:CroppedAreaImageWidthPixels>"
        "<GPano:CroppedAreaImageHeightPixels>24</GPano:CroppedAreaImageHeightPixels>"
    )
    xmp = packet(enlarged(with_segment(photo(), 0xE1, XMP_HEAD + xmp_of(f"{space} {sizes}", part))))
    numbers = dict(re.findall(r'GPano:(\w+)(?:="|>)(\d+)', xmp))
    assert numbers == {
        "FullPanoWidthPixels": "128",
        "FullPanoHeightPixels": "64",
        "CroppedAreaLeftPixels": "16",
        "CroppedAreaTopPixels": "8",
        "CroppedAreaImageWidthPixels": "64",
        "CroppedAreaImageHeightPixels": "48",
    }


def resource(number: int, content: bytes) -> bytes:
    padded = content + bytes(len(content) % 2)
    return b"8BIM" + number.to_bytes(2, "big") + b"\0\0" + len(content).to_bytes(4, "big") + padded


def test_photoshops_thumbnail_is_gone_and_its_captions_stay() -> None:
    caption, path = resource(0x0404, b"\x1c\x02\x78\0\x05hello"), resource(0x07D0, bytes(26))
    resources = caption + resource(0x040C, bytes(28) + photo(16, 12)) + resource(0x0409, b"old") + path
    for split in (len(resources), 60):  # a resource may go on in the next segment
        content = photo()
        for part in (resources[split:], resources[:split]):
            content = with_segment(content, 0xED, b"Photoshop 3.0\0" + part) if part else content
        written = parse_jpeg(enlarged(content)).contents(0xED)
        assert written == [b"Photoshop 3.0\0" + caption + path]


def test_captions_go_into_tiff_and_back_without_the_old_thumbnail() -> None:
    caption = resource(0x0404, b"\x1c\x02\x78\0\x05hello")
    content = with_segment(photo(), 0xED, b"Photoshop 3.0\0" + caption + resource(0x040C, b"old"))
    tiff = enlarged(content, "tiff")
    with Image.open(io.BytesIO(tiff)) as image:
        assert bytes(image.getexif()[34377]) == caption
    assert parse_jpeg(enlarged(tiff)).contents(0xED) == [b"Photoshop 3.0\0" + caption]


def test_thumbnail_and_layers_of_a_tiff_stay_behind(caplog: pytest.LogCaptureFixture) -> None:
    caption = resource(0x0404, b"\x1c\x02\x78\0\x05hello")
    stream = io.BytesIO()
    tags = {34377: caption + resource(0x040C, b"old"), 37724: b"layers"}
    Image.new("RGB", (8, 8)).save(stream, "TIFF", tiffinfo=tags)
    with caplog.at_level("INFO"):
        written = enlarged(stream.getvalue(), "tiff")
    with Image.open(io.BytesIO(written)) as image:
        assert bytes(image.getexif()[34377]) == caption
        assert 37724 not in image.getexif()
    assert "left out: Photoshop's layers" in caplog.text


def extended(total: int) -> tuple[bytes, bytes]:
    """A photograph with a packet in two parts, the second of more than `total` bytes; and that part."""
    depth = "xmlns:GDepth='http://ns.google.com/photos/1.0/depthmap/'"
    second = xmp_of(f'{depth} GDepth:Data="{"A" * total}"')
    name = hashlib.md5(second, usedforsecurity=False).hexdigest().upper()
    note = f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{name}"'
    first = xmp_of(f'{note} xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:ImageWidth="32"')
    content = photo()
    for offset in reversed(range(0, len(second), 60_000)):
        numbers = len(second).to_bytes(4, "big") + offset.to_bytes(4, "big")
        head = b"http://ns.adobe.com/xmp/extension/\0" + name.encode() + numbers
        content = with_segment(content, 0xE1, head + second[offset : offset + 60_000])
    return with_segment(content, 0xE1, XMP_HEAD + first), second


def extension_in(content: bytes) -> bytes:
    """By the XMP specification, part 3, 1.1.3.1."""
    found = re.search(r'HasExtendedXMP="([0-9A-F]{32})"', packet(content))
    assert found is not None
    parts: dict[int, bytes] = {}
    for part in parse_jpeg(content).contents(0xE1, b"http://ns.adobe.com/xmp/extension/\0"):
        assert part[35:67].decode() == found[1]
        parts[int.from_bytes(part[71:75], "big")] = part[75:]
    joined = b"".join(parts[offset] for offset in sorted(parts))
    assert hashlib.md5(joined, usedforsecurity=False).hexdigest().upper() == found[1]
    return joined


def test_long_xmp_stays_with_a_jpeg() -> None:
    content, second = extended(150_000)
    written = enlarged(content)
    assert extension_in(written) == second
    assert 'tiff:ImageWidth="64"' in packet(written)


@pytest.mark.parametrize("name", ["png", "webp", "tiff"])
def test_long_xmp_becomes_one_packet_elsewhere_and_two_again(name: str) -> None:
    content, _ = extended(150_000)
    written = enlarged(content, name)
    xmp = decode(written, "b").metadata.xmp or b""
    for part in (b'tiff:ImageWidth="64"', b'GDepth:Data="' + b"A" * 150_000):
        assert part in xmp
    assert b"HasExtendedXMP" not in xmp
    ElementTree.fromstring(xmp)
    back = enlarged(written)
    assert b'GDepth:Data="' + b"A" * 150_000 in extension_in(back)


def test_a_long_packet_of_which_a_part_is_missing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    content, _ = extended(150_000)
    at = content.index(b"http://ns.adobe.com/xmp/extension/\0")
    with caplog.at_level("INFO"):
        written = enlarged(content[:at] + b"X" + content[at + 1 :])
    assert "HasExtendedXMP" not in packet(written)
    assert "left out: a damaged part of XMP" in caplog.text


def test_stripped_metadata_takes_gain_map_and_video_along() -> None:
    picture = decode(phone_photo(), "a")
    bare = Picture(picture.frames, picture.file_format, picture.metadata.colour_only())
    content = encode(bare, Encoding(picture.file_format), "a")
    assert parse_jpeg(content).end == len(content)


@pytest.mark.parametrize("cut", range(700, 3000, 170))
def test_files_cut_off_anywhere_after_the_picture_are_read(cut: int) -> None:
    """What follows a picture never keeps it from being enlarged."""
    content = phone_photo()
    main = parse_jpeg(content).end
    enlarged(content[: max(main, cut)])
