"""What Python programs call; `ripfdn_cli` hands all of it on, and the commands are written with it.

Nothing here writes to stdout or stderr: results are returned, progress goes to callbacks, warnings to the
logger "ripfdn_cli", and what fails is a `RipfdnError`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from ripfdn_cli.arguments import number, place, several, switch, text, whole_number
from ripfdn_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from ripfdn_cli.evaluation.benchmark import Observer, Row
    from ripfdn_cli.exporting.export import Exported
    from ripfdn_cli.files.storage import Location
    from ripfdn_cli.image_jobs.batch import BatchRequest
    from ripfdn_cli.image_jobs.image_run import Outcome
    from ripfdn_cli.image_jobs.picture_job import PictureSettings
    from ripfdn_cli.model.checkpoint import Checkpoint
    from ripfdn_cli.pictures.formats import Format
    from ripfdn_cli.pipeline.devices import NetworkSettings
    from ripfdn_cli.pipeline.output_size import SizeRequest
    from ripfdn_cli.video_jobs.video_run import VideoFacts, VideoProgress
    from ripfdn_cli.video_jobs.video_settings import VideoSettings

log = logging.getLogger(__name__)

Place = str | os.PathLike[str]
"""A path, or (in a string) the URL of an object or folder in a store."""
LOOKS = {"faithful": 0.0, "sharp": 1.0}
"""Names for how far results go towards x4-sharp."""
Progress = Callable[[int, int], None]
"""Called with how many are done, and how many there are in all."""


class NetworkOptions(TypedDict, total=False):
    """How networks run. `weights`: a name, a file or what load_weights gave; "auto" for those that suit size
    and picture.

    `weights_to` and `strength`: others of one origin, and how far to go towards them, 0 to 1. `strength`
    alone goes from the weights that suit the picture towards x4-sharp; `look` "faithful" is 0, "sharp" is 1.
    `device`: auto, cpu, cuda, cuda:N or mps, or several of them with commas. `engine`: auto, openvino or
    torch. `precision`: auto, fp32, bf16 or fp16. `tile`: "auto", None for no tiles, or the inner side of one
    in px. `halo`: what tiles see around them, in px. `exact`: tiles equal the whole picture to the rounding
    of fp32. `memory`: bytes that a tile may take. `threads`: of the CPU, None for all cores. `ensemble`: the
    mean over eight flips and rotations.
    """

    weights: Place | Checkpoint
    weights_to: Place | Checkpoint | None
    strength: float | None
    look: str | None
    device: str
    engine: str
    precision: str
    tile: int | str | None
    halo: int | None
    exact: bool
    memory: int | None
    threads: int | None
    ensemble: bool


class SizeOptions(TypedDict, total=False):
    """How large results are, as one of: `scale` (a factor; "2.1" and Fraction are exact), `width` and/or
    `height`, `long_side` in px, or `fit`, the (width, height) in px to fit into. None of them: ×4.
    """

    scale: float | str | Fraction | None
    width: int | None
    height: int | None
    long_side: int | None
    fit: tuple[int, int] | None


class PictureOptions(NetworkOptions, SizeOptions, total=False):
    """How pictures are written, too. `format`: png, jpeg, webp …, None for what the output's name says.

    `quality`: 1 to 100, of lossy formats. `depth`: 8 or 16 bits per channel. `background`: under transparent
    pixels where the format has no transparency, as "white" or "#ffffff". `wrap`: the picture is a texture
    that tiles. `max_pixels`: refuse inputs with more.
    """

    format: str | None
    quality: int | None
    lossless: bool
    depth: int | None
    background: str
    strip_metadata: bool
    wrap: bool
    max_pixels: int


_NETWORK, _SIZE = NetworkOptions.__annotations__, SizeOptions.__annotations__


def upscale_file(
    source: Place,
    output: Place,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Unpack[PictureOptions],
) -> Outcome:
    """Write a larger picture of the file `source` to the file or folder `output`; `options` are those of
    NetworkOptions, SizeOptions and PictureOptions.

    Depth, transparency, frames, colour profile and metadata are kept as far as the format can hold them.
    `progress` is called after every tile. Raises InputError, OutputError, UsageError, CheckpointError,
    UnavailableError, OutOfMemoryError; a picture that failed leaves no file.
    """
    from ripfdn_cli.files.storage import is_folder, location

    if is_folder(location(place("source", source))):
        raise UsageError(f"{source} is a folder; call upscale_folder")
    (outcome,) = _run(_request([source], output, options, overwrite=overwrite), options, progress, None)
    if outcome.error is not None:
        raise outcome.error
    return outcome


def upscale_bytes(
    data: bytes | bytearray | memoryview,
    *,
    progress: Progress | None = None,
    **options: Unpack[PictureOptions],
) -> bytes:
    """The content of a picture file → that of a larger one, in the input's format unless `format` says
    another. Raises what `upscale_file` raises.
    """
    from ripfdn_cli.image_jobs.image_run import ImageRun

    network, picture = _settings(options)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError(
            f"a {type(data).__name__} is not the content of a file; pass bytes; for the path of a file there "
            "is upscale_file"
        )
    run = ImageRun(picture, network, progress=progress)
    return run.run_bytes(bytes(data), "the picture", file_format(options.get("format")))[0]


def upscale_folder(
    source: Place | Sequence[Place],
    output: Place,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    overwrite: bool = False,
    skip_existing: bool = False,
    shard: str | None = None,
    progress: Progress | None = None,
    observe: Callable[[Outcome], None] | None = None,
    **options: Unpack[PictureOptions],
) -> list[Outcome]:
    """Upscale all pictures in the folder `source` (or in several, or several files) into `output`, a folder
    or a name template such as "out/{stem}_x{scale}{ext}".

    `include` and `exclude` are globs. `shard`: "3/16" for the third of sixteen parts. A run that was
    interrupted goes on where it was when it is called again. `progress` is called after every picture,
    `observe` with every outcome. One picture's failure doesn't stop the others: look at the `error` of each
    outcome. Raises InputError where there are no pictures, and what would befall all of them: UsageError,
    CheckpointError, UnavailableError, DiskFullError.
    """
    request = _request(
        several("source", source),
        output,
        options,
        include=_texts("include", include),
        exclude=_texts("exclude", exclude),
        overwrite=overwrite,
        skip_existing=skip_existing,
        shard=shard,
    )
    return _run(request, options, None, _Watcher(progress, observe))


def upscale_video(
    source: Place | Sequence[Place],
    output: Place,
    settings: VideoSettings | None = None,
    *,
    overwrite: bool = False,
    progress: VideoProgress | None = None,
    **options: Unpack[NetworkOptions],
) -> VideoFacts:
    """Write a larger video of `source` (a video, an animated picture, or numbered frames) to `output` (a
    video, an animated picture, or a pattern such as "out/%06d.png"), with everything beside its picture.

    The size is that of `settings`, ×4 by default. What is done survives any interruption in a folder beside
    `output`, from where the same call goes on. `progress` is called with frames done, frames in all and bytes
    written. Raises InputError, UsageError, OutputError, CheckpointError, UnavailableError, OutOfMemoryError.
    """
    from ripfdn_cli.video_jobs.video_run import upscale_video as run
    from ripfdn_cli.video_jobs.video_settings import VideoSettings

    sources = [Path(place("source", each)) for each in several("source", source)]
    if not sources:
        raise UsageError("no inputs are given; name a video, or the frames of one")
    if settings is not None and not isinstance(settings, VideoSettings):
        raise UsageError(f"`settings` {settings!r} is not a VideoSettings")
    return run(
        sources,
        Path(place("output", output)),
        settings or VideoSettings(),
        network_settings(**options),
        overwrite=switch("overwrite", overwrite),
        progress=progress,
    )


def evaluate(
    sets: Place | Sequence[Place] = (),
    *,
    hr: Place | None = None,
    lr: Place | None = None,
    weights: Place | Checkpoint | Sequence[Place | Checkpoint] = "x4",
    device: str = "auto",
    engine: str | Sequence[str] = "auto",
    precision: str | Sequence[str] = "fp32",
    threads: int | None = None,
    protocol: str | Sequence[str] = "Y",
    metric: str | Sequence[str] = (),
    repeat: int = 1,
    progress: Progress | None = None,
    observe: Observer | None = None,
) -> list[Row]:
    """Scores and times of `weights`, and of bicubic and Lanczos interpolation, on data sets.

    A set is a folder with HR/ and perhaps LRbicx4/; `hr` and `lr` name folders of pictures instead.
    `protocol`: Y, Y8 or RGB (docs/evaluation.md), or "all". `metric`: of ms-ssim, ssimulacra2, niqe, lpips
    and dists. `repeat`: runs of a picture; the fastest counts.
    `progress` is called after every picture, and `observe` with what every method made of it. The rows hold
    PSNR in dB, SSIM, seconds and bytes. Raises InputError, UsageError, CheckpointError, UnavailableError.
    """
    from ripfdn_cli.evaluation.benchmark import Engines, evaluate_sets, network_methods
    from ripfdn_cli.evaluation.datasets import find_data_sets
    from ripfdn_cli.evaluation.library_metrics import metrics_named
    from ripfdn_cli.files.storage import location
    from ripfdn_cli.image_math.metrics import protocols_named
    from ripfdn_cli.model.checkpoint import Checkpoint

    def located(name: str, given: Place | None) -> Location | None:
        return None if given is None else location(place(name, given))

    metrics = metrics_named(_texts("metric", metric))
    protocols = protocols_named(_texts("protocol", protocol))
    engines = Engines(
        _texts("engine", engine),
        _texts("precision", precision),
        device=text("device", device),
        threads=None if threads is None else _count("threads", threads),
    )
    runs = _count("repeat", repeat)
    given = [weights] if isinstance(weights, Checkpoint) else several("weights", weights)
    networks = network_methods([_weights("weights", each) for each in given], engines)
    scales = sorted({method.scale for method in networks})
    folders = [location(place("sets", each)) for each in several("sets", sets)]
    found = find_data_sets(folders, located("hr", hr), located("lr", lr), scales)
    return evaluate_sets(
        found,
        networks,
        protocols,
        metrics=metrics,
        repeat=runs,
        progress=progress,
        observe=observe,
    )


def export(
    weights: Place | Checkpoint = "x4",
    output: Place | None = None,
    *,
    target: str | None = None,
    tile: tuple[int, int] | None = None,
    half: bool = False,
    opset: int | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write the network `weights` to the file `output` as ONNX, OpenVINO, TorchScript or ncnn, checked
    against our own result first.

    `target`: onnx, openvino, torchscript or ncnn, None for what the suffix of `output` says; without `output`
    the file is named after the weights. `tile`: the only (height, width) in px it will take, None for any
    from 15 px. `half`: weights in fp16. `opset`: of ONNX, None for 17. Input (N, 3, H, W) float32 RGB in
    0..1, output (N, 3, scale·H, scale·W) float32, not clamped. Raises UsageError, UnavailableError,
    CheckpointError, OutputError, OutOfMemoryError, and InternalError where the result is not the network.
    """
    from ripfdn_cli.exporting.export import export_named

    path = None if output is None else Path(place("output", output))
    return export_named(
        _weights("weights", weights),
        path,
        target=None if target is None else text("target", target),
        tile=tile,
        half=switch("half", half),
        opset=opset,
        overwrite=switch("overwrite", overwrite),
    )


