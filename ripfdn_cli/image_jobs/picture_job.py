"""One picture from its bytes to the bytes of its result; what every way of upscaling pictures shares."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.decoding import decode, read_header
from ripfdn_cli.pictures.encoding import Encoding, encode, unsupported_options
from ripfdn_cli.pictures.fitting import check_frames
from ripfdn_cli.pictures.formats import DEPTHS, Format, check_fits
from ripfdn_cli.pictures.geo_tags import enlarged_place
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.movement import Movement
from ripfdn_cli.pictures.picture import (
    DEFAULT_MAX_PIXELS,
    Frame,
    Header,
    Picture,
    as_samples,
    holds_measurements,
    share_outside,
    whole_numbers,
)
from ripfdn_cli.pipeline.devices import ByteBudget, Devices, Networks
from ripfdn_cli.pipeline.output_size import SizeRequest, growth
from ripfdn_cli.pipeline.upscaler_stage import PreparedFrame, UpscaledFrame, UpscalerStage, finish, prepare
from ripfdn_cli.pipeline.weights_selection import Compression, Route
from ripfdn_cli.upscaler import Progress

log = logging.getLogger(__name__)

STRONG_QUALITY, LIGHT_QUALITY = 90, 95
"""Up to the first a JPEG is taken as strongly compressed: what x4-sharp makes of it was chosen by eye
(weights/README.md). Up to the second it counts as lightly compressed where it grows by more than two: there
x4-photo scores more than x4 on Set5 and Set14 (`benchmarks/photo.py`).
"""
_COPIES = 3
"""How often a result is in memory at the most: from the network, as finished, and in its encoder."""


@dataclass(frozen=True)
class PictureSettings:
    """How results are made. `depth` in bits (None: the input's), `background` 8-bit RGB for formats without
    transparency, `wrap` the px of the opposite edges that the network sees (0 for pictures that end).
    """

    size: SizeRequest = field(default_factory=SizeRequest)
    depth: int | None = None
    quality: int | None = None
    lossless: bool = False
    background: tuple[int, int, int] = (255, 255, 255)
    strip_metadata: bool = False
    wrap: int = 0
    max_pixels: int = DEFAULT_MAX_PIXELS

    def encoding(self, file_format: Format) -> Encoding:
        """How files of format `file_format` are written, by those of the options that apply to it."""
        unsupported = self.unsupported(file_format)
        quality = None if "quality" in unsupported else self.quality
        return Encoding(
            file_format, quality, self.lossless and "lossless" not in unsupported, self.background
        )

    def samples(self, file_format: Format) -> str | None:
        """The type of the samples that `depth` asks for, where it applies to `file_format`."""
        return None if self.depth is None or "depth" in self.unsupported(file_format) else DEPTHS[self.depth]

    def describe(self, file_format: Format) -> dict[str, Any]:
        """What makes results in `file_format` differ from those of other settings, as JSON: no limits, and no
        options that don't apply to it.
        """
        return {
            "size": asdict(self.size),
            "samples": self.samples(file_format),
            "encoding": self.encoding(file_format).describe(),
            "strip_metadata": self.strip_metadata,
            "wrap": self.wrap,
        }

    def unsupported(self, file_format: Format) -> dict[str, str]:
        """Options that do not apply to `file_format`, each with what is wrong and what to do."""
        return unsupported_options(file_format, self.quality, self.lossless, self.depth)

    def check_formats(self, entries: Iterable[Format]) -> None:
        """Raises UsageError for an option that applies to none of the formats of a run's results; for one
        that applies to some only, a warning names the others.
        """
        formats = {entry.name: entry for entry in entries}
        for option in ("depth", "lossless", "quality"):
            refusals = {name: self.unsupported(entry).get(option) for name, entry in formats.items()}
            others = [name for name, refusal in refusals.items() if refusal is not None]
            if others and len(others) == len(formats):
                raise UsageError(refusals[others[0]])
            if others:
                titles = ", ".join(sorted(formats[name].title for name in others))
                log.warning("`%s` does not apply to %s; those are written without it", option, titles)


@dataclass(frozen=True)
class NetworkRun:
    """Which networks, by their scales, made a result, and where; `weights` are their SHA-256."""

    passes: tuple[int, ...]
    engine: str
    device: str
    precision: str
    weights: str


@dataclass(frozen=True)
class Facts:
    """What there is to tell about a result: sizes as (width, height) px, `run` None where no network ran."""

    file_format: Format
    size: tuple[int, int]
    output_size: tuple[int, int]
    frames: int
    tiles: int
    run: NetworkRun | None


@dataclass(frozen=True)
class Aim:
    """The size of a result as (width, height) px, and how a picture gets there."""

    target: tuple[int, int]
    route: Route


def aim(settings: PictureSettings, width: int, height: int, quality: int | None, devices: Devices) -> Aim:
    """What a picture of `width` × `height` px becomes that was compressed as a JPEG of `quality`, or not
    (None). Raises UsageError for what can't be reached.
    """
    selection = devices.selection
    target = settings.size.target(width, height, selection.default_scale)
    compression = Compression.NONE
    if quality is not None and quality <= STRONG_QUALITY:
        compression = Compression.STRONG
    elif quality is not None and quality <= LIGHT_QUALITY and growth((width, height), target) > 2:
        compression = Compression.LIGHT
    return Aim(target, selection.route((width, height), target, compression))


def bytes_held(header: Header, scales: Sequence[int]) -> int:
    """About how much memory a picture takes from its decoding to its file, the network's own aside."""
    area = header.all_pixels * header.sample_bytes
    return area * header.channels + _COPIES * area * prod(scales) ** 2 * max(header.channels, 3)


class PictureJob:
    """Turns file contents into results, for any number of threads at once."""

    def __init__(
        self, settings: PictureSettings, devices: Devices, budget: ByteBudget, progress: Progress
    ) -> None:
        self.settings = settings
        self._devices, self._budget, self._progress = devices, budget, progress

    def run(self, data: bytes, name: str, file_format: Format | None) -> tuple[bytes, Facts]:
        """The result of the file content `data`, as the content of a file in `file_format` (None: that of the
        input). `name` is the input's in messages. Raises RipfdnError, NetworkUnavailableError.
        """
        header = read_header(data, name, max_pixels=self.settings.max_pixels)
        expected = self._aim(header.width, header.height, header.jpeg_quality)
        with self._budget.lend(bytes_held(header, expected.route.passes)):
            picture = decode(data, name, max_pixels=self.settings.max_pixels)
            if file_format is None:
                self.settings.check_formats([picture.file_format])
            return self._upscale(picture, name, file_format or picture.file_format)

    def _upscale(self, picture: Picture, name: str, file_format: Format) -> tuple[bytes, Facts]:
        encoding = self.settings.encoding(file_format)
        check_frames(picture, file_format, name)
        aims = [self._aim(frame.shape[1], frame.shape[0], picture.jpeg_quality) for frame in picture.frames]
        for one in aims:
            check_fits(file_format, *one.target)
        samples = [self._samples(frame, file_format, name) for frame in picture.frames]
        if self.settings.depth is None and _loses_depth(picture, file_format):
            title = file_format.title
            log.info("%s: rounded to 8 bits per channel, the most that is written to %s", name, title)
        measured = [
            holds_measurements(frame, result) for frame, result in zip(picture.frames, samples, strict=True)
        ]
        prepared = [
            _prepared(frame, result, measured=unit)
            for frame, result, unit in zip(picture.frames, samples, measured, strict=True)
        ]
        choices = aims[0].route.choices
        if picture.jpeg_quality is not None:
            used = ", ".join(choices[scale] for scale in aims[0].route.passes) or "no network"
            log.debug("%s: a JPEG of about quality %d: %s", name, picture.jpeg_quality, used)
        deep = any(frame.colours.dtype != np.uint8 for frame in prepared)
        upscaled, run = self._devices.run(
            lambda networks: self._upscale_frames(networks.among(choices, precise=deep), prepared, aims)
        )
        frames = tuple(
            (whole_numbers if unit else as_samples)(
                finish(part, one.target, wrap=self.settings.wrap > 0, name=name), result
            )
            for part, one, result, unit in zip(upscaled, aims, samples, measured, strict=True)
        )
        if self.settings.strip_metadata:
            picture = picture.with_page_metadata(page.colour_only() for page in picture.page_metadata)
        content = encode(_with_frames(picture, frames), encoding, name)
        facts = Facts(
            file_format=file_format,
            size=(picture.width, picture.height),
            output_size=aims[0].target,
            frames=len(frames),
            tiles=sum(part.tiles for part in upscaled),
            run=run,
        )
        return content, facts

    def _aim(self, width: int, height: int, quality: int | None) -> Aim:
        return aim(self.settings, width, height, quality, self._devices)

    def _samples(self, frame: Frame, file_format: Format, name: str) -> str:
        """The type of the result's samples: as asked for, else the input's, else the format's deepest."""
        samples = self.settings.samples(file_format)
        if samples is None:
            samples = frame.dtype.name if frame.dtype.name in file_format.samples else file_format.samples[-1]
        if samples.startswith("uint") and (outside := share_outside(frame)):
            log.warning(
                "%s: %.3g %% of its samples lie outside the range of %s and are clipped; choose tiff "
                "without `depth` to keep them",
                name,
                100 * outside,
                file_format.title,
            )
        return samples

    def _upscale_frames(
        self,
        networks: Networks,
        prepared: list[PreparedFrame],
        aims: list[Aim],
    ) -> tuple[list[UpscaledFrame], NetworkRun | None]:
        stage = UpscalerStage(networks, self.settings.wrap, self._progress)
        upscaled: list[UpscaledFrame] = []
        for number, (frame, one) in enumerate(zip(prepared, aims, strict=True)):
            if number and frame.equals(prepared[number - 1]):
                upscaled.append(upscaled[-1])
            else:
                upscaled.append(stage.upscale_frame(frame, one.route.passes))
        return upscaled, _describe(networks, max((one.route.passes for one in aims), key=prod))


def _loses_depth(picture: Picture, file_format: Format) -> bool:
    return file_format.samples == ("uint8",) and any(frame.dtype != np.uint8 for frame in picture.frames)


def _describe(networks: Networks, scales: tuple[int, ...]) -> NetworkRun | None:
    if not scales:
        return None
    used = [networks[scale] for scale in dict.fromkeys(scales)]
    return NetworkRun(
        passes=scales,
        engine=used[-1].engine_name,
        device=used[-1].device,
        precision=used[-1].precision,
        weights="+".join(network.checkpoint_sha256 for network in used),
    )


def _with_frames(picture: Picture, frames: tuple[Frame, ...]) -> Picture:
    """`picture` with the results `frames` in place of its own."""
    metadata = [
        _enlarged(page, after.shape[1] / before.shape[1], after.shape[0] / before.shape[0])
        for page, before, after in zip(picture.page_metadata, picture.frames, frames, strict=True)
    ]
    return replace(picture, frames=frames).with_page_metadata(metadata)


def _enlarged(metadata: Metadata, across: float, down: float) -> Metadata:
    """`metadata` of a picture that is `across` times as wide and `down` times as high as it was."""
    return enlarged_place(metadata.moved(Movement(growth=(across, down))), across, down)


def _prepared(frame: Frame, result: str, *, measured: bool) -> PreparedFrame:
    """`frame` for a result with samples of the type `result`. Measurements keep their unit."""
    if measured:
        return prepare(frame.astype(np.float32), "float32")
    return prepare(frame, _deeper(frame.dtype.name, result))


def _deeper(first: str, second: str) -> str:
    """The type to compute in between these two: rounding to 8 bits comes last, and never to a float first."""
    if {first, second} <= {"uint8", "uint16"}:
        return max(first, second, key=lambda name: np.dtype(name).itemsize)
    return "float32" if second == "float32" else "uint16"
