"""Matrix, range and siting of colour: said explicitly on the way from YUV to RGB and back, by libswscale."""

from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.pixel_formats import alpha_of, bits_of, describe, described

UNSPECIFIED = 2
BT709, BT470BG, SMPTE170M = 1, 5, 6
RGB_MATRIX = 0
PQ, HLG = 16, 18

MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    9: "bt2020nc",
}
"""Matrix coefficients of H.273 that libswscale converts, by its names for them."""
WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Weights of red and blue in luma, by the same numbers (ITU-T H.273, table 4)."""
SITINGS = {
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0.0, 0.0),
    "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0),
    "bottom": (0.5, 1.0),
}
"""Where chroma samples lie for each `Colour.chroma`: px from the first pixel's middle, across and down. By
libswscale's names, in the order of FFmpeg's numbers for them, from 1.
"""
_FULL_RANGE = 2
_CENTRED_CODECS = {"mjpeg", "mpeg1video", "theora"}
"""Codecs whose chroma lies in the middle of its pixels unless the frame says otherwise; others have it to the
left, as in MPEG-2 and what came after it.
"""
WRITTEN_CHROMA = "left"
"""Where chroma samples of results lie."""
_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"


@dataclass(frozen=True)
class ColourTags:
    """What the numbers of a YUV picture mean: `matrix`, `primaries` and `transfer` as ITU-T H.273 numbers
    them (2: unspecified), `full_range` for 0..255 instead of 16..235.
    """

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer is PQ or HLG."""
        return self.transfer in (PQ, HLG)

    def __str__(self) -> str:
        matrix = {RGB_MATRIX: "RGB"}.get(self.matrix) or MATRICES.get(self.matrix) or f"matrix {self.matrix}"
        return f"{matrix}, {'full' if self.full_range else 'limited'} range"


RGB_TAGS = ColourTags(matrix=RGB_MATRIX, full_range=True)


@dataclass(frozen=True)
class Colour:
    """The tags that hold for a video, and which of them (`guessed`) its file doesn't say."""

    tags: ColourTags
    guessed: tuple[str, ...] = ()
    chroma: str = "left"


def colour_of(frame: av.VideoFrame, codec: str) -> Colour:
    """What `frame`, decoded by `codec`, says of its colours; what it doesn't say by its size, as players do.

    Raises InputError for colours that would come out wrong (constant luminance, ICtCp and such).
    """
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj") or is_rgb
    stated = ColourTags(frame.colorspace, frame.color_primaries, frame.color_trc, full)
    chroma = _chroma_of(frame, codec)
    if is_rgb:
        return Colour(replace(stated, matrix=RGB_MATRIX), chroma=chroma)
    if stated.matrix == RGB_MATRIX and describe(frame.format).is_grey:  # as FFmpeg has it of PNG
        stated = replace(stated, matrix=UNSPECIFIED)
    if stated.matrix not in (*MATRICES, UNSPECIFIED):
        raise InputError(
            f"its colours are coded in a way that is not supported (matrix {stated.matrix} of ITU-T H.273); "
            "convert it to BT.709 or BT.2020 non-constant luminance first"
        )
    tags, guessed = _completed(stated, frame.width, frame.height)
    unsaid = [] if frame.color_range or full else ["range"]
    return Colour(tags, (*guessed, *unsaid), chroma)


def _completed(stated: ColourTags, width: int, height: int) -> tuple[ColourTags, tuple[str, ...]]:
    """`stated` with a matrix and primaries: BT.601 up to 576 lines (625 or 525 of old), BT.709 above."""
    if stated.matrix != UNSPECIFIED:
        return stated, ()
    small = height <= 576 and width <= 1024
    matrix = (BT470BG if height > 486 else SMPTE170M) if small else BT709
    primaries = matrix if stated.primaries == UNSPECIFIED else stated.primaries
    return replace(stated, matrix=matrix, primaries=primaries), ("matrix",)


def output_tags(source: ColourTags, pixel_format: str, *, states_range: bool = True) -> ColourTags:
    """The tags of an output in `pixel_format`: those of its source, but for RGB that becomes YUV (BT.709,
    limited), formats that say their range themselves, and codecs that can't state it, which is limited then.
    """
    if described(pixel_format).is_rgb:
        return replace(source, matrix=RGB_MATRIX, full_range=True)
    says_full = pixel_format.startswith("yuvj")
    if source.matrix != RGB_MATRIX:
        return replace(source, full_range=(source.full_range and states_range) or says_full)
    primaries = BT709 if source.primaries == UNSPECIFIED else source.primaries
    transfer = BT709 if source.transfer == UNSPECIFIED else source.transfer
    return ColourTags(BT709, primaries, transfer, full_range=says_full)


