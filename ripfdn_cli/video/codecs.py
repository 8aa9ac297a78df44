"""The codecs that video is encoded with: their encoders in FFmpeg, their settings, their pixel formats."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import av

from ripfdn_cli.errors import UnavailableError, UsageError
from ripfdn_cli.video.hdr import HdrMetadata, svt_av1_parameters, x264_parameters, x265_parameters
from ripfdn_cli.video.pixel_formats import described, is_encodable

log = logging.getLogger(__name__)

_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_NVENC_PRESETS = tuple(f"p{number}" for number in range(1, 8))
_QSV_PRESETS = _X26X_PRESETS[2:9]
_AMF_PRESETS = ("speed", "balanced", "quality")
_X264_TUNES = ("film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency")
_X265_TUNES = ("grain", "animation", "psnr", "ssim", "fastdecode", "zerolatency")
_NVENC_TUNES = ("hq", "uhq", "ll", "ull", "lossless")
_SVT_TUNES = ("vq", "psnr", "ssim")
"""In the order of SVT-AV1's numbers for them, from 0."""
_MATROSKA_AND_WEBM = ("matroska", "webm")


@dataclass(frozen=True)
class EncoderChoices:
    """What is asked of an encoder; None for the codec's default. `bitrate` in bits a second. `options`: names
    and values as FFmpeg, or the encoder's own library, has them.
    """

    crf: int | None = None
    preset: str | None = None
    tune: str | None = None
    bitrate: int | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Codec:
    """One choice of `codec`.

    `encoder`, `preset_option`, `tune_option` and `options` are FFmpeg's names, `quality_options` those that
    take `crf`, `bitrate_options` what `bitrate` needs besides (None where the codec has no bitrate).
    `aliases`: other names for the same choice. `crf` is the default and `crf_range` what is allowed, None
    where there is no such setting. `parameters_option` takes parameters of the encoder's own library, `hdr`
    gives those that describe a mastering display. `keeps_captions`: closed captions that lie in the frames
    are written. `states_aspect`: the shape of pixels is in the stream itself. `states_range`: so is the range
    of YUV, which is limited without that. `alpha_muxers` and `alpha_formats`: in which containers, and in
    which pixel formats, its transparency is kept (None: in all that take the codec, in all that it has).
    `even_sides`: 4:2:0 and 4:2:2 need sides of an even number of pixels. `most_threads`: where the number of
    threads shapes the result, as many as it ever gets. `without_avx512`: parameters that leave processors'
    AVX-512 alone. `quicktime_tag`: what MP4 and QuickTime players know the codec by. `segment_muxer`: what
    holds pieces of it, with any time base, exactly (`alpha_segment_muxer`: with transparency).
    `bits_per_pixel`: about what it makes of upscaled film at its default quality, to foresee how much room a
    result takes.
    """

    name: str
    encoder: str
    title: str
    aliases: tuple[str, ...] = ()
    crf: int | None = None
    crf_range: tuple[int, int] = (0, 51)
    quality_options: tuple[str, ...] = ("crf",)
    bitrate_options: tuple[tuple[str, str], ...] | None = ()
    preset: str | None = None
    preset_option: str = "preset"
    presets: tuple[str, ...] = ()
    tune_option: str = "tune"
    tunes: tuple[str, ...] = ()
    numbers_tunes: bool = False
    options: tuple[tuple[str, str], ...] = ()
    alpha_options: tuple[tuple[str, str], ...] = ()
    parameters: tuple[str, ...] = ()
    parameters_option: str | None = None
    hdr: Callable[[HdrMetadata], list[str]] | None = None
    even_sides: bool = True
    keeps_captions: bool = False
    states_aspect: bool = False
    states_range: bool = True
    keeps_alpha: bool = False
    alpha_muxers: tuple[str, ...] | None = None
    alpha_formats: tuple[str, ...] | None = None
    most_threads: int | None = None
    without_avx512: tuple[str, ...] = ()
    quicktime_tag: str | None = None
    segment_muxer: str = "nut"
    alpha_segment_muxer: str | None = None
    bits_per_pixel: float = 0.12

    def encoder_options(
        self, choices: EncoderChoices, hdr: HdrMetadata, *, alpha: bool = False
    ) -> dict[str, str]:
        """FFmpeg's options for these choices. Raises UsageError for values the codec doesn't have."""
        options = dict(self.options) | (dict(self.alpha_options) if alpha else {})
        parameters = [*self.parameters, *self._hdr_parameters(hdr)]
        options |= self._rate_options(choices)
        preset = self.preset if choices.preset is None else choices.preset
        if preset is not None:
            self._check_preset(preset)
            options[self.preset_option] = preset
        if choices.tune is not None:
            number = self._tune_number(choices.tune)
            if self.numbers_tunes:
                parameters.append(f"tune={number}")
            else:
                options[self.tune_option] = choices.tune
        for name, value in choices.options:
            if name == self.parameters_option or not self._has_option(name):
                parameters.append(value if name == self.parameters_option else f"{name}={value}")
            else:
                options[name] = value
        if self.parameters_option is not None and parameters:
            options[self.parameters_option] = ":".join(parameters)
        return options

    def keeps_alpha_in(self, muxer: str) -> bool:
        """Whether transparency is kept in files that FFmpeg's `muxer` writes."""
        return self.keeps_alpha and (self.alpha_muxers is None or muxer in self.alpha_muxers)

    def is_called(self, name: str) -> bool:
        """Whether `name` is, in any case, the codec's name, its encoder's, or an alias."""
        return name.lower() in (self.name, self.encoder, *self.aliases)

    def _rate_options(self, choices: EncoderChoices) -> dict[str, str]:
        if choices.bitrate is not None:
            if choices.crf is not None:
                raise UsageError("`crf` and `bitrate` contradict each other; give one")
            if self.bitrate_options is None:
                raise UsageError(f"`bitrate` does not apply to {self.title}; leave it out")
            return dict(self.bitrate_options) | {"b": str(choices.bitrate)}
        crf = self.crf if choices.crf is None else choices.crf
        if crf is None:
            return {}
        self._check_crf(crf)
        return dict.fromkeys(self.quality_options, str(crf))

    def _check_crf(self, crf: int) -> None:
        if self.crf is None:
            raise UsageError(f"`crf` does not apply to {self.title}; leave it out")
        low, high = self.crf_range
        if not low <= crf <= high:
            raise UsageError(f"`crf` {crf}: {self.title} takes {low} (best) to {high}")

    def _check_preset(self, preset: str) -> None:
        if preset not in self.presets:
            known = ", ".join(self.presets) or "none"
            raise UsageError(f"`preset` {preset}: {self.title} has {known}")

    def _tune_number(self, tune: str) -> int:
        if tune not in self.tunes:
            known = ", ".join(self.tunes) or "none"
            raise UsageError(f"`tune` {tune}: {self.title} has {known}")
        return self.tunes.index(tune)

    def _has_option(self, name: str) -> bool:
        """FFmpeg knows the encoder's option `name`; other names are left to the encoder's own library.

        Raises UsageError where there is no such library to ask.
        """
        known = _option_names(self.encoder)
        if name in known or self.parameters_option is not None:
            return name in known
        near = get_close_matches(name, known, 1)
        raise UsageError(
            f"`encoder_options` {name}: {self.title} has no such option"
            + (f"; did you mean {near[0]}?" if near else "; see ffmpeg -h encoder=" + self.encoder)
        )

    def _hdr_parameters(self, hdr: HdrMetadata) -> list[str]:
        if not hdr:
            return []
        if self.hdr is None:
            raise UsageError(
                f"the input is HDR with mastering data, which {self.title} can't keep here; "
                "use `codec` x265, av1 or x264"
            )
        return self.hdr(hdr)