def network_settings(
    *,
    weights: Place | Checkpoint = "auto",
    weights_to: Place | Checkpoint | None = None,
    strength: float | None = None,
    look: str | None = None,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    tile: int | str | None = "auto",
    halo: int | None = None,
    exact: bool = False,
    memory: int | None = None,
    threads: int | None = None,
    ensemble: bool = False,
) -> NetworkSettings:
    """NetworkOptions, checked, as one object. Raises UsageError."""
    from ripfdn_cli.model.tile_grid import DEFAULT_HALO, EXACT_HALO, checked_halo
    from ripfdn_cli.pipeline.devices import NetworkSettings

    exact = switch("exact", exact)
    if exact and halo is not None:
        raise UsageError("`exact` sets the halo; give either `exact` or `halo`")
    if exact and text("precision", precision) not in ("auto", "fp32"):
        log.warning(
            "with `precision` %s, tiles match the untiled result only to within the rounding of %s, one "
            "level in some samples; leave out `precision` to compute in fp32",
            precision,
            precision,
        )
    if look is not None:
        if text("look", look) not in LOOKS:
            raise UsageError(f"`look` {look!r} is not one of {', '.join(LOOKS)}")
        if weights != "auto" or weights_to is not None or strength is not None:
            raise UsageError("`look` chooses the weights; give either it, or `weights` or `strength`")
        strength = LOOKS[look]
    devices = tuple(name.strip() for name in text("device", device).split(","))
    if "" in devices or len(set(devices)) < len(devices):
        raise UsageError(f"`device` {device}: a name is empty or given twice; write cuda:0,cuda:1")
    return NetworkSettings(
        weights=None if weights == "auto" else _weights("weights", weights),
        weights_to=None if weights_to is None else _weights("weights_to", weights_to),
        strength=None if strength is None else number("strength", strength),
        devices=devices,
        engine=text("engine", engine),
        precision="fp32" if exact and precision == "auto" else text("precision", precision),
        tile=tile,
        halo=EXACT_HALO if exact else DEFAULT_HALO if halo is None else checked_halo(halo),
        memory=memory,
        threads=None if threads is None else _count("threads", threads),
        ensemble=switch("ensemble", ensemble),
    )


