import io
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin
from PIL.PngImagePlugin import PngInfo, iTXt
from support.sample_pictures import exif_block, profile, saved, smooth, xmp_packet

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.exif import corrected_exif
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata, png_chunks, with_png_chunks
from ripfdn_cli.pictures.picture import Picture

KEEPING_EXIF = ["png", "jpeg", "webp", "tiff", "avif"]


def parsed(exif: bytes | None) -> Image.Exif:
    assert exif is not None
    found = Image.Exif()
    found.load(exif)
    return found


def rewritten(content: bytes, name: str, **changes: Any) -> Picture:
    """`content` read, written in the format `name` at twice the size, and read again."""
    picture = decode(content, "a")
    larger = tuple(frame.repeat(2, axis=0).repeat(2, axis=1) for frame in picture.frames)
    entry = format_named(name)
    written = encode(
        Picture(larger, entry, picture.metadata, picture.animation), Encoding(entry, **changes), "b"
    )
    return decode(written, "b")


@pytest.mark.parametrize("target", KEEPING_EXIF)
@pytest.mark.parametrize("source", KEEPING_EXIF)
def test_exif_survives_any_change_of_format(source: str, target: str) -> None:
    entry = format_named(source)
    content = saved(Image.fromarray(smooth(30, 40)), entry.encoder, exif=exif_block(1))
    exif = parsed(rewritten(content, target).metadata.exif)
    assert exif[0x010F] == "Maker"
    assert exif[0x013B] == "Artist"
    details = exif.get_ifd(0x8769)
    assert float(details[0x829A]) == 1 / 125
    assert details[0x927C] == bytes(range(200))
    assert (details[0xA002], details[0xA003]) == (80, 60)
    place = exif.get_ifd(0x8825)
    assert place[1] == "N"
    assert [float(value) for value in place[2]] == [52.0, 31.0, 12.25]