CODECS = (
    Codec(
        "x264",
        "libx264",
        "x264",
        aliases=("h264", "h.264", "avc"),
        crf=18,
        preset="medium",
        presets=_X26X_PRESETS,
        tunes=_X264_TUNES,
        parameters_option="x264-params",
        hdr=x264_parameters,
        keeps_captions=True,
        states_aspect=True,
        most_threads=12,  # what x264 itself takes on eight processors
        # Its AVX-512 code for B-frames gives other bytes now and then for the same frames (core 165).
        without_avx512=("asm=AVX2,FMA3,BMI2,LZCNT",),
    ),
    Codec(
        "x265",
        "libx265",
        "x265",
        aliases=("h265", "h.265", "hevc"),
        crf=20,
        preset="medium",
        presets=_X26X_PRESETS,
        tunes=_X265_TUNES,
        options=(("a53cc", "1"),),
        parameters=("log-level=error",),
        parameters_option="x265-params",
        hdr=x265_parameters,
        keeps_captions=True,
        states_aspect=True,
        quicktime_tag="hvc1",
    ),
    Codec(
        "av1",
        "libsvtav1",
        "SVT-AV1",
        aliases=("svt-av1", "svtav1"),
        crf=28,
        crf_range=(1, 63),
        preset="8",
        presets=tuple(str(number) for number in range(14)),
        tunes=_SVT_TUNES,
        numbers_tunes=True,
        parameters_option="svtav1-params",
        hdr=svt_av1_parameters,
    ),
    Codec(
        "vp9",
        "libvpx-vp9",
        "VP9",
        aliases=("libvpx", "vpx"),
        crf=24,
        crf_range=(0, 63),
        preset="2",
        preset_option="cpu-used",
        presets=tuple(str(number) for number in range(6)),
        tunes=("psnr", "ssim"),
        options=(("row-mt", "1"), ("b", "0")),
        alpha_options=(("auto-alt-ref", "0"),),  # hidden frames have no place in the track of transparency
        even_sides=False,
        keeps_alpha=True,
        alpha_muxers=_MATROSKA_AND_WEBM,
        alpha_formats=("yuva420p",),  # FFmpeg lists others, and refuses them as experimental
        alpha_segment_muxer="matroska",
    ),
    Codec(
        "prores",
        "prores_ks",
        "ProRes",
        bitrate_options=None,
        preset_option="profile",
        presets=("auto", "proxy", "lt", "standard", "hq", "4444", "4444xq"),
        preset="auto",
        options=(("vendor", "apl0"),),
        segment_muxer="mov",
        states_range=False,
        bits_per_pixel=3.0,
        even_sides=False,
        keeps_alpha=True,
    ),
    Codec(
        "ffv1",
        "ffv1",
        "FFV1",
        bitrate_options=None,
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
            tunes=_NVENC_TUNES,
            options=(("rc", "vbr"), ("b", "0")),
            keeps_captions=True,
            states_aspect=not name.startswith("av1"),
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
            states_aspect=not name.startswith("av1"),
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
            bitrate_options=(("rc", "vbr_peak"),),
            states_aspect=not name.startswith("av1"),
            quicktime_tag="hvc1" if name.startswith("hevc") else None,
        )
        for name, title, crf in (
            ("h264_amf", "H.264", 19),
            ("hevc_amf", "H.265", 21),
            ("av1_amf", "AV1", 100),
        )
    ),
    *(
        Codec(
            name,
            name,
            f"{title} of Apple's encoder",
            states_aspect=muxer == "nut",
            states_range=not name.startswith("prores"),
            quicktime_tag=tag,
            segment_muxer=muxer,
        )
        for name, title, tag, muxer in (
            ("h264_videotoolbox", "H.264", None, "nut"),
            ("hevc_videotoolbox", "H.265", "hvc1", "nut"),
            ("prores_videotoolbox", "ProRes", None, "mov"),
        )
    ),
)
"""Every choice of `codec`; which are available depends on the build of FFmpeg in PyAV."""

