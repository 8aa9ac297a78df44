"""Stills of formats that no reader of ours knows, and imageio's plugins don't either, or not rightly: PAM and
PFM, QOI, Photoshop's files as they look, XBM.
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
from ripfdn_cli.pictures.pillow_pixels import pixels_of

_BY_PILLOW = {".psd": "PSD", ".qoi": "QOI", ".xbm": "XBM"}
_BY_NETPBM = (".pam", ".pfm")
RARE_SUFFIXES = (*_BY_PILLOW, *_BY_NETPBM)


@dataclass(frozen=True)
class RareStill:
    """A file as imageio's plugins open one: with `properties`, `metadata` and `read` of one picture."""

    image: Image.Image | None
    samples: NDArray[Any] | None = None

    def properties(self, index: object) -> SimpleNamespace:
        """`shape`, `dtype` and `n_images`, before anything is decoded by Pillow."""
        if self.samples is not None:
            return SimpleNamespace(shape=self.samples.shape, dtype=self.samples.dtype, n_images=1)
        assert self.image is not None
        shape = (self.image.height, self.image.width, len(self.image.getbands()))
        return SimpleNamespace(shape=shape, dtype=np.dtype(np.uint8), n_images=1)

    def metadata(self, index: object) -> dict[str, Any]:
        """What Pillow tells of the file: its `icc_profile`, if it has one."""
        return {} if self.image is None else {str(name): value for name, value in self.image.info.items()}

    def read(self, index: object) -> NDArray[Any]:
        """(H, W, C)."""
        if self.samples is not None:
            return self.samples
        assert self.image is not None
        pixels, _ = pixels_of(self.image)
        return 255 - pixels if self.image.format == "XBM" else pixels  # whose ones are black


@contextmanager
def opened_rare_still(data: bytes, suffix: str) -> Iterator[RareStill]:
    """The file content `data`, of the format that `suffix`, one of RARE_SUFFIXES, stands for. Raises
    InputError.
    """
    try:
        if suffix in _BY_NETPBM:
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
