"""What a video job will do, found out before it does anything: source, target, sizes, codec."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ripfdn_cli.errors import UsageError
from ripfdn_cli.files.storage import is_folder
from ripfdn_cli.image_math.dihedral import SWAPS_AXES
from ripfdn_cli.pictures.encoding import Encoding, unsupported_options
from ripfdn_cli.pictures.formats import Format, check_fits, format_of
from ripfdn_cli.pictures.metadata import NO_METADATA, Metadata
from ripfdn_cli.pictures.png_colour import SHOWN_AS_SRGB, SRGB_TRANSFER, coded_space, profile_of
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.output_names import ResultSize
from ripfdn_cli.pipeline.output_size import SizeRequest, growth
from ripfdn_cli.pipeline.weights_selection import Compression, Route, WeightsSelection
from ripfdn_cli.video.codecs import (
    Codec,
    EncoderChoices,
    available_codecs,
    codec_named,
    default_codec,
    pixel_format_for,
    warn_of_lost_bits,
)
from ripfdn_cli.video.colour import RGB_MATRIX, UNSPECIFIED, output_tags
from ripfdn_cli.video.display_matrix import upright_transform
from ripfdn_cli.video.encoding import EncoderSettings, side_steps
from ripfdn_cli.video.files import VideoInfo
from ripfdn_cli.video.formats import RAW_SUFFIXES, Container, container_of, is_video
from ripfdn_cli.video.numbered_frames import frame_pattern, is_pattern, is_sequence
from ripfdn_cli.video.pixel_formats import described
from ripfdn_cli.video_jobs.picture_targets import AnimationTarget, SequenceTarget
from ripfdn_cli.video_jobs.segments import segments_folder
from ripfdn_cli.video_jobs.target import Target
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings
from ripfdn_cli.video_jobs.video_sources import (
    VideoSource,
    animation_source,
    sequence_source,
    video_source,
)
from ripfdn_cli.video_jobs.video_target import VideoTarget

log = logging.getLogger(__name__)

_SEGMENT_PIXELS = 12_000_000
"""Input pixels of a segment: a second of work on a GPU, half a minute or so on a processor."""
_SHORTEST_SEGMENT, _LONGEST_SEGMENT = 24, 250
_DEEPEST_HDR = 10
_COMPRESSED_BITS, _COMPRESSED_BITS_AT_2 = 2.0, 0.5
"""Bits a pixel, up to which the weights for compressed pictures give more (`benchmarks/compressed_video.py`);
the second where frames grow by no more than two.
"""
_DEFAULT_BACKGROUND = (255, 255, 255)


@dataclass(frozen=True)
class VideoPlan:
    """A job before it starts: `size` is the output's (width, height) px, `passes` the scales of the networks
    to run in turn, `weights` those networks' weights by their scale, `segment` the frames of a segment.
    """

    source: VideoSource
    target: Target
    size: tuple[int, int]
    passes: tuple[int, ...]
    weights: Mapping[int, str]
    segment: int

    @property
    def segments(self) -> int:
        """How many segments the output frames make."""
        return -(-len(self.target.timeline) // self.segment)

    def outputs(self, number: int) -> range:
        """The output frames of segment `number`."""
        first = number * self.segment
        return range(first, min(first + self.segment, len(self.target.timeline)))

    @property
    def expected_bytes(self) -> int:
        """About how large the result will be."""
        return int(len(self.target.timeline) * self.target.frame_bytes) + self.source.copied_bytes

    @property
    def expected_disk(self) -> int:
        """About what it takes on the disk while it is made."""
        return self.expected_bytes + int(len(self.target.timeline) * self.target.frame_bytes)


def plan_video(
    paths: Sequence[Path], output: Path, settings: VideoSettings, network: NetworkSettings
) -> VideoPlan:
    """What turns `paths` (one input, or the files of a sequence) into `output`. Reads, and writes nothing.

    Raises InputError, UsageError, UnavailableError, CheckpointError.
    """
    source = _source(paths, output, settings)
    if source.has_alpha and settings.background is not None:
        source = source.without_alpha(settings.background)
    scale = network.selection.default_scale
    if is_video(output):
        codec, container = _codec(source, output, settings.encoding), container_of(output)
        source = _as_the_codec_takes_it(source, codec, container, settings)
        pixel_format = _pixel_format(source, codec, settings.encoding)
        if settings.encoding.pixel_format is None:
            warn_of_lost_bits(codec, pixel_format, source.bits, source.name)
        size = _codec_size(source, codec, pixel_format, settings.size, scale)
        target: Target = _video_target(source, output, size, codec, pixel_format, settings)
    else:
        file_format = _picture_format(output)
        source = _in_depth(_upright(source), settings.frames.depth)
        source, metadata = _with_colours_said(source, file_format)
        size = settings.size.target(source.width, source.height, scale)
        target = _picture_target(source, output, size, settings, file_format, metadata)
    route = _route(source, size, network.selection)
    return VideoPlan(
        source=source,
        target=target,
        size=size,
        passes=route.passes,
        weights=route.choices,
        segment=settings.segment or _segment_length(source.width * source.height),
    )


def size_ahead(
    info: VideoInfo, output: Path, settings: VideoSettings, network: NetworkSettings
) -> ResultSize:
    """The size, as it is shown, that `plan_video` gives the result of the video `info`, for its name. Raises
    UsageError, UnavailableError.
    """
    request, scale = settings.size, network.selection.default_scale
    size = _stored_size(info, request, scale)
    if is_video(output) and any(side % 2 for side in size):
        codec = _codec(info, output, settings.encoding)
        # Transparency, which the codec may not have, makes no difference to the chroma.
        pixel_format = _pixel_format(replace(info, has_alpha=False), codec, settings.encoding)
        size = _stored_size(info, request, scale, side_steps(codec, pixel_format))
    shown = size[::-1] if _is_turned(info) else size
    return ResultSize(Fraction(size[0], info.width), *shown)


def describe_job(plan: VideoPlan, network: NetworkSettings) -> dict[str, Any]:
    """Everything that shapes the segments: input, weights, sizes, times, encoder. Not what shapes speed."""
    timeline, selection = plan.target.timeline, network.selection
    checkpoints = [selection.checkpoint(plan.weights[scale]) for scale in plan.passes]
    shown = hashlib.sha256(timeline.source.tobytes() + timeline.pts.tobytes() + timeline.durations.tobytes())
    return {
        "input": plan.source.identity,
        "reading": plan.source.reading,
        "times": [str(timeline.time_base), len(timeline), shown.hexdigest()],
        "weights": [checkpoint.sha256 for checkpoint in checkpoints],
        "network": {"engine": network.engine, "precision": network.precision, "ensemble": network.ensemble},
        "tiles": {"tile": network.tile, "halo": network.halo},
        "output": plan.target.describe(),
        "segment": plan.segment,
    }


def _route(source: VideoSource, size: tuple[int, int], selection: WeightsSelection) -> Route:
    """Through weights for compressed pictures where the source is one."""
    bits, own_size = source.bits_per_pixel, (source.width, source.height)
    limit = _COMPRESSED_BITS if growth(own_size, size) > 2 else _COMPRESSED_BITS_AT_2
    compressed = bits is not None and bits <= limit
    route = selection.route(own_size, size, Compression.LIGHT if compressed else Compression.NONE)
    if compressed and route.passes:
        used = ", ".join(route.choices[scale] for scale in route.passes)
        log.debug("%s: %.2f bits a pixel: %s", source.name, bits, used)
    return route


def _source(paths: Sequence[Path], output: Path, settings: VideoSettings) -> VideoSource:
    options, path = settings.reading, paths[0]
    if len(paths) == 1 and is_video(path) and not is_folder(path):
        return video_source(path, options, segments_folder(output))
    if len(paths) > 1 or is_sequence(path):
        if is_pattern(output):  # pictures to pictures: nobody asks when they show
            options = replace(options, fps=options.fps or Fraction(1))
        return sequence_source(paths, options, settings.background)
    file_format = format_of(path)
    if file_format is not None and file_format.animated:
        return animation_source(path, options)
    if path.suffix.lower() in RAW_SUFFIXES:
        raise UsageError(
            f"{path} is a stream without a container, which doesn't say when its frames show; give it one "
            f"first: ffmpeg -framerate 25 -i {path.name} -c copy {path.stem}.mkv"
        )
    if file_format is None and path.is_file():  # its content tells, whatever its name
        return video_source(path, options, segments_folder(output))
    raise UsageError(f"{path} is not a video, an animated picture or a folder of numbered frames")


def _upright(source: VideoSource) -> VideoSource:
    """`source` as it is shown, as far as that takes no resampling: not all pictures can say how."""
    transform = upright_transform(source.matrix)
    return source if transform is None else source.turned(transform)


def _in_depth(source: VideoSource, depth: int | None) -> VideoSource:
    """`source` as frames of `depth` bits are computed from: rounding to 8 comes last."""
    return replace(source, samples="uint16") if depth == 16 else source


def _codec(source: VideoSource | VideoInfo, output: Path, encoding: EncodingOptions) -> Codec:
    if encoding.codec is not None:
        return codec_named(encoding.codec)
    return default_codec(container_of(output).muxer, source.bits, alpha=source.has_alpha)


def _as_the_codec_takes_it(
    source: VideoSource, codec: Codec, container: Container, settings: VideoSettings
) -> VideoSource:
    """`source`, without its transparency where the result can't have any."""
    if not source.has_alpha:
        return source
    asked = settings.encoding.pixel_format
    if codec.keeps_alpha_in(container.muxer) and (asked is None or described(asked).has_alpha):
        return source
    log.warning(
        "%s: %s in %s has no transparency; it is put on white (`background` for another; .webm or .mkv "
        "with `codec=vp9`, .mov with `codec=prores` and .mkv with `codec=ffv1` keep it)",
        source.name,
        codec.title if asked is None else f"{codec.title} as {asked}",
        container.title,
    )
    return source.without_alpha(_DEFAULT_BACKGROUND)