LOSSLESS = next(codec for codec in CODECS if codec.name == "ffv1")

_CUSTOMARY = (
    *("yuv420p", "nv12", "yuv422p", "yuv444p", "gbrp"),
    *("yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le", "gbrp10le"),
    *("yuva420p", "yuva444p", "gbrap", "bgra"),
)
"""Formats that players and editors know, to choose first among those that hold as much."""


def available_codecs() -> list[Codec]:
    """The codecs that this machine's FFmpeg can encode."""
    return [codec for codec in CODECS if _encoder(codec.encoder) is not None]


def codec_named(name: str) -> Codec:
    """The codec called `name`: as `CODECS` lists it, as FFmpeg calls the encoder, or as the format is called.

    Raises UsageError, UnavailableError that list those there are.
    """
    here = ", ".join(codec.name for codec in available_codecs())
    for codec in CODECS:
        if codec.is_called(name):
            if _encoder(codec.encoder) is None:
                raise UnavailableError(f"`codec` {name} is not in this build of FFmpeg; it has {here}")
            return codec
    raise UsageError(f"`codec` {name} is not known; available are {here}")


def default_codec(muxer: str, bits: int, *, alpha: bool) -> Codec:
    """The codec of a result where none is asked for: H.264, which plays everywhere; in WebM, which doesn't
    take it, VP9, or AV1 (which has no transparency) where VP9 has too few `bits`.
    """
    if muxer != "webm":
        return codec_named("x264")
    vp9 = codec_named("vp9")
    return vp9 if alpha or bits <= deepest_bits(vp9) else codec_named("av1")