class Conversion:
    """One conversion between pixel formats for frames of one size, as FFmpeg's scale filter does it."""

    def __init__(self, width: int, height: int, source: str, target: str, options: str) -> None:
        graph = av.filter.Graph()
        entry = graph.add_buffer(width=width, height=height, format=source, time_base=1)  # type: ignore[arg-type]
        scale = graph.add("scale", f"flags={_FLAGS}{options}")
        leave = graph.add("buffersink")
        graph.link_nodes(entry, scale, graph.add("format", f"pix_fmts={target}"), leave).configure()
        self._graph = graph

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame as the filter graph converts it."""
        self._graph.vpush(frame)
        return self._graph.vpull()


def _chroma_of(frame: av.VideoFrame, codec: str) -> str:
    """Where the chroma samples lie, a key of SITINGS. It is said to libswscale, as frames that go through
    PyAV's filters lose it.
    """
    stated = getattr(frame, "chroma_location", 0)  # PyAV 18 doesn't tell
    if 1 <= stated <= len(SITINGS):
        return list(SITINGS)[stated - 1]
    return "center" if codec in _CENTRED_CODECS else "left"


class ToRgb:
    """Decoded frames as arrays (H, W, 3) RGB, or (H, W, 4) with alpha: uint8 from up to 8 bits a sample,
    uint16 from more.
    """

    def __init__(self, first: av.VideoFrame, colour: Colour) -> None:
        self._like = (first.width, first.height, first.format.name)
        self.format = rgb_format(deep=bits_of(first.format) > 8, alpha=alpha_of(first.format))
        options = ""
        if colour.tags.matrix != RGB_MATRIX:
            options = f":in_color_matrix={MATRICES[colour.tags.matrix]}:in_range={_range(colour.tags)}"
            options += f":in_chroma_loc={colour.chroma}"
        # libswscale gives wrong colours for RGB of 16 bits a pixel in this order (QuickTime's, for one).
        self._swaps = first.format.is_big_endian and first.format.is_rgb and bits_of(first.format) < 8
        source = self._like[2].removesuffix("be") + "le" if self._swaps else self._like[2]
        self._convert = Conversion(*self._like[:2], source, self.format, options)

    def __call__(self, frame: av.VideoFrame) -> NDArray[Any]:
        """Raises InputError where `frame` is not of the first one's size and format."""
        check_alike(frame, self._like)
        return self._convert(_little_endian(frame) if self._swaps else frame).to_ndarray()


def _little_endian(frame: av.VideoFrame) -> av.VideoFrame:
    """`frame` of two bytes a pixel in the other order of bytes."""
    swapped = av.VideoFrame(frame.width, frame.height, frame.format.name.removesuffix("be") + "le")
    old, new = (
        np.frombuffer(memoryview(entry.planes[0]), np.uint16).reshape(entry.height, -1)
        for entry in (frame, swapped)
    )
    new[:, : frame.width] = old[:, : frame.width].byteswap()
    return swapped


def check_alike(frame: av.VideoFrame, like: tuple[int, int, str]) -> None:
    """Raises InputError where `frame` has not the width, height and pixel format `like`."""
    if (frame.width, frame.height, frame.format.name) != like:
        raise InputError(
            f"its frames change from {like[0]}×{like[1]} {like[2]} "
            f"to {frame.width}×{frame.height} {frame.format.name}; cut it with `start` and `end`"
        )


def tag(frame: av.VideoFrame, tags: ColourTags) -> av.VideoFrame:
    """`frame`, to be encoded, with `tags` written into it."""
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    frame.colorspace = tags.matrix
    frame.color_range = _FULL_RANGE if tags.full_range else 1
    frame.pict_type = 0  # the encoder decides
    return frame


class FromRgb:
    """Arrays as ToRgb gives them (in any size: that of `like`) as frames to encode."""

    def __init__(self, like: NDArray[Any], target: str, tags: ColourTags) -> None:
        height, width, channels = like.shape
        self._format = rgb_format(deep=like.dtype == np.uint16, alpha=channels == 4)
        options = ""
        if tags.matrix != RGB_MATRIX:
            options = (
                f":out_color_matrix={MATRICES[tags.matrix]}:out_range={_range(tags)}"
                f":out_chroma_loc={WRITTEN_CHROMA}"
            )
        self._convert = Conversion(width, height, self._format, target, options)
        self._tags = tags

    def __call__(self, pixels: NDArray[Any], carrier: av.VideoFrame | None = None) -> av.VideoFrame:
        """`pixels` as a frame with the tags, and with what `carrier` has beside its picture (captions)."""
        if carrier is None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=self._format)
        else:
            frame = self._carried(pixels, carrier)
        return tag(self._convert(frame), self._tags)

    def _carried(self, pixels: NDArray[Any], carrier: av.VideoFrame) -> av.VideoFrame:
        """PyAV copies side data only with a frame: the carrier is made as large, and its picture replaced."""
        height, width = pixels.shape[:2]
        frame = carrier.reformat(width=width, height=height, format=self._format, interpolation="POINT")
        frame.colorspace = UNSPECIFIED
        plane = frame.planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        lines[:, : width * pixels.itemsize * pixels.shape[2]] = pixels.reshape(height, -1).view(np.uint8)
        return frame


def rgb_format(*, deep: bool, alpha: bool) -> str:
    """FFmpeg's name for interleaved RGB or RGBA of 8 or 16 bits in the machine's byte order."""
    if deep:
        return "rgba64le" if alpha else "rgb48le"
    return "rgba" if alpha else "rgb24"


def _range(tags: ColourTags) -> str:
    return "full" if tags.full_range else "limited"
