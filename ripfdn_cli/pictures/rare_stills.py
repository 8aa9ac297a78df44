"""Stills of formats that no reader of ours knows, and imageio's plugins don't either, or not rightly: PAM and
PFM, QOI, Photoshop's files as they look, XBM, and JPEG 2000 of more than 8 bits.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.iso_boxes import boxes
from ripfdn_cli.pictures.pillow_pixels import pixels_of

_BY_PILLOW = {".psd": "PSD", ".qoi": "QOI", ".xbm": "XBM"}
_BY_NETPBM = (".pam", ".pfm")
RARE_SUFFIXES = (*_BY_PILLOW, *_BY_NETPBM)
_JPEG_2000, _DEPTH_AT = b"\xff\x4f\xff\x51", 42
"""How a codestream begins, and where in it the depth of the first channel is (ISO/IEC 15444-1, A.5.1)."""


def is_rare_still(data: bytes, suffix: str) -> bool:
    """Whether the file content `data` with the suffix `suffix` is for `opened_rare_still`."""
    return suffix in RARE_SUFFIXES or jpeg_2000_bits(data) > 8


def jpeg_2000_bits(data: bytes) -> int:
    """Bits of a channel in a JPEG 2000 file; 0 for others."""
    starts = (start for kind, start, _ in boxes(data) if kind == b"jp2c")
    at = 0 if data.startswith(_JPEG_2000) else next(starts, len(data))
    head = data[at : at + _DEPTH_AT + 1]
    return (head[-1] & 127) + 1 if head.startswith(_JPEG_2000) and len(head) > _DEPTH_AT else 0


@dataclass(frozen=True)
class RareStill:
    """A file as imageio's plugins open one: with `properties`, `metadata` and `read` of one picture. It is in
    `samples`, or in `image`, not decoded yet, or in the JPEG 2000 file `deep` whose `image` has fewer bits.
    """

    image: Image.Image | None
    samples: NDArray[Any] | None = None
    deep: bytes | None = None

    def properties(self, index: object) -> SimpleNamespace:
        """`shape`, `dtype` and `n_images`, before anything is decoded by Pillow."""
        if self.samples is not None:
            return SimpleNamespace(shape=self.samples.shape, dtype=self.samples.dtype, n_images=1)
        assert self.image is not None
        shape = (self.image.height, self.image.width, len(self.image.getbands()))
        dtype = np.dtype(np.uint8 if self.deep is None else np.uint16)
        return SimpleNamespace(shape=shape, dtype=dtype, n_images=1)

    def metadata(self, index: object) -> dict[str, Any]:
        """What Pillow tells of the file: its `icc_profile`, if it has one."""
        return {} if self.image is None else {str(name): value for name, value in self.image.info.items()}

    def read(self, index: object) -> NDArray[Any]:
        """(H, W, C)."""
        if self.samples is not None:
            return self.samples
        if self.deep is not None:
            return _read_jpeg_2000(self.deep)
        assert self.image is not None
        pixels, _ = pixels_of(self.image)
        return 255 - pixels if self.image.mode == "1" else pixels  # XBM and Photoshop's: ones are black


@contextmanager
def opened_rare_still(data: bytes, suffix: str) -> Iterator[RareStill]:
    """The file content `data`, which `is_rare_still`. Raises InputError."""
    try:
        if suffix not in RARE_SUFFIXES:
            still = RareStill(Image.open(io.BytesIO(data), formats=["JPEG2000"]), deep=data)
        elif suffix in _BY_NETPBM:
            still = RareStill(None, _read_netpbm(data))
        else:
            still = RareStill(Image.open(io.BytesIO(data), formats=[_BY_PILLOW[suffix]]))
    except Exception as error:  # decoders raise nearly anything for what they can't read
        told = "" if isinstance(error, UnidentifiedImageError) else f" ({' '.join(str(error).split())})"
        raise InputError(
            f"this kind of {suffix} can't be read{told}; check that the file is a whole picture, or convert "
            "it to PNG or TIFF first"
        ) from error
    yield still


def _read_netpbm(data: bytes) -> NDArray[Any]:
    """(H, W) or (H, W, C), uint8 and uint16 at their full range, or floats as they are."""
    import netpbmfile

    with netpbmfile.NetpbmFile(io.BytesIO(data)) as file:
        samples, maximum = np.asarray(file.asarray()), int(file.maxval)
    if samples.dtype.kind == "f":
        return samples[::-1]  # its rows go from the bottom to the top
    top = np.iinfo(np.uint8 if maximum < 256 else np.uint16).max
    return np.rint(samples * (top / maximum)).astype(np.uint8 if top == 255 else np.uint16)


def _read_jpeg_2000(data: bytes) -> NDArray[np.uint16]:
    """(H, W) or (H, W, C), at the full range of uint16; signed samples, whose middle is 0, from black up."""
    import imagecodecs

    bits = jpeg_2000_bits(data)
    top = 2**bits - 1
    samples: NDArray[Any] = np.asarray(imagecodecs.jpeg2k_decode(data))
    if samples.dtype.kind == "i":
        samples = samples.astype(np.int64) + 2 ** (bits - 1)
    full: NDArray[np.uint16] = np.rint(samples * (65535 / top)).astype(np.uint16)
    return full
