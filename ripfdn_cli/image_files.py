"""Pictures in files: pixels in and out. No torch, no command line."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_formats import DECODERS, Format


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB-like values as the file stores them: no orientation, no profile applied.

    Grey becomes three equal channels, transparency is dropped. Raises InputError.
    """
    try:
        with Image.open(path, formats=DECODERS) as image:
            return np.array(image.convert("RGB"))
    except Exception as error:
        raise InputError(
            f"can't read {path}: {_reason(error)}; check that the file is a whole picture"
        ) from error


def encode(pixels: NDArray[Any], file_format: Format) -> bytes:
    """`pixels` (H, W, 3) uint8 RGB as the content of a file."""
    stream = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(stream, file_format.encoder)
    return stream.getvalue()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