def deepest_bits(codec: Codec) -> int:
    """The most bits a sample that `codec` takes in this build of FFmpeg."""
    return max((described(name).bits for name in _formats_of(codec)), default=8)


def pixel_format_for(
    codec: Codec, *, bits: int, chroma: tuple[int, int], alpha: bool, asked: str | None
) -> str:
    """The pixel format of an output: the one `asked` for, else the nearest to the source's.

    `bits` a sample and `chroma` (columns and lines of chroma for 8 of luma) are the source's; `alpha`: it has
    transparency that is to be kept. Raises UsageError where the codec doesn't have what was asked for, or
    would lose transparency; of bits that it doesn't have `warn_of_lost_bits` tells.
    """
    have = _formats_of(codec)
    if asked is not None:
        if asked not in (known := _encoders_formats(codec)):
            raise UsageError(f"`pixel_format` {asked}: {codec.title} has {', '.join(known)}")
        return asked
    if not have:
        raise UsageError(f"{codec.title} lists no pixel formats; choose one with `pixel_format`")
    best = min(have, key=lambda name: _distance(name, bits, chroma, alpha))
    if alpha and not described(best).has_alpha:
        raise UsageError(f"{codec.title} can't hold transparency; give `background` to put it on a colour")
    return best


def warn_of_lost_bits(codec: Codec, pixel_format: str, bits: int, name: str) -> None:
    """Say where `pixel_format` has fewer than the `bits` a sample of the source `name`."""
    depth = described(pixel_format).bits
    if depth < min(bits, 10):
        log.warning(
            "%s: %s has at most %d bits here and the input has %d, so it is dithered; `codec` %s keeps them "
            "all",
            name,
            codec.title,
            depth,
            bits,
            " or ".join(_deep_codecs()),
        )
    elif depth < bits:
        log.warning("%s: %s has at most %d bits, and the input has %d", name, codec.title, depth, bits)


def _deep_codecs() -> list[str]:
    """Codecs that everybody has who has this build, and that take more than 8 bits."""
    return [codec.name for codec in available_codecs() if "_" not in codec.name and deepest_bits(codec) > 8]


def _encoders_formats(codec: Codec) -> list[str]:
    encoder = _encoder(codec.encoder)
    return [] if encoder is None else [entry.name for entry in encoder.video_formats or []]


def _formats_of(codec: Codec) -> list[str]:
    """Formats to choose from, the customary first. Grey is left to `pixel_format`: few players take it."""
    able = [name for name in _encoders_formats(codec) if is_encodable(name) and not described(name).is_grey]
    if not codec.keeps_alpha:
        able = [name for name in able if not described(name).has_alpha]
    if codec.alpha_formats is not None:
        able = [name for name in able if not described(name).has_alpha or name in codec.alpha_formats]
    return sorted(able, key=lambda name: _CUSTOMARY.index(name) if name in _CUSTOMARY else len(_CUSTOMARY))


def _distance(
    name: str, bits: int, chroma: tuple[int, int], alpha: bool
) -> tuple[bool, bool, bool, int, int]:
    """How badly a format fits: what it loses first, then what it wastes."""
    have = described(name)
    loses_chroma = have.chroma[0] < chroma[0] or have.chroma[1] < chroma[1]
    wasted = have.chroma[0] * have.chroma[1] + 100 * (have.has_alpha and not alpha) + 10 * have.is_rgb
    return alpha and not have.has_alpha, have.bits < bits, loses_chroma, abs(have.bits - bits), wasted


def _encoder(name: str) -> av.Codec | None:
    try:
        return av.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return None


@cache
def _option_names(encoder: str) -> frozenset[str]:
    """FFmpeg's options of `encoder`, its own and those of all encoders."""
    known = av.CodecContext.create(encoder, "w").supported_options
    return frozenset(option.name for option in (*known.generic, *known.private))
