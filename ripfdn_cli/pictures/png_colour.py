"""What PNG's chunks say of its colours (cICP, sRGB, gAMA, cHRM), for formats that have no such chunks: as a
profile, or by converting the samples to sRGB.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.image_math.srgb_curve import linear_to_srgb
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Frame, highest

Matrix = NDArray[np.float64]
"""(3, 3)."""

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D65 = (0.3127, 0.3290)
_REC_709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)
_PRIMARIES = {
    1: _REC_709,
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
}
"""x and y of red, green, blue and white by their numbers in ITU-T H.273, table 2."""

_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_REC_709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, tuple[float, ...]] = {
    1: _REC_709_CURVE,
    4: (2.2,),
    5: (2.8,),
    6: _REC_709_CURVE,
    8: (1.0,),
    13: _SRGB,
    14: _REC_709_CURVE,
    15: _REC_709_CURVE,
}
"""Transfer functions by their numbers in H.273, table 3, as an ICC profile has them (ICC.1:2022, 10.18): an
exponent, or g, a, b, c, d of (a·x + b)^g, c·x below d.
"""
SRGB_TRANSFER = 13
SHOWN_AS_SRGB = (1, 6, SRGB_TRANSFER, 14, 15)
"""Transfer functions of H.273 that viewers of pictures take for sRGB's."""
_PQ, _HLG = 16, 18
_REFERENCE_WHITE = 203.0
"""cd/m² of a diffuse white in HDR (ITU-R BT.2408): what becomes the white of sRGB."""
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
_PLAIN_GAMMA = 45455
"""What programs write in gAMA for sRGB, which no exponent is."""
_STRIP_PIXELS = 2**22


@dataclass(frozen=True)
class ColourSpace:
    """`primaries` are x and y of red, green, blue and white; `curve` is as in a profile, or the number of an
    HDR transfer function in H.273.
    """

    primaries: tuple[float, ...]
    curve: tuple[float, ...] | int

    @property
    def is_hdr(self) -> bool:
        """Whether the curve is one of the HDR transfers."""
        return isinstance(self.curve, int)


def colour_space_of(metadata: Metadata) -> ColourSpace | None:
    """What the chunks of a PNG in `metadata` say, after their precedence (PNG specification, third edition,
    4.3); None for sRGB, for a profile, and where they say nothing that can be used.
    """
    chunks = dict(metadata.png_colour)
    space = _coded(chunks.get(b"cICP", b""))
    if space is None and metadata.icc_profile is None and b"sRGB" not in chunks:
        space = _measured(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))
    return None if space == ColourSpace(_REC_709, _SRGB) else space


def coded_space(primaries: int, transfer: int) -> ColourSpace | None:
    """The space that H.273 numbers so; None for numbers that say nothing, or aren't known here."""
    if primaries not in _PRIMARIES:
        return None
    if transfer in (_PQ, _HLG):
        return ColourSpace(_PRIMARIES[primaries], transfer)
    return ColourSpace(_PRIMARIES[primaries], _CURVES[transfer]) if transfer in _CURVES else None