def _pixel_format(source: VideoSource | VideoInfo, codec: Codec, encoding: EncodingOptions) -> str:
    return pixel_format_for(
        codec, bits=source.bits, chroma=source.chroma, alpha=source.has_alpha, asked=encoding.pixel_format
    )


def _codec_size(
    source: VideoSource, codec: Codec, pixel_format: str, request: SizeRequest, scale: int
) -> tuple[int, int]:
    """The size asked for, its sides even where the codec has no others."""
    exact = _stored_size(source, request, scale)
    size = _stored_size(source, request, scale, side_steps(codec, pixel_format))
    if size != exact:
        log.info(
            "%s: the result is %d×%d px in place of %d×%d, as %s has even sides only in %s",
            *(source.name, *size, *exact, codec.title, pixel_format),
        )
    return size


def _stored_size(
    source: VideoSource | VideoInfo, request: SizeRequest, scale: int, steps: tuple[int, int] = (1, 1)
) -> tuple[int, int]:
    """Width and height of frames as they are stored, whose size as they are shown is asked for."""
    if not _is_turned(source):
        return request.target(source.width, source.height, scale, steps)
    height, width = request.target(source.height, source.width, scale, steps[::-1])
    return width, height


def _is_turned(source: VideoSource | VideoInfo) -> bool:
    """Its frames are shown turned by a quarter, as phones record."""
    return bool((upright_transform(source.matrix) or 0) & SWAPS_AXES)


