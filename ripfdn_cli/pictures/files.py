"""Pictures in files: pixels, depth, transparency, frames and metadata. No torch, no command line.

`formats` says what each format can hold; `tiff_files` and `animated_files` have what their files need.
"""

import io
import logging
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from ripfdn_cli.errors import InputError, OutOfMemoryError, RipfdnError, UsageError
from ripfdn_cli.files.atomic_file import kind_of
from ripfdn_cli.files.storage import Location, is_remote, read_object
from ripfdn_cli.pictures.auxiliary_pictures import enlarged
from ripfdn_cli.pictures.colour_profiles import rgb_to_srgb, sixteen_bits_to_srgb
from ripfdn_cli.pictures.exif import corrected_exif, without_orientation
from ripfdn_cli.pictures.formats import (
    CORE_FORMATS,
    FORMATS,
    Format,
    format_decoded_by,
    load_plugin,
    sniff_extra,
)
from ripfdn_cli.pictures.imageio_files import (
    MORE_FORMATS,
    decode_other,
    is_known_to_imageio,
    read_other_header,
)
from ripfdn_cli.pictures.jpeg_extras import AuxiliaryPicture, is_gain_map, with_extras, xmp_items
from ripfdn_cli.pictures.jpeg_quality import jpeg_quality
from ripfdn_cli.pictures.jpeg_segments import APP13, segment_bytes
from ripfdn_cli.pictures.jxl_header import read_jxl_header
from ripfdn_cli.pictures.left_behind import parts_left_behind
from ripfdn_cli.pictures.metadata import (
    Metadata,
    in_words,
    png_colour_chunks,
    png_info,
    read_metadata,
    turn_of,
    with_png_colour,
)
from ripfdn_cli.pictures.picture import (
    DEFAULT_MAX_PIXELS,
    Frame,
    Header,
    Picture,
    as_rgb,
    as_samples,
    check_size,
    is_opaque,
    too_many_pixels,
    upright,
    without_alpha,
)
from ripfdn_cli.pictures.pillow_pixels import image_of, pixels_of
from ripfdn_cli.pictures.png_colour import colour_space_of, profile_of, to_srgb
from ripfdn_cli.pictures.profile_kind import fitted_to_profile
from ripfdn_cli.pictures.raw_files import decode_raw, is_raw, read_raw_header
from ripfdn_cli.pictures.xmp import corrected_xmp, current_xmp, merged, split, with_extension

log = logging.getLogger(__name__)

_BYTES_PER_PIXEL = 16  # the most that a pixel takes uncompressed: RGBA in float32
_PNG_LEVEL = 4
"""Of 1 to 9. Measured on one 768×768 result: 2.5 times as fast as the usual 6, for 2.8 % more bytes."""
_FULL_COLOUR_FROM = 90
"""Quality from which colour is kept at full resolution, where the format has the choice."""
_PNG_BIT_DEPTH = 24
"""Where a PNG's first chunk has the bit depth."""
_AVIF_PROPERTIES = 2**16
"""Bytes at an AVIF's start among which its properties are."""
_SHOWN_AS_SRGB = (1, 6, 13, 14, 15)
"""Transfer functions of ITU-T H.273 that viewers of still pictures take for sRGB's."""
_FILE_OVERHEAD = 64 * 2**20  # profiles, previews and such beside the pixels
_JPEG_EXTRAS = ("auxiliary", "versions", "video", "extended_xmp")
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


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


def unsupported_options(entry: Format, quality: int | None, lossless: bool) -> dict[str, str]:
    """Those of these options that do not apply to files of format `entry`, each with what is wrong and what
    to do.
    """
    found = {}
    if lossless and not entry.lossless:
        found["lossless"] = f"{entry.title} can't be lossless; choose png, webp or tiff with `format`"
    lossless = lossless and entry.lossless
    if quality is not None and (entry.quality is None or lossless):
        title = f"lossless {entry.title}" if lossless else entry.title
        found["quality"] = f"`quality` does not apply to {title}; leave it out"
    return found