def size_request(
    *,
    scale: float | str | Fraction | None = None,
    width: int | None = None,
    height: int | None = None,
    long_side: int | None = None,
    fit: tuple[int, int] | None = None,
) -> SizeRequest:
    """SizeOptions, checked, as one object. Raises UsageError."""
    from ripfdn_cli.pipeline.output_size import SizeRequest

    try:
        factor = None if scale is None else Fraction(str(scale))
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"`scale` {scale} is not a number; write it as 2 or 2.5") from error
    return SizeRequest(
        scale=factor,
        width=_pixels("width", width),
        height=_pixels("height", height),
        long_side=_pixels("long_side", long_side),
        fit=None if fit is None else _rectangle(fit),
    )


def picture_settings(
    size: SizeRequest,
    network: NetworkSettings,
    *,
    quality: int | None = None,
    lossless: bool = False,
    depth: int | None = None,
    background: str = "white",
    strip_metadata: bool = False,
    wrap: bool = False,
    max_pixels: int | None = None,
) -> PictureSettings:
    """PictureOptions, checked, as one object. Raises UsageError."""
    from ripfdn_cli.image_jobs.picture_job import PictureSettings
    from ripfdn_cli.pictures.formats import DEPTHS
    from ripfdn_cli.pictures.picture import DEFAULT_MAX_PIXELS

    if depth is not None and whole_number("depth", depth) not in DEPTHS:
        raise UsageError(f"`depth` {depth} is not one of {', '.join(map(str, DEPTHS))}")
    if quality is not None and not 1 <= whole_number("quality", quality) <= 100:
        raise UsageError(f"`quality` {quality} is not between 1 and 100")
    return PictureSettings(
        size=size,
        depth=depth,
        quality=quality,
        lossless=switch("lossless", lossless),
        background=_colour(background),
        strip_metadata=switch("strip_metadata", strip_metadata),
        wrap=network.halo if switch("wrap", wrap) else 0,
        max_pixels=DEFAULT_MAX_PIXELS if max_pixels is None else _count("max_pixels", max_pixels),
    )


