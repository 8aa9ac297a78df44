"""Matrix, range and siting of colour: said explicitly on the way from YUV to RGB and back, by libswscale."""

import re
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
from numpy.typing import DTypeLike, NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.pixel_formats import alpha_of, bits_of, describe, described

UNSPECIFIED = 2
BT709, BT470BG, SMPTE170M = 1, 5, 6
RGB_MATRIX = 0
PQ, HLG = 16, 18
_ORDINARY_PRIMARIES = (0, UNSPECIFIED, 3, BT709, BT470BG, SMPTE170M, 7)
"""Of BT.709 and BT.601, and what says nothing (H.273, table 2)."""

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
_PLANAR = re.compile(r"yuv[aj]?(?P<subsampling>420|422|444)p(\d+le)?")
_SWSCALES_WHITE_BITS = 8
"""Where YUV becomes RGB of 16 bits or the other way round, libswscale's white is 255 << 8 (from YUV of full
range: the highest code, shifted up), not 65535.
"""
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
    def is_wide(self) -> bool:
        """Whether the primaries are others than those of BT.709 and BT.601, which look much alike."""
        return self.primaries not in _ORDINARY_PRIMARIES

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


def colour_of(frame: av.VideoFrame, codec: str, chroma: str | None = None) -> Colour:
    """What `frame`, decoded by `codec`, says of its colours; what it doesn't say by its size, as players do.
    `chroma`: where its container has the samples, a key of SITINGS.

    Raises InputError for colours that would come out wrong (constant luminance, ICtCp and such).
    """
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj") or is_rgb
    stated = ColourTags(frame.colorspace, frame.color_primaries, frame.color_trc, full)
    chroma = chroma or _chroma_of(frame, codec)
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
        options, self._white_bits = "", 0
        if colour.tags.matrix != RGB_MATRIX:
            options = f":in_color_matrix={MATRICES[colour.tags.matrix]}:in_range={_range(colour.tags)}"
            options += f":in_chroma_loc={colour.chroma}"
            if bits_of(first.format) > 8:
                self._white_bits = bits_of(first.format) if colour.tags.full_range else _SWSCALES_WHITE_BITS
        # libswscale gives wrong colours for RGB of 16 bits a pixel in this order (QuickTime's, for one).
        self._swaps = first.format.is_big_endian and first.format.is_rgb and bits_of(first.format) < 8
        source = self._like[2].removesuffix("be") + "le" if self._swaps else self._like[2]
        self._convert = Conversion(*self._like[:2], source, self.format, options)

    def __call__(self, frame: av.VideoFrame) -> NDArray[Any]:
        """Raises InputError where `frame` is not of the first one's size and format."""
        check_alike(frame, self._like)
        converted = self._convert(_little_endian(frame) if self._swaps else frame)
        pixels: NDArray[Any] = converted.to_ndarray()
        if self._white_bits:
            _raise_white(pixels[..., :3], self._white_bits)
        return pixels


def _raise_white(colours: NDArray[np.uint16], bits: int) -> None:
    """Make `colours`, whose white is the highest code of `bits` with zeros behind, fill all 16, in place."""
    white = ((1 << bits) - 1) << (16 - bits)
    np.minimum(colours, white, out=colours)
    colours += colours >> bits


def _lowered_white(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """`pixels` whose colours have white where libswscale expects it."""
    lowered = pixels.copy()
    lowered[..., :3] -= pixels[..., :3] >> _SWSCALES_WHITE_BITS
    return lowered


def _little_endian(frame: av.VideoFrame) -> av.VideoFrame:
    """`frame` of two bytes a pixel in the other order of bytes."""
    swapped = av.VideoFrame(frame.width, frame.height, frame.format.name.removesuffix("be") + "le")
    old, new = (lines_of(entry.planes[0], np.uint16) for entry in (frame, swapped))
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
        options, self._lowers_white = "", False
        if tags.matrix != RGB_MATRIX:
            self._lowers_white = like.dtype == np.uint16
            options = (
                f":out_color_matrix={MATRICES[tags.matrix]}:out_range={_range(tags)}"
                f":out_chroma_loc={WRITTEN_CHROMA}"
            )
        self._convert = Conversion(width, height, self._format, target, options)
        self._tags = tags
        loses_bits = like.dtype == np.uint16 and described(target).bits <= 8  # which is dithered
        self._chroma = None
        if tags.full_range and not loses_bits and (planar := _PLANAR.fullmatch(target)):
            self._chroma = _FullRangeChroma(width, height, self._format, planar["subsampling"], tags.matrix)

    def __call__(self, pixels: NDArray[Any], carrier: av.VideoFrame | None = None) -> av.VideoFrame:
        """`pixels` as a frame with the tags, and with what `carrier` has beside its picture (captions)."""
        if self._lowers_white:
            pixels = _lowered_white(pixels)
        if carrier is None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=self._format)
        else:
            frame = self._carried(pixels, carrier)
        converted = self._convert(frame)
        if self._chroma is not None:
            self._chroma.correct(converted, frame)
        return tag(converted, self._tags)

    def _carried(self, pixels: NDArray[Any], carrier: av.VideoFrame) -> av.VideoFrame:
        """PyAV copies side data only with a frame: the carrier is made as large, and its picture replaced."""
        height, width = pixels.shape[:2]
        frame = carrier.reformat(width=width, height=height, format=self._format, interpolation="POINT")
        frame.colorspace = UNSPECIFIED
        lines = lines_of(frame.planes[0], np.uint8)
        lines[:, : width * pixels.itemsize * pixels.shape[2]] = pixels.reshape(height, -1).view(np.uint8)
        return frame


class _FullRangeChroma:
    """Chroma of full range, which libswscale makes half a code too small: it has grey in the middle of the
    range, not at 2^(bits − 1) (ITU-T H.273, 8.3). Made here of its chroma of limited range, 16 bits deep.
    """

    def __init__(self, width: int, height: int, source: str, subsampling: str, matrix: int) -> None:
        options = f":out_color_matrix={MATRICES[matrix]}:out_range=limited:out_chroma_loc={WRITTEN_CHROMA}"
        self._convert = Conversion(width, height, source, f"yuv{subsampling}p16le", options)

    def correct(self, converted: av.VideoFrame, frame: av.VideoFrame) -> None:
        """Replace the chroma of `converted`, which was made of the RGB in `frame`."""
        bits = bits_of(converted.format)
        top, grey = 2**bits - 1, 2 ** (bits - 1)
        limited = self._convert(frame)
        for place in (1, 2):
            deep, plane = limited.planes[place], converted.planes[place]
            samples = lines_of(deep, np.uint16)[:, : deep.width].astype(np.float32)
            codes = (samples - 2**15) * np.float32(top / (224 * 256)) + grey
            lines = lines_of(plane, np.uint16 if bits > 8 else np.uint8)
            lines[:, : plane.width] = np.clip(np.rint(codes), 0, top)


def lines_of(plane: Any, dtype: DTypeLike) -> NDArray[Any]:
    """What lies in memory at an av.VideoPlane, as samples (lines, columns) with the padding of its lines."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return lines.view(dtype)


def rgb_format(*, deep: bool, alpha: bool) -> str:
    """FFmpeg's name for interleaved RGB or RGBA of 8 or 16 bits in the machine's byte order."""
    if deep:
        return "rgba64le" if alpha else "rgb48le"
    return "rgba" if alpha else "rgb24"


def _range(tags: ColourTags) -> str:
    return "full" if tags.full_range else "limited"
