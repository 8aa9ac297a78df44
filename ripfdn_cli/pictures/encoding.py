"""Pictures → the content of files, with metadata."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.exif import without_orientation
from ripfdn_cli.pictures.fitting import check_frames, fitted
from ripfdn_cli.pictures.formats import DEPTHS, Format, load_plugin
from ripfdn_cli.pictures.jpeg_extras import with_extras
from ripfdn_cli.pictures.jpeg_segments import APP13, segment_bytes
from ripfdn_cli.pictures.metadata import png_chunks, png_info, with_png_chunks
from ripfdn_cli.pictures.picture import Frame, Picture
from ripfdn_cli.pictures.pillow_pixels import image_of

_PNG_LEVEL = 4
"""Of 1 to 9. Measured on one 768×768 result: 2.5 times as fast as the usual 6, for 2.8 % more bytes."""
_FULL_COLOUR_FROM = 90
"""Quality from which colour is kept at full resolution, where the format has the choice."""
_JPEG_EXTRAS = ("auxiliary", "versions", "video", "extended_xmp")


@dataclass(frozen=True)
class Encoding:
    """How a picture is written: `quality` 1..100 for lossy formats (None: the format's default), `background`
    (8-bit RGB) for formats without transparency.
    """

    file_format: Format
    quality: int | None = None
    lossless: bool = False
    background: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        for refusal in unsupported_options(self.file_format, self.quality, self.lossless).values():
            raise UsageError(refusal)

    def describe(self) -> dict[str, Any]:
        """What makes two encodings differ, as JSON."""
        return {
            "format": self.file_format.name,
            "quality": self.quality,
            "lossless": self.lossless,
            "background": None if self.file_format.has_transparency else list(self.background),
        }


def unsupported_options(
    file_format: Format, quality: int | None, lossless: bool, depth: int | None = None
) -> dict[str, str]:
    """Those of these options that do not apply to `file_format`, each with what is wrong and what to do."""
    found = {}
    if lossless and not file_format.lossless:
        found["lossless"] = f"{file_format.title} can't be lossless; choose png, webp or tiff with `format`"
    lossless = lossless and file_format.lossless
    if quality is not None and (file_format.quality is None or lossless):
        title = f"lossless {file_format.title}" if lossless else file_format.title
        found["quality"] = f"`quality` does not apply to {title}; leave it out"
    if depth is not None and DEPTHS[depth] not in file_format.samples:
        found["depth"] = (
            f"{file_format.title} does not support {depth} bits per channel; choose png or tiff, "
            "or leave out `depth`"
        )
    return found


def encode(picture: Picture, encoding: Encoding, name: str) -> bytes:
    """`picture` as the content of a file called `name` in messages.

    What the format can't hold is said with a warning (transparency, metadata) or refused with a UsageError
    (more than one frame).
    """
    file_format = encoding.file_format
    load_plugin(file_format)
    check_frames(picture, file_format, name)
    picture = fitted(picture, file_format, encoding.background, name)
    if file_format.name == "tiff":
        from ripfdn_cli.pictures.tiff_writing import encode_tiff

        return encode_tiff(picture)
    if picture.animation is not None and file_format.name != "png":
        from ripfdn_cli.pictures.animated_files import encode_frames

        return encode_frames(picture, file_format, save_options(picture, encoding), name)
    still = (_encode_sixteen_bit if picture.frames[0].dtype == np.uint16 else _encode_still)(
        picture, encoding
    )
    if picture.animation is None:
        return still
    from ripfdn_cli.pictures.apng_files import encode_apng

    return encode_apng(still, picture.frames, picture.animation, _bare_png)


def save_options(picture: Picture, encoding: Encoding) -> dict[str, Any]:
    """What Pillow's `save` is told for this format, metadata included."""
    file_format, metadata = encoding.file_format, picture.metadata
    options: dict[str, Any] = {
        name: value
        for name in ("icc_profile", "exif", "xmp", "dpi", "comment")
        if name in file_format.metadata and (value := getattr(metadata, name)) is not None
    }
    if file_format.name == "avif" and metadata.exif is not None:
        options["exif"] = without_orientation(metadata.exif)  # or Pillow writes it anew
    if file_format.name == "png":
        options.pop("xmp", None)
        options["pnginfo"] = png_info(metadata)
        options["compress_level"] = _PNG_LEVEL
    if file_format.quality is not None:
        quality = file_format.quality if encoding.quality is None else encoding.quality
        options |= {"lossless": True} if encoding.lossless else {"quality": quality}
        if file_format.name in ("jpeg", "avif") and quality >= _FULL_COLOUR_FROM:
            options["subsampling"] = "4:4:4"
        if file_format.name == "heic" and quality >= _FULL_COLOUR_FROM:
            options["chroma"] = 444
    if file_format.name == "jpeg" and metadata.iptc:
        options["extra"] = b"".join(segment_bytes(APP13, data) for data in metadata.iptc)
    return options


def _encode_still(picture: Picture, encoding: Encoding) -> bytes:
    if encoding.file_format.name == "gif":
        from ripfdn_cli.pictures.gif_files import encode_gif

        return encode_gif(picture.frames, comment=picture.metadata.comment)
    options = save_options(picture, encoding)
    stream = io.BytesIO()
    image_of(picture.frames[0]).save(stream, encoding.file_format.encoder, **options)
    if encoding.file_format.name == "png":
        return with_png_chunks(stream.getvalue(), picture.metadata.png_colour)
    if encoding.file_format.name != "jpeg":
        return stream.getvalue()
    extras = {name: getattr(picture.metadata, name) for name in _JPEG_EXTRAS}
    return with_extras(stream.getvalue(), **extras)


def _encode_sixteen_bit(picture: Picture, encoding: Encoding) -> bytes:
    frame = np.ascontiguousarray(picture.frames[0])
    if encoding.file_format.name == "ppm":
        import netpbmfile

        stream = io.BytesIO()
        netpbmfile.imwrite(stream, frame[..., 0] if frame.shape[2] == 1 else frame, maxval=65535)
        return stream.getvalue()
    if encoding.file_format.name == "jxl":
        from ripfdn_cli.pictures.jxl_writing import encode_sixteen_bit_jxl

        options = save_options(picture, encoding)
        return encode_sixteen_bit_jxl(
            frame, quality=options.get("quality"), exif=options.get("exif"), xmp=options.get("xmp")
        )
    return _with_png_metadata(_bare_png(frame), picture, encoding)


def _bare_png(frame: Frame) -> bytes:
    """`frame`, uint8 or uint16, as a PNG and nothing else."""
    import imagecodecs

    return bytes(imagecodecs.png_encode(frame[..., 0] if frame.shape[2] == 1 else frame, _PNG_LEVEL))


def _with_png_metadata(data: bytes, picture: Picture, encoding: Encoding) -> bytes:
    """The PNG `data` with the metadata of `picture`, taken over from a PNG of one pixel that Pillow wrote."""
    channels = picture.frames[0].shape[2]
    pixel = replace(picture, frames=(np.zeros((1, 1, channels), np.uint8),))
    donor = _encode_still(pixel, encoding)
    _, *chunks = png_chunks(donor)
    return with_png_chunks(data, chunks)