def _pixels(name: str, number: int | None) -> int | None:
    return None if number is None else whole_number(name, number, " of pixels")


def _rectangle(fit: tuple[int, int]) -> tuple[int, int]:
    sides = [] if isinstance(fit, str) else _sides(fit)
    if len(sides) != 2:
        raise UsageError(f"`fit` {fit!r} is not a width and a height; write them as (1920, 1080)")
    return whole_number("fit", sides[0], " of pixels"), whole_number("fit", sides[1], " of pixels")


def _sides(fit: tuple[int, int]) -> list[int]:
    try:
        return list(fit)
    except TypeError:  # not a sequence
        return []


def _count(name: str, number: int) -> int:
    if (count := whole_number(name, number)) < 1:
        raise UsageError(f"`{name}` {number} is less than 1")
    return count


def file_format(name: str | None) -> Format | None:
    """The picture format called `name`. Raises UsageError."""
    from ripfdn_cli.pictures.formats import format_named

    return None if name is None else format_named(text("format", name))


def _colour(name: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(name)[:3]
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"`background` {name} is not a colour; write it as white or #ffffff") from error


def _settings(options: PictureOptions) -> tuple[NetworkSettings, PictureSettings]:
    """Raises TypeError for misspelt names, as a function does."""
    network = network_settings(**{name: value for name, value in options.items() if name in _NETWORK})  # type: ignore[arg-type]
    size = size_request(**{name: value for name, value in options.items() if name in _SIZE})  # type: ignore[arg-type]
    others = {
        name: value
        for name, value in options.items()
        if name not in _NETWORK and name not in _SIZE and name != "format"
    }
    return network, picture_settings(size, network, **others)  # type: ignore[arg-type]


