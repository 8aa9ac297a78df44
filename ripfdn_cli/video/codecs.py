"""The codecs that video is encoded with: their encoders in FFmpeg, their settings, their pixel formats."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import av

from ripfdn_cli.errors import UnavailableError, UsageError
from ripfdn_cli.video.hdr import HdrMetadata, svt_av1_parameters, x264_parameters, x265_parameters

log = logging.getLogger(__name__)

_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_NVENC_PRESETS = tuple(f"p{number}" for number in range(1, 8))
_QSV_PRESETS = _X26X_PRESETS[2:9]
_AMF_PRESETS = ("speed", "balanced", "quality")


@dataclass(frozen=True)
class Codec:
    """One choice of --codec.

    `encoder`, `preset_option` and `options` are FFmpeg's names, `quality_options` those that take --crf.
    `crf` is the default and `crf_range` what is allowed, None where there is no such setting. `hdr` gives the
    entries of `parameters_option` that describe a mastering display. `keeps_captions`: closed captions that
    lie in the frames are written. `even_sides`: 4:2:0 and 4:2:2 need sides of an even number of pixels.
    `quicktime_tag`: what MP4 and QuickTime players know the codec by. `segment_muxer`: what holds pieces of
    it, with any time base, exactly. `bits_per_pixel`: about what it makes of upscaled film at its default
    quality, to foresee how much room a result takes.
    """

    name: str
    encoder: str
    title: str
    crf: int | None = None
    crf_range: tuple[int, int] = (0, 51)
    quality_options: tuple[str, ...] = ("crf",)
    preset: str | None = None
    preset_option: str = "preset"
    presets: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    parameters: tuple[str, ...] = ()
    parameters_option: str | None = None
    hdr: Callable[[HdrMetadata], list[str]] | None = None
    even_sides: bool = True
    keeps_captions: bool = False
    keeps_alpha: bool = False
    quicktime_tag: str | None = None
    segment_muxer: str = "nut"
    bits_per_pixel: float = 0.12

    def encoder_options(self, crf: int | None, preset: str | None, hdr: HdrMetadata) -> dict[str, str]:
        """FFmpeg's options for these settings. Raises UsageError for values the codec doesn't have."""
        crf = self.crf if crf is None else crf
        preset = self.preset if preset is None else preset
        options = dict(self.options)
        if crf is not None:
            self._check_crf(crf)
            options |= dict.fromkeys(self.quality_options, str(crf))
        if preset is not None:
            self._check_preset(preset)
            options[self.preset_option] = preset
        parameters = [*self.parameters, *self._hdr_parameters(hdr)]
        if self.parameters_option is not None and parameters:
            options[self.parameters_option] = ":".join(parameters)
        return options

    def _check_crf(self, crf: int) -> None:
        if self.crf is None:
            raise UsageError(f"--crf says nothing to {self.title}; leave it")
        low, high = self.crf_range
        if not low <= crf <= high:
            raise UsageError(f"--crf {crf}: {self.title} takes {low} (best) to {high}")

    def _check_preset(self, preset: str) -> None:
        if preset not in self.presets:
            known = ", ".join(self.presets) or "none"
            raise UsageError(f"--preset {preset}: {self.title} has {known}")

    def _hdr_parameters(self, hdr: HdrMetadata) -> list[str]:
        if not hdr:
            return []
        if self.hdr is None:
            raise UsageError(
                f"the input is HDR with mastering data, which {self.title} can't keep here; "
                "use --codec x265, av1 or x264"
            )
        return self.hdr(hdr)


CODECS = (
    Codec(
        "x264",
        "libx264",
        "x264",
        crf=18,
        preset="medium",
        presets=_X26X_PRESETS,
        parameters_option="x264-params",
        hdr=x264_parameters,
        keeps_captions=True,
    ),
    Codec(
        "x265",
        "libx265",
        "x265",
        crf=20,
        preset="medium",
        presets=_X26X_PRESETS,
        options=(("a53cc", "1"),),
        parameters=("log-level=error",),
        parameters_option="x265-params",
        hdr=x265_parameters,
        keeps_captions=True,
        quicktime_tag="hvc1",
    ),
    Codec(
        "av1",
        "libsvtav1",
        "SVT-AV1",
        crf=28,
        crf_range=(1, 63),
        preset="8",
        presets=tuple(str(number) for number in range(14)),
        parameters_option="svtav1-params",
        hdr=svt_av1_parameters,
    ),
    Codec(
        "vp9",
        "libvpx-vp9",
        "VP9",
        crf=24,
        crf_range=(0, 63),
        preset="2",
        preset_option="cpu-used",
        presets=tuple(str(number) for number in range(6)),
        options=(("row-mt", "1"), ("b", "0")),
        even_sides=False,
        keeps_alpha=True,
    ),
    Codec(
        "prores",
        "prores_ks",
        "ProRes",
        preset_option="profile",
        presets=("auto", "proxy", "lt", "standard", "hq", "4444", "4444xq"),
        preset="auto",
        options=(("vendor", "apl0"),),
        segment_muxer="mov",
        bits_per_pixel=3.0,
        even_sides=False,
        keeps_alpha=True,
    ),
    Codec(
        "ffv1",
        "ffv1",
        "FFV1",
        options=(("level", "3"), ("g", "1"), ("slices", "16"), ("slicecrc", "1")),
        bits_per_pixel=5.0,
        even_sides=False,
        keeps_alpha=True,
    ),
    *(
        Codec(
            name,
            name,
            f"{title} of NVIDIA's encoder",
            crf=crf,
            crf_range=(1, 63 if name.startswith("av1") else 51),
            quality_options=("cq",),
            preset="p5",
            presets=_NVENC_PRESETS,
            options=(("rc", "vbr"), ("b", "0")),
            keeps_captions=True,
            quicktime_tag="hvc1" if name.startswith("hevc") else None,
        )
        for name, title, crf in (
            ("h264_nvenc", "H.264", 19),
            ("hevc_nvenc", "H.265", 21),
            ("av1_nvenc", "AV1", 28),
        )
    ),
    *(
        Codec(
            name,
            name,
            f"{title} of Intel's encoder",
            crf=crf,
            crf_range=(1, 51),
            quality_options=("global_quality",),
            preset="medium",
            presets=_QSV_PRESETS,
            quicktime_tag="hvc1" if name.startswith("hevc") else None,
        )
        for name, title, crf in (("h264_qsv", "H.264", 19), ("hevc_qsv", "H.265", 21), ("av1_qsv", "AV1", 26))
    ),
    *(
        Codec(
            name,
            name,
            f"{title} of AMD's encoder",
            crf=crf,
            crf_range=(0, 255 if name.startswith("av1") else 51),
            quality_options=("qp_i", "qp_p"),
            preset="balanced",
            presets=_AMF_PRESETS,
            options=(("rc", "cqp"),),
            quicktime_tag="hvc1" if name.startswith("hevc") else None,
        )
        for name, title, crf in (
            ("h264_amf", "H.264", 19),
            ("hevc_amf", "H.265", 21),
            ("av1_amf", "AV1", 100),
        )
    ),
    *(
        Codec(name, name, f"{title} of Apple's encoder", quicktime_tag=tag, segment_muxer=muxer)
        for name, title, tag, muxer in (
            ("h264_videotoolbox", "H.264", None, "nut"),
            ("hevc_videotoolbox", "H.265", "hvc1", "nut"),
            ("prores_videotoolbox", "ProRes", None, "mov"),
        )
    ),
)
"""Every choice of --codec; which of them there are depends on the build of FFmpeg that PyAV comes with."""

LOSSLESS = next(codec for codec in CODECS if codec.name == "ffv1")

_PIXEL_FORMATS = (
    *("yuv420p", "nv12", "yuv422p", "yuv444p", "gbrp"),
    *("yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le", "gbrp10le"),
    *("yuv420p12le", "yuv422p12le", "yuv444p12le", "gbrp12le"),
    *("yuv420p16le", "yuv422p16le", "yuv444p16le", "gbrp16le"),
    *("yuva420p", "yuva444p", "gbrap", "bgra"),
    *("yuva420p10le", "yuva422p10le", "yuva444p10le", "gbrap10le"),
    *("yuva444p12le", "gbrap12le", "yuva444p16le", "gbrap16le"),
)
"""Formats to choose from, the customary first: those that players and editors know."""


def available_codecs() -> list[Codec]:
    """The codecs that this machine's FFmpeg can encode."""
    return [codec for codec in CODECS if _encoder(codec.encoder) is not None]


