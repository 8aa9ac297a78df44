"""Files of formats that no reader of ours knows, by whatever plugin of imageio is installed for their suffix.

Only by suffix: a decoder for rare files never sees a byte of a file that is called otherwise.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.formats import RAW_SUFFIXES, SUFFIXES, Format, format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Animation, Frame, Header, Picture, check_size
from ripfdn_cli.pictures.rare_stills import RARE_SUFFIXES, is_rare_still, opened_rare_still

MORE_FORMATS = '; imageio reads more of them, by their suffixes: pip install "ripfdn-cli[raw]"'
_FOR_VIDEO = ("pyav", "FFMPEG")
_OLD_PILLOW = "-PIL"
"""How the names of plugins end that do what the plugin pillow does, less well."""
_DRAWINGS = (".emf", ".eps", ".pdf", ".ps", ".wmf")
"""Of lines, at no resolution of their own; some are programs that a decoder would run."""
_JPEGS = (".mpo",)
_SIXTEEN_BIT_SGI = (b"\x01\xda\0\2", b"\x01\xda\1\2")
"""How such files begin, not compressed and compressed, of which Pillow reads the upper bytes."""
_SAMPLES = ("uint8", "uint16", "int8", "int16", "uint32", "int32", "float32")
_STILL, _DEEP = "png", "tiff"


def is_known_to_imageio(name: str) -> bool:
    """Whether imageio is installed and has plugins for files that are called so, and no reader of ours has;
    or the file is one of `rare_stills`. Whether one of the plugins works is found out by reading.
    """
    return _suffix(name) in RARE_SUFFIXES or bool(_plugins(name))


def read_other_header(data: bytes, name: str, max_pixels: int) -> Header:
    """Raises InputError."""
    with _opened(data, name) as file:
        count, animated = _frames_of(file)
        properties = file.properties(index=0)
    height, width, channels = (*properties.shape, 1)[:3]
    frames = count if animated else 1
    check_size(width, height, frames, max_pixels)
    dtype = np.dtype(properties.dtype)
    file_format = _format_for(dtype, animated=animated)
    return Header(width, height, channels, min(dtype.itemsize, 4), frames, file_format)


def decode_other(data: bytes, name: str, max_pixels: int) -> Picture:
    """The picture; an animation where the file says how long its frames show. Of several pictures without
    times the first. Raises InputError.
    """
    read_other_header(data, name, max_pixels)
    with _opened(data, name) as file:
        count, animated = _frames_of(file)
        wanted = range(count if animated else 1)
        frames = tuple(_as_frame(file.read(index=index)) for index in wanted)
        told = file.metadata(index=0)
        durations = tuple(float(file.metadata(index=index)["duration"]) for index in wanted if animated)
    profile = told.get("icc_profile")
    lost = (
        *(["its EXIF data"] if "exif" in told else []),
        *(["8 of its 16 bits"] if data.startswith(_SIXTEEN_BIT_SGI) else []),
        *([f"{count - 1} of its {count} pictures, all but the first"] if not animated and count > 1 else []),
    )
    return Picture(
        frames,
        _format_for(frames[0].dtype, animated=animated),
        Metadata(icc_profile=profile if isinstance(profile, bytes) else None, lost=lost),
        Animation(durations, plays=0) if animated else None,
    )


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _plugins(name: str) -> list[str]:
    suffix = _suffix(name)
    if suffix in ("", *SUFFIXES, *RAW_SUFFIXES, *_DRAWINGS, *_JPEGS) or find_spec("imageio") is None:
        return []
    from imageio.config import known_extensions

    entries = [entry for key in (suffix, suffix.upper()) for entry in known_extensions.get(key, ())]
    found = [plugin for entry in entries for plugin in entry.priority]
    return [
        plugin
        for plugin in dict.fromkeys(found)
        if plugin not in _FOR_VIDEO and not plugin.endswith(_OLD_PILLOW)
    ]


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[Any]:
    """The file in the first of imageio's plugins for it that opens it, or as one of `rare_stills`."""
    Image.MAX_IMAGE_PIXELS = None  # not an earlier picture's limit: here `read_other_header` knows it
    suffix = _suffix(name)
    if is_rare_still(data, suffix):
        with opened_rare_still(data, suffix) as still:
            yield still
        return
    from imageio.v3 import imopen

    open_with: Any = imopen  # its overloads name but some plugins
    reason = "none of them is installed"
    for plugin in _plugins(name):
        try:
            file = open_with(io.BytesIO(data), "r", plugin=plugin, extension=suffix)
        except ImportError:
            continue
        except Exception as error:  # noqa: BLE001 - plugins raise nearly anything for what they can't read
            reason = " ".join(str(error).replace("`", "").split()) or type(error).__name__
            continue
        with file:
            yield file
        return
    raise InputError(
        f"imageio's plugins for {suffix} can't read it ({reason}); check that the file is a whole picture, "
        "or convert it to PNG or TIFF first"
    )


def _frames_of(file: Any) -> tuple[int, bool]:
    """How many pictures there are, and whether they are frames that show one after the other."""
    count = int(file.properties(index=...).n_images or 1)
    return count, count > 1 and "duration" in file.metadata(index=0)


def _as_frame(samples: Any) -> Frame:
    """(H, W) or (H, W, C) of any type as a frame. Raises InputError."""
    frame = np.asarray(samples)
    if frame.dtype == bool:
        frame = frame.astype(np.uint8) * np.uint8(255)
    elif frame.dtype.kind == "f":
        frame = frame.astype(np.float32)
    frame = frame.astype(frame.dtype.newbyteorder("="), copy=False)
    if frame.ndim == 2:
        frame = frame[..., None]
    if frame.dtype.name not in _SAMPLES or frame.ndim != 3 or not 1 <= frame.shape[2] <= 4:
        raise InputError(
            f"it holds samples of type {frame.dtype} in the shape {frame.shape}, not a picture in grey or "
            "RGB; convert it to PNG or TIFF first"
        )
    return np.ascontiguousarray(frame)


def _format_for(dtype: np.dtype[Any], *, animated: bool) -> Format:
    """What its result is written as where nothing says otherwise."""
    fits = animated or dtype.name in ("bool", "uint8", "uint16")
    return format_named(_STILL if fits else _DEEP)