def read_rgb(path: Location) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB as the file stores it: neither orientation nor profile applied.

    Grey becomes three equal channels, transparency is dropped, 16 bits are rounded to 8. Raises InputError.
    """
    picture = decode(read_file(path), str(path), turn=False)
    return np.ascontiguousarray(as_rgb(as_samples(picture.frames[0], np.uint8))[..., :3])


def read_picture(path: Location, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """The picture in the file `path`. Raises InputError, UnavailableError where an extra is missing."""
    return decode(read_file(path, max_pixels=max_pixels), str(path), max_pixels=max_pixels)


def read_file(path: Location, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """The content of the regular file `path`, or of the object; never waits on a pipe or a device. Raises
    InputError.
    """
    if is_remote(path):
        return _limited(read_object(path, _most_bytes(max_pixels)), str(path), max_pixels)
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer that may never come.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            check_regular(path, os.fstat(descriptor))
            return read_limited(stream, str(path), max_pixels)
    except OSError as error:
        raise InputError(
            f"can't read {path}: {error.strerror or error}; check its name and permissions"
        ) from error


def read_limited(stream: Any, name: str, max_pixels: int) -> bytes:
    """All of `stream`, unless it is longer than any file of `max_pixels` can be. Raises InputError."""
    return _limited(stream.read(_most_bytes(max_pixels) + 1), name, max_pixels)


def _most_bytes(max_pixels: int) -> int:
    return _BYTES_PER_PIXEL * max_pixels + _FILE_OVERHEAD


def _limited(data: bytes, name: str, max_pixels: int) -> bytes:
    if len(data) > (most := _most_bytes(max_pixels)):
        raise InputError(f"{name} is over the limit of {most} bytes; raise --max-pixels if that is meant")
    return data


def check_regular(path: Path, status: os.stat_result) -> None:
    """Raises InputError that says what `path` is, where it is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"can't read {path}: it is {kind_of(status.st_mode)}, not a file")


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
            size = (image.height, image.width) if turned else (image.width, image.height)
            return Header(
                *size,
                channels=4 if image.has_transparency_data else 3,
                sample_bytes=4 if image.mode == "F" else 2 if _is_sixteen_bit(image, data) else 1,
                frames=_frame_count(image),
                file_format=format_decoded_by(str(image.format)),
            )


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


def encode(picture: Picture, encoding: Encoding, name: str) -> bytes:
    """`picture` as the content of a file called `name` in messages.

    What the format can't hold is said with a warning (transparency, metadata) or refused with a UsageError
    (more than one frame).
    """
    entry = encoding.file_format
    load_plugin(entry)
    check_frames(picture, entry, name)
    picture = _without_png_colour(picture, entry, name)
    picture = replace(picture, frames=_fitted(picture, encoding, name))
    picture = _with_fitting_profiles(picture, entry, name)
    picture = _in_srgb(picture, entry, name)
    picture = picture.with_page_metadata(_kept_metadata(picture, entry, name))
    if entry.name == "tiff":
        from ripfdn_cli.pictures.tiff_writing import encode_tiff

        return encode_tiff(picture)
    if picture.animation is not None and entry.name != "png":
        from ripfdn_cli.pictures.animated_files import encode_frames

        return encode_frames(picture, entry, save_options(picture, encoding), name)
    still = (_encode_sixteen_bit if picture.frames[0].dtype == np.uint16 else _encode_still)(
        picture, encoding
    )
    if picture.animation is None:
        return still
    from ripfdn_cli.pictures.apng_files import encode_apng

    return encode_apng(still, picture.frames, picture.animation, _bare_png)