def _video_target(
    source: VideoSource,
    output: Path,
    size: tuple[int, int],
    codec: Codec,
    pixel_format: str,
    settings: VideoSettings,
) -> VideoTarget:
    container, encoding, form = container_of(output), settings.encoding, described(pixel_format)
    _check_depth(source, codec, form.bits)
    _check_captions(source, codec, settings.reading)
    tags = output_tags(source.tags, pixel_format, states_range=codec.states_range)
    encoder = EncoderSettings(
        codec=codec,
        width=size[0],
        height=size[1],
        pixel_format=pixel_format,
        time_base=source.timeline.time_base,
        rate=source.timeline.rate,
        tags=tags,
        hdr=source.hdr if tags.matrix != RGB_MATRIX else replace(source.hdr),
        sample_aspect_ratio=_aspect(source, size),
        choices=_choices(encoding),
    )
    return VideoTarget(
        output,
        container,
        encoder,
        source.timeline,
        name=source.name,
        matrix=None if source.matrix is None else _scaled_matrix(source, size),
        streams=source.streams,
        sound=None if encoding.audio == "copy" else encoding.audio,
        leave_unsupported="unsupported" in settings.reading.drop,
    )


def _choices(encoding: EncodingOptions) -> EncoderChoices:
    return EncoderChoices(
        crf=encoding.crf,
        preset=encoding.preset,
        tune=encoding.tune,
        bitrate=encoding.bitrate,
        options=encoding.encoder_options,
    )


def _picture_format(output: Path) -> Format:
    file_format = format_of(output)
    if file_format is None:
        suffix = output.suffix or "no suffix"
        raise UsageError(
            f"{output}: {suffix} is not a format of videos or pictures; use one such as .mkv or .webp"
        )
    return file_format


