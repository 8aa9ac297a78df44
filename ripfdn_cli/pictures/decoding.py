"""Picture files → pixels, depth, transparency, frames and metadata. No torch, no command line.

`formats` says what each format can hold; `tiff_files`, `gif_reading`, `animated_files`, `raw_files` and
`imageio_files` read what Pillow does not.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from ripfdn_cli.errors import InputError, OutOfMemoryError, RipfdnError
from ripfdn_cli.files.storage import Location
from ripfdn_cli.pictures.bmp_profile import profile_of_bmp
from ripfdn_cli.pictures.deep_samples import deep_pixels, is_float_jxl, is_sixteen_bit, sixteen_bit_png
from ripfdn_cli.pictures.file_content import read_file
from ripfdn_cli.pictures.formats import (
    CORE_FORMATS,
    FORMATS,
    SIGNATURE_SIZE,
    Format,
    format_decoded_by,
    format_named,
    load_plugin,
    sniff_extra,
)
from ripfdn_cli.pictures.heif_properties import coded_colour
from ripfdn_cli.pictures.imageio_files import (
    MORE_FORMATS,
    decode_other,
    is_known_to_imageio,
    read_other_header,
)
from ripfdn_cli.pictures.jpeg_quality import jpeg_quality
from ripfdn_cli.pictures.jxl_header import read_jxl_header
from ripfdn_cli.pictures.lost_parts import PIXEL_SHAPE, has_oblong_pixels, lost_parts
from ripfdn_cli.pictures.metadata import (
    Metadata,
    png_colour_chunks,
    read_metadata,
    turn_of,
)
from ripfdn_cli.pictures.picture import (
    DEFAULT_MAX_PIXELS,
    Frame,
    Header,
    Picture,
    as_rgb,
    as_samples,
    check_size,
    too_many_pixels,
    upright,
    without_opaque_alpha,
)
from ripfdn_cli.pictures.pillow_pixels import frame_count, pixels_of, scale_colour_key
from ripfdn_cli.pictures.raw_files import decode_raw, is_raw, read_raw_header

_LONGEST_TEXT, _MOST_TEXT = 64 * 2**20, 256 * 2**20
"""Bytes of one text or profile of a PNG, decompressed, and of all its texts; Pillow's own limit, of 1 MiB, is
less than programs write (workflows of image generators, profiles of printers).
"""
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_rgb(path: Location) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB as the file stores it: neither orientation nor profile applied.

    Grey becomes three equal channels, transparency is dropped, 16 bits are rounded to 8. Raises InputError.
    """
    picture = decode(read_file(path), str(path), turn=False)
    return np.ascontiguousarray(as_rgb(as_samples(picture.frames[0], np.uint8))[..., :3])


def read_picture(path: Location, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """The picture in the file `path`. Raises InputError, UnavailableError where an extra is missing."""
    return decode(read_file(path, max_pixels=max_pixels), str(path), max_pixels=max_pixels)


def read_header(data: bytes, name: str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Header:
    """What the file content `data` says of its picture, without decoding it. Raises InputError."""
    with _decoding(name):
        _check_not_empty(data)
        if is_raw(name, data):
            return read_raw_header(data, max_pixels)
        if _is_for_imageio(data, name):
            return read_other_header(data, name, max_pixels)
        if data.startswith(_TIFF_SIGNATURES):
            from ripfdn_cli.pictures.tiff_files import read_tiff_header

            return read_tiff_header(data, max_pixels)
        with _open(data, max_pixels) as image:
            turned = turn_of(image) >= 5
            is_float = image.mode == "F" or is_float_jxl(image, data)
            size = (image.height, image.width) if turned else (image.width, image.height)
            return Header(
                *size,
                channels=4 if image.has_transparency_data else 3,
                sample_bytes=4 if is_float else 2 if is_sixteen_bit(image, data) else 1,
                frames=frame_count(image),
                file_format=format_decoded_by(str(image.format)),
                jpeg_quality=_jpeg_quality(image),
            )


@dataclass(frozen=True)
class Glance:
    """What a file's head says of its picture: `size` is (width, height) px as it is stored, so not turned."""

    size: tuple[int, int]
    has_transparency: bool


def glance(path: Path) -> Glance | None:
    """A look at the head of the PNG or JPEG `path`, whose pixels aren't read; None for any other file."""
    try:
        with Image.open(path, formats=_decoders([format_named("png"), format_named("jpeg")])) as image:
            return Glance(image.size, image.has_transparency_data)
    except Exception:  # noqa: BLE001 - nearly anything for damaged files: whoever reads it whole says so
        return None


def begins_as_picture(path: Path) -> bool:
    """Whether the file `path` is a picture by how it begins, whatever its name; the rest of it isn't read.
    Raises InputError.
    """
    with _decoding(str(path)), path.open("rb") as stream:
        if _is_of_ours(stream):
            return True
        stream.seek(0)
        return is_raw("", stream.read(SIGNATURE_SIZE))


def decode(data: bytes, name: str, *, max_pixels: int = DEFAULT_MAX_PIXELS, turn: bool = True) -> Picture:
    """The picture in `data`, the content of a file called `name` in messages.

    Raises InputError for anything but a whole picture in an allowed format of at most `max_pixels` pixels,
    UnavailableError where its format needs an extra, OutOfMemoryError. `turn=False` leaves the pixels as
    they are stored, whatever orientation the file gives.
    """
    with _decoding(name):
        _check_not_empty(data)
        if is_raw(name, data):
            return decode_raw(data, max_pixels)  # upright
        if _is_for_imageio(data, name):
            return decode_other(data, name, max_pixels)
        if data.startswith(_TIFF_SIGNATURES):
            from ripfdn_cli.pictures.tiff_files import decode_tiff

            picture, turns = decode_tiff(data, max_pixels)
        else:
            picture, turns = _decode_with_pillow(data, max_pixels)
        return _turned(picture, turns) if turn else picture


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Whatever a decoder raises becomes an InputError that names the file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"can't read {name}: {error}") from error
    except RipfdnError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"out of memory while decoding {name}; close other programs") from error
    except Exception as error:  # decoders raise nearly anything for damaged files, SyntaxError included
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"can't read {name}: {reason}; check that the file is complete") from error