@pytest.mark.parametrize("target", KEEPING_EXIF)
@pytest.mark.parametrize("source", KEEPING_EXIF)
def test_profile_and_xmp_survive_byte_for_byte(source: str, target: str) -> None:
    entry = format_named(source)
    packet = xmp_packet(1, 80, 60)  # as they will be, so that nothing is to be corrected
    options: dict[str, Any] = {"xmp": packet}
    if source == "png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        options = {"pnginfo": info}
    if source == "tiff":
        options = {"tiffinfo": {700: packet}}
    content = saved(Image.fromarray(smooth(30, 40)), entry.encoder, icc_profile=profile(), **options)
    metadata = rewritten(content, target).metadata
    assert metadata.icc_profile == profile()
    assert metadata.xmp == packet


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_texts_over_a_mebibyte_are_read_and_written_so_that_pillow_reads_them(
    kind: bytes, samples: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which decompresses no more unless it is asked to; programs that make pictures write such workflows."""
    text = np.random.default_rng(0).integers(97, 123, 3 * 2**19, np.uint8).tobytes()
    content = {
        b"tEXt": b"workflow\0" + text,
        b"zTXt": b"workflow\0\0" + zlib.compress(text, 1),
        b"iTXt": b"workflow\0\1\0\0\0" + zlib.compress(text, 1),
    }[kind]
    png = with_png_chunks(bytes(imagecodecs.png_encode(smooth(12, 16, 3, samples))), [(kind, content)])
    result = encode(decode(png, "a"), Encoding(format_named("png")), "a")
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 2**20)
    with Image.open(io.BytesIO(result)) as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        image.load()
        assert image.text == {"workflow": text.decode()}


def test_a_text_of_some_kibibytes_is_compressed() -> None:
    metadata = Metadata(text=(("workflow", "node " * 1000),))
    content = encode(
        Picture((smooth(12, 16),), format_named("png"), metadata), Encoding(format_named("png")), "a"
    )
    assert b"zTXt" in dict(png_chunks(content))


def test_a_profile_over_a_mebibyte_in_a_png_is_read() -> None:
    """As those of printers are."""
    noise = np.random.default_rng(0).bytes(3 * 2**19)
    large = (128 + len(noise)).to_bytes(4, "big") + profile()[4:128] + noise
    content = saved(Image.fromarray(smooth(12, 16)), "PNG", icc_profile=large)
    assert decode(content, "a").metadata.icc_profile == large


@pytest.mark.parametrize("target", ["png", "jpeg", "tiff", "bmp"])
@pytest.mark.parametrize("source", ["png", "jpeg", "tiff", "bmp"])
def test_resolution_is_kept_as_it_is(source: str, target: str) -> None:
    content = saved(Image.fromarray(smooth(30, 40)), format_named(source).encoder, dpi=(300, 150))
    assert rewritten(content, target).metadata.dpi == pytest.approx((300, 150), rel=2e-3)


def test_a_resolution_in_centimetres_is_converted() -> None:
    content = saved(Image.new("L", (8, 8)), "TIFF", tiffinfo={282: 100.0, 283: 50.0, 296: 3})
    assert decode(content, "a").metadata.dpi == pytest.approx((254, 127))


def test_text_chunks_of_every_kind_are_kept() -> None:
    info = PngInfo()
    info.add_text("Title", "Käse")
    info.add_text("Comment", "x" * 5000, zip=True)
    info.add_itxt("parameters", "日本 steps: 20", lang="ja", tkey="pârams")
    content = saved(Image.new("L", (8, 8)), "PNG", pnginfo=info)
    text = dict(rewritten(content, "png").metadata.text)
    assert text == {"Title": "Käse", "Comment": "x" * 5000, "parameters": "日本 steps: 20"}
    parameters = text["parameters"]
    assert isinstance(parameters, iTXt)
    assert (parameters.lang, parameters.tkey) == ("ja", "pârams")


def test_colour_chunks_are_kept() -> None:
    info = PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    info.add(b"cHRM", bytes(range(32)))
    content = saved(Image.new("RGB", (8, 8)), "PNG", pnginfo=info)
    picture = rewritten(content, "png")
    assert dict(picture.metadata.png_colour) == {
        b"gAMA": (45455).to_bytes(4, "big"),
        b"cHRM": bytes(range(32)),
    }


def test_sixteen_bit_png_carries_all_that_eight_bit_png_does() -> None:
    metadata = Metadata(profile(), exif_block(1), xmp_packet(1), (300.0, 300.0), (("Title", "a"),))
    entry = format_named("png")
    contents = [
        encode(Picture((smooth(30, 40, samples=samples),), entry, metadata), Encoding(entry), "a")
        for samples in ("uint8", "uint16")
    ]
    eight, sixteen = ([chunk for chunk in png_chunks(content) if chunk[0] != b"IHDR"] for content in contents)
    assert {kind for kind, _ in eight} == {b"iCCP", b"eXIf", b"iTXt", b"tEXt", b"pHYs"}
    assert [chunk for chunk in sixteen if chunk[0] != b"sBIT"] == eight


def test_comments_and_press_captions_of_jpeg_are_kept() -> None:
    caption = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x78\0\x05Paris"
    segment = b"\xff\xed" + (len(caption) + 2).to_bytes(2, "big") + caption
    content = saved(Image.new("RGB", (16, 16)), "JPEG", comment=b"hello", extra=segment)
    metadata = rewritten(content, "jpeg").metadata
    assert metadata.comment == b"hello"
    assert metadata.iptc == (caption,)


def test_tags_of_a_tiff_stay_and_its_structure_does_not() -> None:
    tags = {270: "A description", 305: "Software", 33432: "Copyright", 282: 72.0, 283: 72.0, 296: 2}
    content = saved(Image.fromarray(smooth(30, 40)), "TIFF", tiffinfo=tags, compression="tiff_lzw")
    exif = parsed(rewritten(content, "jpeg").metadata.exif)
    assert {tag: exif[tag] for tag in (270, 305, 33432)} == {tag: tags[tag] for tag in (270, 305, 33432)}
    assert not {256, 257, 258, 259, 262, 273, 278, 279, 282, 34675} & set(exif)
    again = rewritten(content, "tiff")
    assert parsed(again.metadata.exif)[270] == "A description"
    assert again.frames[0].shape == (60, 80, 3)


def test_sizes_and_orientation_are_corrected_only_where_they_are_given() -> None:
    exif = parsed(corrected_exif(exif_block(6, 10, 20), 400, 300))
    assert exif[0x0112] == 1
    assert exif.get_ifd(0x8769)[0xA002] == 400
    bare = Image.Exif()
    bare[0x010F] = "Maker"
    assert dict(parsed(corrected_exif(bare.tobytes(), 400, 300))) == {0x010F: "Maker"}


def test_a_stale_thumbnail_goes() -> None:
    """A camera's file has a second directory with a small JPEG, of the picture as it was."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6
    head = exif.tobytes()
    thumbnail = saved(Image.new("RGB", (16, 16), "red"), "JPEG")
    first = int.from_bytes(head[10:14], "big")
    count = int.from_bytes(head[6 + first : 8 + first], "big")
    link = 6 + first + 2 + 12 * count
    start = len(head) - 6
    entries = [(0x0103, 3, 6), (0x0201, 4, start + 2 + 3 * 12 + 4), (0x0202, 4, len(thumbnail))]
    directory = len(entries).to_bytes(2, "big") + b"".join(
        tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + (1).to_bytes(4, "big") + value.to_bytes(4, "big")
        for tag, kind, value in entries
    )
    block = head[:link] + start.to_bytes(4, "big") + head[link + 4 :] + directory + bytes(4) + thumbnail
    content = saved(Image.new("RGB", (32, 16)), "JPEG", exif=block)
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(
            thumbnail
        )  # the test's own file is right
    written = rewritten(content, "jpeg")
    assert parsed(written.metadata.exif)[0x010F] == "Maker"
    assert not parsed(written.metadata.exif).get_ifd(ExifTags.IFD.IFD1)
    assert b"\xff\xd8" not in (written.metadata.exif or b"")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow's own, silenced in the command
@pytest.mark.parametrize("source", ["jpeg", "png", "webp"])
def test_damaged_exif_is_left_out_with_a_warning(source: str, caplog: pytest.LogCaptureFixture) -> None:
    damaged = b"Exif\0\0" + b"MM\0*\0\0\0\x08" + b"\xff\xff" + bytes(range(50))
    content = saved(Image.fromarray(smooth(30, 40)), format_named(source).encoder, exif=damaged)
    picture = decode(content, "a")
    assert picture.frames[0].shape == (30, 40, 3)
    if picture.metadata.exif is None:
        assert "EXIF block is damaged" in caplog.text


def test_stripping_keeps_what_the_numbers_mean_and_nothing_else() -> None:
    metadata = Metadata(
        profile(), exif_block(), xmp_packet(), (300.0, 300.0), (("Title", "a"),), (), b"c", (b"i",)
    )
    assert metadata.colour_only() == Metadata(icc_profile=profile())


def test_what_is_too_long_for_jpeg_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    entry = format_named("jpeg")
    metadata = Metadata(profile() * 50, exif.tobytes(), b"<x:xmpmeta>" + bytes(70_000), comment=b"c" * 70_000)
    with caplog.at_level("INFO"):
        content = encode(Picture((smooth(16, 16),), entry, metadata), Encoding(entry), "a.jpg")
    assert "a.jpg: left out: EXIF, XMP, the comment (not written to JPEG)" in caplog.text
    assert decode(content, "a").metadata == Metadata(icc_profile=profile() * 50)
    png = format_named("png")
    back = decode(encode(Picture((smooth(16, 16),), png, metadata), Encoding(png), "a.png"), "a").metadata
    assert len(back.exif or b"") > 70_000
    assert len(back.xmp or b"") > 70_000


@pytest.mark.parametrize("dpi", [(0, 72), (-1, 72), (1e9, 72)])
def test_resolutions_that_no_picture_has_are_left_out(dpi: tuple[float, float]) -> None:
    content = saved(Image.new("L", (8, 8)), "TIFF", tiffinfo={282: abs(dpi[0]), 283: dpi[1], 296: 2})
    found = decode(content, "a").metadata.dpi
    assert found is None or max(found) <= 72


def test_what_is_lost_is_named() -> None:
    metadata = Metadata(exif=exif_block(), comment=b"a")
    assert metadata.lost_in(format_named("ppm")) == ["exif", "comment"]
    assert metadata.lost_in(format_named("png")) == ["comment"]


@pytest.mark.parametrize("comment", ["shot at noon", "Grüße ☃"])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize("target", ["png", "jpeg", "gif"])
def test_comments_go_where_each_format_has_them(
    source: str, target: str, comment: str, caplog: pytest.LogCaptureFixture
) -> None:
    image = Image.fromarray(smooth(16, 16))
    if source == "PNG":
        info = PngInfo()
        info.add_itxt("comment", comment)
        content = saved(image, source, pnginfo=info)
    else:
        content = saved(image, source, comment=comment.encode())
    entry = format_named(target)
    with caplog.at_level("INFO"):
        written = encode(decode(content, "a"), Encoding(entry), "a")
    with Image.open(io.BytesIO(written)) as found:
        values = {str(key).casefold(): value for key, value in found.info.items()}
    value = values["comment"]
    assert (value.decode() if isinstance(value, bytes) else value) == comment
    assert "left out" not in caplog.text