def save_options(picture: Picture, encoding: Encoding) -> dict[str, Any]:
    """What Pillow's `save` is told for this format, metadata included."""
    entry, metadata = encoding.file_format, picture.metadata
    options: dict[str, Any] = {
        name: value
        for name in ("icc_profile", "exif", "xmp", "dpi", "comment")
        if name in entry.metadata and (value := getattr(metadata, name)) is not None
    }
    if entry.name == "avif" and metadata.exif is not None:
        options["exif"] = without_orientation(metadata.exif)  # or Pillow writes it anew
    if entry.name == "png":
        options.pop("xmp", None)
        options["pnginfo"] = png_info(metadata)
        options["compress_level"] = _PNG_LEVEL
    if entry.quality is not None:
        quality = entry.quality if encoding.quality is None else encoding.quality
        options |= {"lossless": True} if encoding.lossless else {"quality": quality}
        if entry.name in ("jpeg", "avif") and quality >= _FULL_COLOUR_FROM:
            options["subsampling"] = "4:4:4"
        if entry.name == "heic" and quality >= _FULL_COLOUR_FROM:
            options["chroma"] = 444
    if entry.name == "jpeg" and metadata.iptc:
        options["extra"] = b"".join(segment_bytes(APP13, data) for data in metadata.iptc)
    return options


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
        raise InputError(f"can't read {name}: {reason}; check that the file is a whole picture") from error