def codec_named(name: str) -> Codec:
    """The codec called `name`. Raises UsageError, UnavailableError that list those there are."""
    here = ", ".join(codec.name for codec in available_codecs())
    for codec in CODECS:
        if codec.name == name:
            if _encoder(codec.encoder) is None:
                raise UnavailableError(f"--codec {name} is not in this build of FFmpeg; there are {here}")
            return codec
    raise UsageError(f"--codec {name} is not known; there are {here}")


def pixel_format_for(
    codec: Codec, *, bits: int, chroma: tuple[int, int], alpha: bool, asked: str | None
) -> str:
    """The pixel format of an output: the one `asked` for, else the nearest to the source's.

    `bits` a sample and `chroma` (columns and lines of chroma for 8 of luma) are the source's. Raises
    UsageError where the codec doesn't have what was asked for, or would cut more than 8 bits to 8, or lose
    transparency.
    """
    encoder = _encoder(codec.encoder)
    have = [entry.name for entry in encoder.video_formats or []] if encoder is not None else []
    if asked is not None:
        if asked not in have:
            raise UsageError(f"--pix-fmt {asked}: {codec.title} has {', '.join(have)}")
        return asked
    able = [name for name in _PIXEL_FORMATS if name in have and (codec.keeps_alpha or not _has_alpha(name))]
    if not able:
        raise UsageError(f"{codec.title} names no pixel format; give one with --pix-fmt")
    best = min(able, key=lambda name: _distance(name, bits, chroma, alpha))
    depth = max(part.bits for part in av.VideoFormat(best, 8, 8).components)
    if depth < min(bits, 10):
        raise UsageError(
            f"{codec.title} has no more than {depth} bits and the input has {bits}; choose another --codec, "
            f"or give --pix-fmt {best} to lose them"
        )
    if depth < bits:
        log.warning("%s has no more than %d bits, the input has %d", codec.title, depth, bits)
    if alpha and not _has_alpha(best):
        raise UsageError(
            f"the input has transparency, which {codec.title} can't hold; "
            f"use --codec ffv1 or prores, or give --pix-fmt {best} to lose it"
        )
    return best


def _distance(
    name: str, bits: int, chroma: tuple[int, int], alpha: bool
) -> tuple[bool, bool, bool, int, int]:
    """How badly a format fits: what it loses first, then what it wastes."""
    described = av.VideoFormat(name, 8, 8)
    depth = max(part.bits for part in described.components)
    have = (described.chroma_width(8), described.chroma_height(8))
    transparent = _has_alpha(name)
    loses_chroma = have[0] < chroma[0] or have[1] < chroma[1]
    wasted = have[0] * have[1] + 100 * (transparent and not alpha) + 10 * described.is_rgb
    return alpha and not transparent, depth < bits, loses_chroma, abs(depth - bits), wasted


def _has_alpha(name: str) -> bool:
    return any(part.is_alpha for part in av.VideoFormat(name, 8, 8).components)


def _encoder(name: str) -> av.Codec | None:
    try:
        return av.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return None