@contextmanager
def _open(data: bytes, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Pillow's image of `data`, not decoded yet, its size within bounds and credible."""
    # Pillow's own check, of twice as many, is for what files ask for later: a GIF's frames, for example.
    Image.MAX_IMAGE_PIXELS = max_pixels
    extra = sniff_extra(data[:SIGNATURE_SIZE])
    if extra is not None and extra.name == "jxl":
        _check_jxl(data, max_pixels)
    decoders = _decoders([extra] if extra else CORE_FORMATS)
    try:
        image = _image_in(io.BytesIO(data), decoders)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        stated = re.search(r"\d+ pixels", str(error))
        raise too_many_pixels(f"its header states {stated[0] if stated else 'more'}", max_pixels) from error
    except UnidentifiedImageError as error:
        known = ", ".join(file_format.title for file_format in FORMATS)
        more = "" if find_spec("imageio") else MORE_FORMATS
        raise InputError(
            f"it is not a picture, it is damaged, or its format is not one of {known}{more}"
        ) from error
    with image:
        check_size(image.width, image.height, frame_count(image), max_pixels)
        most = format_decoded_by(str(image.format)).pixels_per_byte
        if most is not None and image.width * image.height > most * len(data):
            size = f"{image.width}×{image.height}"
            raise InputError(f"its header states {size} px, which {len(data)} bytes can't hold")
        yield image


def _image_in(stream: BinaryIO, decoders: list[str]) -> ImageFile.ImageFile:
    """Pillow's image in `stream`, of a format for one of `decoders`, with as much text as is allowed here."""
    PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = _LONGEST_TEXT, _MOST_TEXT
    image = Image.open(stream, formats=decoders)
    scale_colour_key(image)
    return image


def _decoders(file_formats: Sequence[Format]) -> list[str]:
    """Pillow's decoders for `file_formats`, registered."""
    for file_format in file_formats:
        load_plugin(file_format)
    # MPO has no decoder of its own to ask for: JPEG's finds it.
    return [decoder for file_format in file_formats for decoder in file_format.decoders if decoder != "MPO"]


def _is_for_imageio(data: bytes, name: str) -> bool:
    """Whether no reader of ours takes the file, and imageio may: content counts for more than names."""
    return is_known_to_imageio(name) and not _is_of_ours(io.BytesIO(data))


def _is_of_ours(stream: BinaryIO) -> bool:
    """Whether the file begins as one of a format of ours."""
    head = stream.read(SIGNATURE_SIZE)
    if head.startswith(_TIFF_SIGNATURES) or sniff_extra(head) is not None:
        return True
    try:
        with _image_in(stream, _decoders(CORE_FORMATS)):
            return True
    except UnidentifiedImageError:
        return False
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True


def _check_not_empty(data: bytes) -> None:
    if not data:
        raise InputError("it is empty (0 bytes); find a complete copy")


def _check_jxl(data: bytes, max_pixels: int) -> None:
    """What can't be left to the plugin, which decodes when it opens, and the first frame only."""
    header = read_jxl_header(data)
    check_size(header.width, header.height, 1, max_pixels)
    if header.animated:
        raise InputError(
            "animated JPEG XL can't be read; convert it to APNG first, as with djxl in.jxl out.apng"
        )


def _decode_with_pillow(data: bytes, max_pixels: int) -> tuple[Picture, list[int]]:
    """The picture as it is stored, and the orientation that its EXIF gives to each frame."""
    with _open(data, max_pixels) as image:
        file_format = format_decoded_by(str(image.format))
        if file_format.name == "gif":
            from ripfdn_cli.pictures.gif_reading import decode_gif

            picture = decode_gif(data, max_pixels)
            return picture, [1] * len(picture.frames)
        if frame_count(image) > 1:
            picture = _decode_animation(image, data, file_format)
            picture = replace(picture, metadata=_completed(picture.metadata, image, data))
            return picture, [turn_of(image)] * len(picture.frames)
        pixels = deep_pixels(image, data)
        if file_format.name != "ppm" or pixels is None:
            image.load()  # PNG's metadata may follow the pixels, and their checksums want checking
        metadata = read_metadata(image)
        if pixels is None:
            pixels, icc_profile = pixels_of(image)
            metadata = replace(metadata, icc_profile=icc_profile)
        metadata = _completed(metadata, image, data)
        picture = Picture((pixels,), file_format, metadata, jpeg_quality=_jpeg_quality(image))
        return picture, [turn_of(image)]


def _jpeg_quality(image: ImageFile.ImageFile) -> int | None:
    return jpeg_quality(image.quantization) if isinstance(image, JpegImageFile) else None


def _decode_animation(image: ImageFile.ImageFile, data: bytes, file_format: Format) -> Picture:
    """PNG is composed here, as Pillow blends half transparent frames otherwise than the specification says,
    and cuts samples to 8 bits.
    """
    from ripfdn_cli.pictures.animated_files import decode_frames
    from ripfdn_cli.pictures.apng_files import decode_apng

    if file_format.name != "png":
        return decode_frames(image, file_format)
    metadata = read_metadata(image)
    deep = is_sixteen_bit(image, data)
    decode_png = sixteen_bit_png if deep else partial(_eight_bit_png, mode=image.mode)
    frames, animation = decode_apng(data, decode_png)
    return Picture(without_opaque_alpha(frames), file_format, metadata, animation)


def _eight_bit_png(data: bytes, mode: str) -> Frame:
    with _image_in(io.BytesIO(data), ["PNG"]) as image:
        return np.array(image.convert("LA" if mode in ("1", "L", "LA") else "RGBA"))


def _completed(metadata: Metadata, image: Image.Image, data: bytes) -> Metadata:
    """`metadata` with what Pillow's `image` does not tell of the file `data`."""
    file_format = format_decoded_by(str(image.format))
    if file_format.name == "jpeg":
        metadata = metadata.with_extras_of(data, image.width, image.height)
        if has_oblong_pixels(image.info):
            metadata = replace(metadata, lost=(*metadata.lost, PIXEL_SHAPE))
        return metadata
    if file_format.name == "bmp":
        icc_profile, lost = profile_of_bmp(data)
        return replace(metadata, icc_profile=icc_profile, lost=lost)
    if file_format.name == "png":
        metadata = replace(metadata, png_colour=png_colour_chunks(data))
    elif file_format.name in ("avif", "heic") and metadata.icc_profile is None:
        metadata = replace(metadata, png_colour=coded_colour(data))
    lost = lost_parts(data, file_format.name, image.info)
    if file_format.name == "heic" and (stills := int(getattr(image, "n_frames", 1))) > 1:
        lost += (f"{stills - 1} of its {stills} pictures, all but the main one",)
    return replace(metadata, lost=lost)


def _turned(picture: Picture, turns: Sequence[int]) -> Picture:
    """`picture` with EXIF's orientations `turns` applied to its frames."""
    if set(turns) == {1}:
        return picture
    frames = tuple(upright(frame, turn) for frame, turn in zip(picture.frames, turns, strict=True))
    metadata = [
        page.turned(turn, frame.shape[1], frame.shape[0])
        for page, turn, frame in zip(picture.page_metadata, turns, picture.frames, strict=True)
    ]
    return replace(picture, frames=frames).with_page_metadata(metadata)