@contextmanager
def _open(data: bytes, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Pillow's image of `data`, not decoded yet, its size within bounds and credible."""
    # Pillow's own check, of twice as many, is for what files ask for later: a GIF's frames, for example.
    Image.MAX_IMAGE_PIXELS = max_pixels
    extra = sniff_extra(data[:16])
    if extra is not None and extra.name == "jxl":
        _check_jxl(data, max_pixels)
    decoders = _decoders([extra] if extra else CORE_FORMATS)
    try:
        image = Image.open(io.BytesIO(data), formats=decoders)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_many_pixels("it says it has more", max_pixels) from error
    except UnidentifiedImageError as error:
        known = ", ".join(entry.title for entry in FORMATS)
        more = "" if find_spec("imageio") else MORE_FORMATS
        raise InputError(
            f"it is not a picture, or damaged, or in another format than {known}{more}"
        ) from error
    with image:
        check_size(image.width, image.height, _frame_count(image), max_pixels)
        most = format_decoded_by(str(image.format)).pixels_per_byte
        if most is not None and image.width * image.height > most * len(data):
            raise InputError(f"it says it is {image.width}×{image.height} px, in {len(data)} bytes")
        yield image


def _decoders(entries: Sequence[Format]) -> list[str]:
    """Pillow's decoders for `entries`, registered."""
    for entry in entries:
        load_plugin(entry)
    # MPO has no decoder of its own to ask for: JPEG's finds it.
    return [decoder for entry in entries for decoder in entry.decoders if decoder != "MPO"]


def _is_for_imageio(data: bytes, name: str) -> bool:
    """Whether no reader of ours takes the file, and imageio may: content counts for more than names."""
    return is_known_to_imageio(name) and not _is_of_ours(data)


def _is_of_ours(data: bytes) -> bool:
    """Whether the file begins as one of a format of ours."""
    if data.startswith(_TIFF_SIGNATURES) or sniff_extra(data[:16]) is not None:
        return True
    try:
        with Image.open(io.BytesIO(data), formats=_decoders(CORE_FORMATS)):
            return True
    except UnidentifiedImageError:
        return False
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True


def _check_not_empty(data: bytes) -> None:
    if not data:
        raise InputError("it is empty (0 bytes); look for a whole copy")


def _check_jxl(data: bytes, max_pixels: int) -> None:
    """What can't be left to the plugin, which decodes when it opens, and the first frame only."""
    header = read_jxl_header(data)
    check_size(header.width, header.height, 1, max_pixels)
    if header.animated:
        raise InputError(
            "animated JPEG XL can't be read; convert it to APNG first, as with djxl in.jxl out.apng"
        )


def _frame_count(image: Image.Image) -> int:
    """Frames of an animation: neither the previews of an MPO (a photograph by a phone) nor the pictures of a
    HEIC, which have no time.
    """
    return 1 if image.format in ("MPO", "HEIF") else int(getattr(image, "n_frames", 1))


def _decode_with_pillow(data: bytes, max_pixels: int) -> tuple[Picture, list[int]]:
    """The picture as it is stored, and the orientation that its EXIF gives to each frame."""
    with _open(data, max_pixels) as image:
        entry = format_decoded_by(str(image.format))
        if _frame_count(image) > 1:
            picture = _decode_animation(image, data, entry, max_pixels)
            picture = replace(picture, metadata=_completed(picture.metadata, image, data))
            return picture, [turn_of(image)] * len(picture.frames)
        pixels = _pixels_beyond_pillow(image, data)
        if entry.name != "ppm" or pixels is None:
            image.load()  # PNG's metadata may follow the pixels, and their checksums want checking
        metadata = read_metadata(image)
        if pixels is None:
            pixels, icc_profile = pixels_of(image)
            metadata = replace(metadata, icc_profile=icc_profile)
        metadata = _completed(metadata, image, data)
        quality = jpeg_quality(image.quantization) if isinstance(image, JpegImageFile) else None
        picture = Picture((pixels,), entry, metadata, jpeg_quality=quality)
        return picture, [turn_of(image)]


def _decode_animation(image: ImageFile.ImageFile, data: bytes, entry: Format, max_pixels: int) -> Picture:
    """PNG is composed here, as Pillow blends half transparent frames otherwise than the specification says,
    and cuts samples to 8 bits.
    """
    from ripfdn_cli.pictures.animated_files import decode_frames, without_opaque_alpha
    from ripfdn_cli.pictures.apng_files import decode_apng

    if entry.name != "png":
        return decode_frames(image, entry, max_pixels)
    metadata = read_metadata(image)
    decode_png = _sixteen_bit_png if data[_PNG_BIT_DEPTH] == 16 else partial(_eight_bit_png, mode=image.mode)
    frames, animation = decode_apng(data, decode_png)
    return Picture(without_opaque_alpha(frames), entry, metadata, animation)


def _sixteen_bit_png(data: bytes) -> Frame:
    import imagecodecs

    samples = imagecodecs.png_decode(data)
    return samples.reshape(*samples.shape[:2], -1)


def _eight_bit_png(data: bytes, mode: str) -> Frame:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        return np.array(image.convert("LA" if mode in ("1", "L", "LA") else "RGBA"))


def _completed(metadata: Metadata, image: Image.Image, data: bytes) -> Metadata:
    """`metadata` with what Pillow's `image` does not tell of the file `data`."""
    entry = format_decoded_by(str(image.format))
    if entry.name == "jpeg":
        return metadata.with_extras_of(data, image.width, image.height)
    if entry.name == "png":
        metadata = replace(metadata, png_colour=png_colour_chunks(data))
    elif entry.name in ("avif", "heic") and metadata.icc_profile is None:
        metadata = replace(metadata, png_colour=_coded_colour(data))
    lost = parts_left_behind(data, entry.name, image.info)
    if entry.name == "heic" and (stills := int(getattr(image, "n_frames", 1))) > 1:
        lost += (f"{stills - 1} of its {stills} pictures, all but the main one",)
    return replace(metadata, lost=lost)


def _pixels_beyond_pillow(image: ImageFile.ImageFile, data: bytes) -> Frame | None:
    """Samples that Pillow would cut to 8 bits, or take minutes to read; None for all others."""
    if image.format == "PPM" and (maximum := _ppm_maximum(image)) is not None:
        pixels = _read_ppm(data, maximum)
    elif image.format == "PNG" and _is_sixteen_bit(image, data):
        import imagecodecs

        pixels = imagecodecs.png_decode(data)
    elif image.format == "AVIF" and (bits := _avif_bits(data)) > 8:
        import imagecodecs

        pixels = _stretched(imagecodecs.avif_decode(data), 2**bits - 1, np.uint16)
    elif image.format == "JXL" and (bits := read_jxl_header(data).bits or 0) > 8:
        import imagecodecs

        pixels = _stretched(imagecodecs.jpegxl_decode(data), 2**bits - 1, np.uint16)
    else:
        return None
    if pixels.shape[:2] != (image.height, image.width):
        raise InputError("its header contradicts its content")
    return pixels.reshape(image.height, image.width, -1)


def _is_sixteen_bit(image: ImageFile.ImageFile, data: bytes) -> bool:
    if image.format == "PNG":
        return data[_PNG_BIT_DEPTH] == 16
    if image.format == "AVIF":
        return _frame_count(image) == 1 and _avif_bits(data) > 8
    if image.format == "JXL":
        return (read_jxl_header(data).bits or 0) > 8
    return image.mode.startswith("I") or (image.format == "PPM" and (_ppm_maximum(image) or 0) > 255)


def _ppm_maximum(image: ImageFile.ImageFile) -> int | None:
    """The sample that means full in a grey or colour PPM; None for the kinds that Pillow reads well."""
    codec, arguments = image.tile[0].codec_name, image.tile[0].args
    if codec == "raw":
        return 65535 if arguments == "I;16B" else None
    return int(arguments[-1]) if isinstance(arguments, tuple) and image.mode != "1" else None


def _read_ppm(data: bytes, maximum: int) -> Frame:
    """uint8 for a `maximum` up to 255, uint16 above it, with the range stretched to the type's."""
    import netpbmfile

    with netpbmfile.NetpbmFile(io.BytesIO(data)) as file:
        samples, colours = file.asarray(), file.magicnumber in ("P3", "P6")
    while samples.ndim > 2 + colours:  # several pictures in a row: the first, as everyone reads it
        samples = samples[0]
    if samples.max() > maximum:
        raise InputError(f"it has samples over its maximum of {maximum}")
    return _stretched(samples, maximum, np.uint8 if maximum < 256 else np.uint16)


def _coded_colour(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The colours of an AVIF or HEIC, as a PNG says it by the same numbers, of its properties (ISO/IEC
    14496-12, 12.1.5). Rec. 709 and numbers that say nothing are left for sRGB, which is how such files are
    shown.
    """
    at = data.find(b"colrnclx", 0, _AVIF_PROPERTIES)
    if not 0 <= at < len(data) - 14:
        return ()
    primaries, transfer = struct.unpack_from(">HH", data, at + 8)
    if primaries in (0, 2) or transfer in (0, 2) or max(primaries, transfer) > 255:
        return ()
    if primaries == 1 and transfer in _SHOWN_AS_SRGB:
        return ()
    return ((b"cICP", bytes((primaries, transfer, 0, 1))),)


def _avif_bits(data: bytes) -> int:
    """Bits of a channel, after the file's property of pixel information (ISO/IEC 23008-12, 6.5.6)."""
    at = data.find(b"pixi", 0, _AVIF_PROPERTIES)
    return data[at + 9] if 0 <= at < len(data) - 9 else 8


def _stretched(samples: NDArray[Any], maximum: int, dtype: type[np.uint8 | np.uint16]) -> Frame:
    """`samples` of which `maximum` means full as samples of `dtype`."""
    top = np.iinfo(dtype).max
    if maximum == top:
        return samples.astype(dtype)
    return ((samples.astype(np.uint64) * top + maximum // 2) // maximum).astype(dtype)


def _turned(picture: Picture, turns: Sequence[int]) -> Picture:
    """`picture` with EXIF's orientations `turns` applied to its frames."""
    if set(turns) == {1}:
        return picture
    frames = tuple(upright(frame, turn) for frame, turn in zip(picture.frames, turns, strict=True))
    metadata = [page.turned(turn) for page, turn in zip(picture.page_metadata, turns, strict=True)]
    return replace(picture, frames=frames).with_page_metadata(metadata)


def check_frames(picture: Picture, entry: Format, name: str) -> None:
    """Raises UsageError where `picture`, called `name`, has more frames than a file of this format."""
    if len(picture.frames) == 1:
        return
    if picture.animation is not None and not entry.animated:
        able = ", ".join(other.name for other in FORMATS if other.animated)
        raise UsageError(
            f"{name} would have {len(picture.frames)} frames, {entry.title} holds one; use {able}"
        )
    if picture.animation is None and entry.name != "tiff":
        raise UsageError(f"{name} would have {len(picture.frames)} pages, {entry.title} holds one; use tiff")


def _fitted(picture: Picture, encoding: Encoding, name: str) -> tuple[Frame, ...]:
    """The frames of `picture` with channels, samples and colours that the format holds."""
    entry, dtype = encoding.file_format, picture.frames[0].dtype
    if dtype != np.uint8 and entry.samples == ("uint8",):
        log.info("%s: rounded to 8 bits a channel, all that %s holds", name, entry.title)
    frames = (as_samples(frame, _nearest_samples(frame, entry)) for frame in picture.frames)
    if not {2, 4} & set(entry.channels):
        if not all(is_opaque(frame) for frame in picture.frames):
            log.warning("%s: %s has no transparency; laid on the background", name, entry.title)
        frames = (without_alpha(frame, encoding.background) for frame in frames)
    return tuple(frame if frame.shape[2] in entry.channels else as_rgb(frame) for frame in frames)


def _nearest_samples(frame: Frame, entry: Format) -> str:
    """The type that `frame` gets in a file of this format: its own, else the deepest there is."""
    return frame.dtype.name if frame.dtype.name in entry.samples else entry.samples[-1]


def _without_png_colour(picture: Picture, entry: Format, name: str) -> Picture:
    """`picture` for a format that has none of PNG's chunks: their meaning in a profile, or in the samples."""
    metadata, frames = picture.metadata, picture.frames
    if entry.name == "png" or not metadata.png_colour:
        return picture
    space = colour_space_of(dict(metadata.png_colour), has_profile=metadata.icc_profile is not None)
    metadata = replace(metadata, png_colour=())
    if space is None or frames[0].dtype.kind == "f":
        return replace(picture, metadata=metadata)
    if "icc_profile" in entry.metadata and not space.is_hdr:
        grey = frames[0].shape[2] < 3 and 1 in entry.channels
        return replace(picture, metadata=replace(metadata, icc_profile=profile_of(space, grey=grey)))
    if space.is_hdr:
        log.warning("%s: its HDR colours become sRGB, clipped above diffuse white; only PNG keeps them", name)
    else:
        log.info("%s: converted to sRGB, as %s holds no profile", name, entry.title)
    frames = tuple(to_srgb(frame, space) for frame in frames)
    return replace(picture, frames=frames, metadata=replace(metadata, icc_profile=None))


def _with_fitting_profiles(picture: Picture, entry: Format, name: str) -> Picture:
    """`picture` with profiles of the kind of its pixels, for which readers ask."""
    if picture.animation is not None:
        frames, icc_profile = fitted_to_profile(picture.frames, picture.metadata.icc_profile, entry, name)
        return replace(picture, frames=frames, metadata=replace(picture.metadata, icc_profile=icc_profile))
    pages = [
        fitted_to_profile((frame,), metadata.icc_profile, entry, name)
        for frame, metadata in zip(picture.frames, picture.page_metadata, strict=True)
    ]
    metadata = [
        replace(page, icc_profile=icc_profile)
        for page, (_, icc_profile) in zip(picture.page_metadata, pages, strict=True)
    ]
    return replace(picture, frames=tuple(page for (page,), _ in pages)).with_page_metadata(metadata)


def _in_srgb(picture: Picture, entry: Format, name: str) -> Picture:
    """`picture` for a format that can't say which colour space its numbers are in."""
    icc_profile = picture.metadata.icc_profile
    if icc_profile is None or "icc_profile" in entry.metadata:
        return picture
    if picture.frames[0].dtype == np.uint8:
        frames = tuple(pixels_of(rgb_to_srgb(image_of(frame), icc_profile))[0] for frame in picture.frames)
    else:
        frames = tuple(sixteen_bits_to_srgb(frame, icc_profile) for frame in picture.frames)
    log.info("%s: converted to sRGB, as %s holds no profile", name, entry.title)
    return replace(picture, frames=frames, metadata=replace(picture.metadata, icc_profile=None))


def _kept_metadata(picture: Picture, entry: Format, name: str) -> list[Metadata]:
    """What the file will say beside each of its frames."""
    return [
        _kept_of_frame(metadata, (frame.shape[1], frame.shape[0]), entry, name)
        for frame, metadata in zip(picture.frames, picture.page_metadata, strict=True)
    ]


def _kept_of_frame(metadata: Metadata, size: tuple[int, int], entry: Format, name: str) -> Metadata:
    """`metadata` corrected for the new size, and what its format can hold of it."""
    metadata = replace(
        metadata,
        exif=metadata.exif and _writable_exif(metadata.exif, *size, name),
        auxiliary=_writable_auxiliary(metadata.auxiliary, *size, name)
        if entry.name == "jpeg"
        else metadata.auxiliary,
    )
    metadata = _with_fitting_xmp(metadata, entry, *size)
    lost = metadata.lost_in(entry)
    if lost or metadata.lost:
        reasons = [f"{in_words(lost)} ({entry.title} can't hold that)"] if lost else []
        log.info("%s: left out: %s", name, "; ".join([*reasons, *metadata.lost]))
    return metadata.without(lost)


def _with_fitting_xmp(metadata: Metadata, entry: Format, width: int, height: int) -> Metadata:
    """`metadata` whose XMP says of the new picture what is true in a file of this format, in a packet of its
    own or, where it is too long for a JPEG segment, in two.
    """
    xmp, extended = metadata.xmp, metadata.extended_xmp
    if xmp is None or "xmp" not in entry.metadata:
        return metadata
    auxiliary = metadata.auxiliary if "auxiliary" in entry.metadata else ()
    video = metadata.video if "video" in entry.metadata else None
    xmp = current_xmp(
        corrected_xmp(xmp, width, height),
        items=xmp_items(auxiliary, video),
        motion=video is not None,
        gain_map=any(map(is_gain_map, auxiliary)),
    )
    if extended is not None and "extended_xmp" not in entry.metadata:
        whole = merged(xmp, corrected_xmp(extended, width, height))
        return replace(metadata, xmp=whole or xmp, extended_xmp=None if whole else extended)
    if extended is None and "extended_xmp" in entry.metadata:
        xmp, extended = split(xmp) or (xmp, None)
    if extended is not None:
        extended = corrected_xmp(extended, width, height)
        xmp = with_extension(xmp, extended)
    return replace(metadata, xmp=xmp, extended_xmp=extended)


def _writable_auxiliary(
    entries: Sequence[AuxiliaryPicture], width: int, height: int, name: str
) -> tuple[AuxiliaryPicture, ...]:
    written = []
    for entry in entries:
        try:
            written.append(enlarged(entry, width, height))
        except Exception as error:  # noqa: BLE001 - decoders raise nearly anything for damaged files
            log.warning("%s: the gain map is damaged (%s) and is left out", name, error)
    return tuple(written)


def _writable_exif(exif: bytes, width: int, height: int, name: str) -> bytes | None:
    try:
        return corrected_exif(exif, width, height)
    except Exception as error:  # noqa: BLE001 - Pillow reads values that it can't write
        log.warning("%s: the EXIF block is damaged (%s) and is left out", name, error)
        return None


def _encode_still(picture: Picture, encoding: Encoding) -> bytes:
    if encoding.file_format.name == "gif":
        from ripfdn_cli.pictures.gif_files import encode_gif

        return encode_gif(picture.frames, comment=picture.metadata.comment)
    options = save_options(picture, encoding)
    stream = io.BytesIO()
    image_of(picture.frames[0]).save(stream, encoding.file_format.encoder, **options)
    if encoding.file_format.name == "png":
        return with_png_colour(stream.getvalue(), picture.metadata.png_colour)
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
    start, stop = donor.index(b"IHDR") + 21, donor.index(b"IDAT") - 4  # after IHDR and its CRC
    position = data.index(b"IHDR") + 21
    return data[:position] + donor[start:stop] + data[position:]