def _request(
    sources: Sequence[Place],
    output: Place,
    options: PictureOptions,
    *,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    overwrite: bool = False,
    skip_existing: bool = False,
    shard: str | None = None,
) -> BatchRequest:
    from ripfdn_cli.files.storage import location
    from ripfdn_cli.image_jobs.batch import BatchRequest
    from ripfdn_cli.pipeline.shards import Shard

    if not sources:
        raise UsageError("no inputs are given; name a folder, or files")
    return BatchRequest(
        inputs=tuple(location(place("source", each)) for each in sources),
        output=place("output", output),
        file_format=file_format(options.get("format")),
        include=include,
        exclude=exclude,
        overwrite=switch("overwrite", overwrite),
        skip_existing=switch("skip_existing", skip_existing),
        shard=None if shard is None else Shard.parse(text("shard", shard)),
    )


class _Watcher:
    """Tells callbacks of outcomes."""

    def __init__(self, progress: Progress | None, observe: Callable[[Outcome], None] | None) -> None:
        self._progress, self._observe = progress, observe

    def tell(self, outcome: Outcome, done: int, count: int) -> None:
        if self._observe is not None:
            self._observe(outcome)
        if self._progress is not None:
            self._progress(done, count)


def _run(
    request: BatchRequest, options: PictureOptions, tiles: Progress | None, watcher: _Watcher | None
) -> list[Outcome]:
    from ripfdn_cli.image_jobs.batch import plan_batch

    network, picture = _settings(options)
    batch = plan_batch(request, picture, network)
    found = []
    with closing(batch.run(tiles)) as outcomes:
        for outcome in outcomes:
            found.append(outcome)
            if watcher is not None:
                watcher.tell(outcome, len(found), len(batch))
    return found


def _weights(name: str, given: Place | Checkpoint) -> str | Checkpoint:
    from ripfdn_cli.model.checkpoint import Checkpoint

    return given if isinstance(given, Checkpoint) else place(name, given)


def _texts(name: str, given: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(text(name, each) for each in several(name, given))