def _with_colours_said(source: VideoSource, file_format: Format) -> tuple[VideoSource, Metadata]:
    """`source` as pictures of this format can have it, and what they say of its colours: a profile where the
    primaries are wide, or, where the format has none, nothing of frames in sRGB.
    """
    tags = source.tags
    if tags.is_hdr:
        raise UsageError(f"{source.name} is HDR, which pictures written here can't represent; write a video")
    if not tags.is_wide:
        return source, NO_METADATA
    # Players and viewers take the curve of BT.709 for that of their screen.
    plain = tags.transfer in (*SHOWN_AS_SRGB, UNSPECIFIED)
    space = coded_space(tags.primaries, SRGB_TRANSFER if plain else tags.transfer)
    if space is None:
        log.warning(
            "%s: pictures can't say what its colours are (primaries %d, transfer %d of ITU-T H.273) and look "
            "as if they were sRGB",
            *(source.name, tags.primaries, tags.transfer),
        )
        return source, NO_METADATA
    if "icc_profile" in file_format.metadata:
        return source, Metadata(icc_profile=profile_of(space, grey=False))
    log.info("%s: converted to sRGB, as no profile is written to %s", source.name, file_format.title)
    return source.in_srgb(space), NO_METADATA


def _picture_target(
    source: VideoSource,
    output: Path,
    size: tuple[int, int],
    settings: VideoSettings,
    file_format: Format,
    metadata: Metadata,
) -> SequenceTarget | AnimationTarget:
    if source.aspect != 1 or source.matrix is not None:
        log.warning(
            "%s is shown stretched or rotated; its pictures are written as they are stored", source.name
        )
    check_fits(file_format, *size)
    asked = settings.frames
    for refusal in unsupported_options(file_format, asked.quality, asked.lossless, asked.depth).values():
        raise UsageError(refusal)
    encoding = Encoding(file_format, asked.quality, asked.lossless)
    if is_pattern(output):
        return SequenceTarget(
            frame_pattern(output),
            encoding,
            source.timeline,
            source.first_number,
            depth=asked.depth,
            metadata=metadata,
        )
    if not file_format.animated or output.suffix.lower() == ".png":  # .apng for who wants that
        raise UsageError(
            f"{output} holds one picture; name numbered ones such as {output.stem}_%06d{output.suffix}"
        )
    return AnimationTarget(
        output,
        encoding,
        source.timeline,
        size,
        alpha=source.has_alpha,
        depth=asked.depth or 8,
        metadata=metadata,
    )


def _check_depth(source: VideoSource, codec: Codec, bits: int) -> None:
    if source.tags.is_hdr and bits < _DEEPEST_HDR:
        raise UsageError(
            f"{source.name} is HDR, which needs more than {bits} bits; leave out `pixel_format`, "
            f"or use another `codec` than {codec.name}"
        )


def _check_captions(source: VideoSource, codec: Codec, reading: ReadingOptions) -> None:
    if not source.has_captions or codec.keeps_captions:
        return
    if "unsupported" not in reading.drop:
        able = ", ".join(other.name for other in available_codecs() if other.keeps_captions)
        raise UsageError(
            f"{codec.title} can't hold the closed captions inside the picture of {source.name}; "
            f"use a `codec` that can ({able}), or leave them out with `drop=captions`"
        )
    log.warning(
        "%s: %s can't hold the closed captions inside the picture; they are left out",
        source.name,
        codec.title,
    )


def _segment_length(pixels: int) -> int:
    return max(_SHORTEST_SEGMENT, min(_LONGEST_SEGMENT, _SEGMENT_PIXELS // pixels))


def _aspect(source: VideoSource, size: tuple[int, int]) -> Fraction:
    """The shape of a pixel that keeps the shape of the picture; the source's where only rounding differs."""
    (width, height), (old_width, old_height) = size, (source.width, source.height)
    stretched = abs(width * old_height - height * old_width)
    if stretched <= old_width + old_height:  # up to a pixel on each side
        return source.aspect
    aspect = source.aspect * Fraction(old_width * height, old_height * width)
    return aspect.limit_denominator(10_000)


def _scaled_matrix(source: VideoSource, size: tuple[int, int]) -> tuple[int, ...]:
    """FFmpeg's display matrix (a b u c d v x y w), its shift x, y made larger, as that is in pixels."""
    assert source.matrix is not None
    a, b, u, c, d, v, x, y, w = source.matrix
    factor = Fraction(size[0], source.width)
    return a, b, u, c, d, v, round(x * factor), round(y * factor), w