def profile_of(space: ColourSpace, *, grey: bool) -> bytes:
    """An ICC profile of `space` (not HDR), for pictures in grey or in RGB; the same bytes each time."""
    assert not isinstance(space.curve, int)
    curve = _curve_tag(space.curve)
    tags = {
        b"desc": _text("Colours of the source"),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz(_D50),
    }
    if grey:
        tags[b"kTRC"] = curve
    else:
        colorants = _adaptation(space.primaries) @ _to_xyz(space.primaries)
        tags |= {name: _xyz(colorants[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
        tags[b"chad"] = b"sf32" + bytes(4) + _fixed(_adaptation(space.primaries).ravel())
    return _profile(tags, b"GRAY" if grey else b"RGB ")


def to_srgb(frame: Frame, space: ColourSpace) -> Frame:
    """`frame`, uint8 or uint16 in `space`, in sRGB: what is outside of it is clipped. HDR's diffuse white
    becomes white.
    """
    linear = _linear_values(space, highest(frame.dtype)).astype(np.float32)
    colours = min(frame.shape[2], 3) if frame.shape[2] != 2 else 1
    matrix = (np.linalg.inv(_to_xyz(_REC_709)) @ _matched_white(space.primaries)).astype(np.float32)
    result = frame.copy()
    rows = max(1, _STRIP_PIXELS // frame.shape[1])
    for start in range(0, frame.shape[0], rows):
        strip = _displayed(linear[frame[start : start + rows, :, :colours]], space)
        if colours == 3:
            strip = strip @ matrix.T
        result[start : start + rows, :, :colours] = _encoded(strip, highest(frame.dtype))
    return result


def _coded(chunk: bytes) -> ColourSpace | None:
    """Of cICP; ranges other than full, which PNG's samples have, are left."""
    return coded_space(chunk[0], chunk[1]) if len(chunk) == 4 and chunk[3] == 1 else None


def _measured(gamma: bytes, chromaticities: bytes) -> ColourSpace | None:
    """Of gAMA and cHRM, in hundred-thousandths."""
    exponent = int.from_bytes(gamma, "big") if len(gamma) == 4 else 0
    primaries = _REC_709
    if len(chromaticities) == 32:
        white_x, white_y, *others = (value / 1e5 for value in struct.unpack(">8I", chromaticities))
        found = (*others, white_x, white_y)
        # Rounded to the digits that files have: sRGB's stay sRGB's.
        if _is_usable(found) and any(abs(a - b) > 1e-4 for a, b in zip(found, _REC_709, strict=True)):
            primaries = found
    if not exponent and primaries == _REC_709:
        return None
    curve = _SRGB if exponent in (0, _PLAIN_GAMMA) else (1e5 / exponent,)
    return ColourSpace(primaries, curve)


def _is_usable(primaries: tuple[float, ...]) -> bool:
    if min(primaries[1::2]) <= 0:
        return False
    return bool(abs(np.linalg.det(_chromaticities(primaries))) > 1e-6 and (_scales(primaries) > 0).all())


def _chromaticities(primaries: tuple[float, ...]) -> Matrix:
    pairs = zip(primaries[:6:2], primaries[1:6:2], strict=True)
    return np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in pairs]).T


def _white(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    x, y = primaries[6:]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _scales(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.solve(_chromaticities(primaries), _white(primaries)), np.float64)


def _to_xyz(primaries: tuple[float, ...]) -> Matrix:
    """Linear RGB to XYZ, white at a Y of 1 (Lindbloom, RGB/XYZ Matrices)."""
    return np.asarray(_chromaticities(primaries) * _scales(primaries))


def _adaptation(primaries: tuple[float, ...], target: NDArray[np.float64] | None = None) -> Matrix:
    """From the white of `primaries` to D50, or to the `target` XYZ, by Bradford."""
    goal = _BRADFORD @ (np.array(_D50) if target is None else target)
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(goal / (_BRADFORD @ _white(primaries))) @ _BRADFORD)


def _matched_white(primaries: tuple[float, ...]) -> Matrix:
    """Linear RGB to XYZ as seen under sRGB's white."""
    return np.asarray(_adaptation(primaries, _white(_REC_709)) @ _to_xyz(primaries))


def _linear_values(space: ColourSpace, top: int) -> NDArray[np.float64]:
    """Linear light, 1 for white, of each sample from 0 to `top`."""
    x = np.arange(top + 1) / top
    if space.curve == _PQ:  # SMPTE ST 2084
        root = x ** (1 / 78.84375)
        light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return np.asarray(10_000 / _REFERENCE_WHITE * light ** (1 / 0.1593017578125))
    if space.curve == _HLG:  # ITU-R BT.2100, scene light; `_displayed` does the rest
        upper = (np.exp((x - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(x <= 0.5, x * x / 3, upper)
    assert not isinstance(space.curve, int)
    if len(space.curve) == 1:
        return np.asarray(x ** space.curve[0])
    g, a, b, c, d = space.curve
    return np.where(x >= d, (a * x + b) ** g, c * x)


def _displayed(light: NDArray[np.float32], space: ColourSpace) -> NDArray[np.float32]:
    """Light of a display of 1000 cd/m² for HLG's light of a scene (BT.2100); all other light as it is."""
    if space.curve != _HLG:
        return light
    luma = light  # of grey
    if light.shape[-1] == 3:
        luma = (light @ _to_xyz(space.primaries)[1].astype(np.float32))[..., None]
    return np.asarray(light * luma ** np.float32(_HLG_GAMMA - 1) * np.float32(_HLG_PEAK / _REFERENCE_WHITE))


def _encoded(light: NDArray[np.float32], top: int) -> NDArray[Any]:
    return np.asarray(linear_to_srgb(np.clip(light, 0, 1)) * top + 0.5)


def _curve_tag(curve: tuple[float, ...]) -> bytes:
    kind = 0 if len(curve) == 1 else 3
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + _fixed(curve)


def _fixed(values: Any) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _xyz(values: Any) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _text(value: str) -> bytes:
    content = value.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(content), 28) + content


def _profile(tags: Mapping[bytes, bytes], space: bytes) -> bytes:
    """A display profile of version 4.3 (ICC.1:2022, 7)."""
    contents = dict.fromkeys(content.ljust(-(-len(content) // 4) * 4, b"\0") for content in tags.values())
    offset, places = 128 + 4 + 12 * len(tags), dict[bytes, int]()
    for content in contents:
        places[content] = offset
        offset += len(content)
    index = b""
    for name, content in tags.items():
        padded = content.ljust(-(-len(content) // 4) * 4, b"\0")
        index += name + struct.pack(">II", places[padded], len(content))
    head = struct.pack(">I4xI4s4s4s6H", offset, 0x04300000, b"mntr", space, b"XYZ ", 2000, 1, 1, 0, 0, 0)
    head = (head + b"acsp").ljust(68, b"\0") + _fixed(_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + b"".join(contents)
