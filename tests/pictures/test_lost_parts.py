import io
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin
from support.sample_pictures import box

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named

STORE = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def picture_file(encoder: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(stream, encoder)
    return stream.getvalue()


def signed(encoder: str) -> bytes:
    """With content credentials where the C2PA specification (A.3) has them in this format."""
    content = picture_file(encoder)
    match encoder:
        case "PNG":
            chunk = b"caBX" + b"jumb"
            return (
                content[:33]
                + struct.pack(">I", 4)
                + chunk
                + struct.pack(">I", zlib.crc32(chunk))
                + content[33:]
            )
        case "WEBP":
            body = content[8:] + b"C2PA" + struct.pack("<I", 4) + b"jumb"
            return b"RIFF" + struct.pack("<I", len(body)) + body
        case _:
            return content + box(b"uuid", STORE + b"\0\0\0\0manifest")


@pytest.mark.parametrize("encoder", ["PNG", "WEBP", "AVIF"])
def test_content_credentials_are_said_to_be_left_out(encoder: str, caplog: pytest.LogCaptureFixture) -> None:
    picture = decode(signed(encoder), "a")
    with caplog.at_level("INFO"):
        content = encode(picture, Encoding(format_named("png")), "a.png")
    assert "a.png: left out: content credentials (C2PA)" in caplog.text
    for trace in (b"caBX", b"C2PA", STORE):
        assert trace not in content
    assert not decode(picture_file(encoder), "a").metadata.lost


@pytest.mark.parametrize(
    ("kind", "name"), [(b"mpvd", "the motion photo's video"), (b"jhgm", "the HDR gain map")]
)
def test_what_lies_beside_the_picture_is_named(kind: bytes, name: str) -> None:
    assert decode(picture_file("AVIF") + box(kind, bytes(30)), "a").metadata.lost == (name,)


def test_a_box_without_an_end_ends_the_search() -> None:
    assert decode(picture_file("AVIF") + struct.pack(">I4s", 3, b"free") + bytes(40), "a").metadata.lost == ()


def oblong(encoder: str) -> bytes:
    """Pixels twice as wide as high, where the format says that without a unit: pHYs, JFIF, TIFF's tags."""
    stream = io.BytesIO()
    image = Image.new("RGB", (16, 16), "red")
    match encoder:
        case "PNG":
            image.save(stream, "PNG")
            phys = b"pHYs" + struct.pack(">IIB", 1, 2, 0)
            chunk = struct.pack(">I", 9) + phys + struct.pack(">I", zlib.crc32(phys))
            return stream.getvalue()[:33] + chunk + stream.getvalue()[33:]
        case "JPEG":
            image.save(stream, "JPEG")
            content = bytearray(stream.getvalue())
            content[13:18] = struct.pack(">BHH", 0, 1, 2)
            return bytes(content)
        case _:
            image.save(stream, "TIFF", tiffinfo={282: 1.0, 283: 2.0, 296: 1})
            return stream.getvalue()


@pytest.mark.parametrize("encoder", ["PNG", "JPEG", "TIFF"])
def test_pixels_that_are_not_square_are_said_to_be_left_out(
    encoder: str, caplog: pytest.LogCaptureFixture
) -> None:
    for content, said in ((oblong(encoder), True), (picture_file(encoder), False)):
        caplog.clear()
        with caplog.at_level("INFO"):
            encode(decode(content, "a"), Encoding(format_named("png")), "a.png")
        assert ("left out: the shape of its pixels" in caplog.text) is said


def test_texts_of_one_name_are_said_to_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    info = PngImagePlugin.PngInfo()
    for name, text in (("Comment", "first"), ("Comment", "second"), ("Title", "a")):
        info.add_text(name, text)
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "PNG", pnginfo=info)
    with caplog.at_level("INFO"):
        encode(decode(stream.getvalue(), "a"), Encoding(format_named("png")), "a.png")
    assert "left out: all but the last of the 2 texts named Comment" in caplog.text
    assert "Title" not in caplog.text
