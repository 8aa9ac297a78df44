"""What an HDR video says of the screen it was made on: read from its frames, and put for encoders."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av

from ripfdn_cli.video.pyav_versions import side_data_of

Point = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class MasteringDisplay:
    """SMPTE ST 2086: CIE 1931 xy of red, green, blue and white, and luminance in cd/m²; None where unsaid."""

    primaries: tuple[Point, Point, Point, Point] | None
    luminance: tuple[Fraction, Fraction] | None

    @property
    def is_complete(self) -> bool:
        """Codecs take both or nothing; FFmpeg gives no luminance that it takes for impossible."""
        return self.primaries is not None and self.luminance is not None


@dataclass(frozen=True)
class HdrMetadata:
    """`light_level`: MaxCLL and MaxFALL of CTA-861.3 in cd/m². `dynamic`: names of metadata that change from
    scene to scene, which no encoder here takes. `needs_dynamic`: without those the colours are wrong; None
    where it isn't said.
    """

    mastering: MasteringDisplay | None = None
    light_level: tuple[int, int] | None = None
    dynamic: tuple[str, ...] = ()
    needs_dynamic: bool | None = None

    def __bool__(self) -> bool:
        return self.mastering is not None or self.light_level is not None


NO_HDR = HdrMetadata()
_DYNAMIC = {"DOVI_METADATA": "Dolby Vision", "DOVI_RPU_BUFFER": "Dolby Vision", "DYNAMIC_HDR_PLUS": "HDR10+"}
_DYNAMIC |= {"DYNAMIC_HDR_VIVID": "HDR Vivid"}


def hdr_metadata_of(frames: Iterable[av.VideoFrame]) -> HdrMetadata:
    """What `frames` carry, from their own bits or from their container. FFmpeg 9 gives the first frame of
    HEVC only a part of it.
    """
    sides = {name: bytes(side) for frame in frames for name, side in side_data_of(frame).items()}
    mastering = sides.get("MASTERING_DISPLAY_METADATA")
    light = sides.get("CONTENT_LIGHT_LEVEL")
    return HdrMetadata(
        mastering=None if mastering is None else _mastering_display(mastering),
        light_level=None if light is None else struct.unpack("=2I", light[:8]),
        dynamic=tuple(sorted({_DYNAMIC[name] for name in sides if name in _DYNAMIC})),
        needs_dynamic=_needs_dolby_vision(sides.get("DOVI_METADATA")),
    )


def x265_parameters(metadata: HdrMetadata) -> list[str]:
    """As x265 takes it: G, B, R and white in 1/50000, highest and lowest luminance in 1/10000 cd/m²."""
    return [
        *_x26x_mastering("master-display", metadata),
        *([] if metadata.light_level is None else ["max-cll={},{}".format(*metadata.light_level)]),
    ]


def x264_parameters(metadata: HdrMetadata) -> list[str]:
    """As x264 takes it: in x265's units, under other names."""
    return [
        *_x26x_mastering("mastering-display", metadata),
        *([] if metadata.light_level is None else ["cll={},{}".format(*metadata.light_level)]),
    ]


def svt_av1_parameters(metadata: HdrMetadata) -> list[str]:
    """As SVT-AV1 takes them: CIE xy and cd/m² as decimals."""
    parameters = []
    mastering = metadata.mastering
    if mastering is not None and mastering.primaries and mastering.luminance:
        red, green, blue, white = mastering.primaries
        points = zip("GBR", (green, blue, red), strict=True)
        text = "".join(f"{name}({float(x):.5f},{float(y):.5f})" for name, (x, y) in points)
        low, high = mastering.luminance
        text += f"WP({float(white[0]):.5f},{float(white[1]):.5f})L({float(high):.4f},{float(low):.4f})"
        parameters.append(f"mastering-display={text}")
    if metadata.light_level is not None:
        parameters.append("content-light={},{}".format(*metadata.light_level))
    return parameters


def _x26x_mastering(name: str, metadata: HdrMetadata) -> list[str]:
    mastering = metadata.mastering
    if mastering is None or not (mastering.primaries and mastering.luminance):
        return []
    red, green, blue, white = mastering.primaries
    points = zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
    text = "".join(f"{label}({round(x * 50000)},{round(y * 50000)})" for label, (x, y) in points)
    low, high = mastering.luminance
    return [f"{name}={text}L({round(high * 10000)},{round(low * 10000)})"]


def _mastering_display(data: bytes) -> MasteringDisplay:
    """FFmpeg's AVMasteringDisplayMetadata: ten ratios of ints (R, G, B, white as x, y; lowest and highest
    luminance), then whether primaries and luminance are set.
    """
    numbers = struct.unpack("=22i", data[:88])
    ratios = [Fraction(n, d or 1) for n, d in zip(numbers[0:20:2], numbers[1:20:2], strict=True)]
    points = tuple(zip(ratios[0:8:2], ratios[1:8:2], strict=True))
    return MasteringDisplay(
        primaries=(points[0], points[1], points[2], points[3]) if numbers[20] else None,
        luminance=(ratios[8], ratios[9]) if numbers[21] else None,
    )


def _needs_dolby_vision(data: bytes | None) -> bool | None:
    """Whether the picture is of Dolby Vision's own colours (IPTPQc2, its profile 5, in AV1 10.0), which no
    other screen shows right; None where `data`, FFmpeg's AVDOVIMetadata, doesn't tell.

    It begins with the offset of AVDOVIRpuDataHeader, whose bytes 4 and 10 are vdr_rpu_profile and
    bl_video_full_range_flag. 0 with full range is profile 5; 1 is 4, 7 or 8, which have other base layers.
    """
    if data is None:
        return None
    (header,) = struct.unpack("@N", data[: struct.calcsize("@N")])
    profile, full_range = data[header + 4], data[header + 10]
    if profile == 0 and full_range:
        return True
    return False if profile == 1 else None
