"""Upscale data sets by several methods, time them, and score them."""

import logging
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from ripfdn_cli.errors import CheckpointError, UsageError
from ripfdn_cli.evaluation.complexity import Complexity, count_complexity
from ripfdn_cli.evaluation.datasets import DataSet, LoadedPair, Pixels, load_pair, require_side
from ripfdn_cli.evaluation.library_metrics import Compare, Metric
from ripfdn_cli.evaluation.peak_memory import peak_memory
from ripfdn_cli.foreign_networks import (
    FOREIGN_SUFFIXES,
    ForeignNetwork,
    is_onnx,
    load_foreign,
    may_be_foreign,
)
from ripfdn_cli.image_math.levels import as_levels
from ripfdn_cli.image_math.metrics import Protocol, Score, score
from ripfdn_cli.model.checkpoint import SUFFIX, Checkpoint, suffix_of
from ripfdn_cli.model.weights_store import load_weights
from ripfdn_cli.upscaler import Upscaler

log = logging.getLogger(__name__)

Upscale = Callable[[Pixels], Pixels]

INTERPOLATIONS = {"Bicubic": Image.Resampling.BICUBIC, "Lanczos": Image.Resampling.LANCZOS}


@dataclass(frozen=True)
class Network:
    """What ran behind a method that is a network: what was loaded, not what was asked for. `complexity` is
    None where it isn't counted: of networks of others.
    """

    weights: str
    sha256: str
    engine: str
    precision: str
    device: str
    complexity: Complexity | None


@dataclass(frozen=True)
class Method:
    """A way to upscale (h, w, 3) uint8 to (scale·h, scale·w, 3). Without `network` it is an interpolation.

    `reload` gives `upscale` anew, with none of the memory that the first one keeps from call to call.
    """

    name: str
    scale: int
    upscale: Upscale
    network: Network | None = None
    reload: Callable[[], Upscale] | None = None

    @property
    def device(self) -> str:
        """Where the method ran; Pillow always runs on the CPU."""
        return "cpu" if self.network is None else self.network.device


@dataclass(frozen=True)
class Engines:
    """How to run networks: every engine of `names` with every one of `precisions`. fp32 unless another is
    asked for, so that scores are the same on every machine.
    """

    names: Sequence[str] = ("auto",)
    precisions: Sequence[str] = ("fp32",)
    device: str = "auto"
    tile: int | str | None = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class PictureResult:
    """One picture by one method. `width` and `height` are of the LR picture; `scores` by protocol name and
    `values` by a metric's name, empty without HR.
    """

    name: str
    width: int
    height: int
    seconds: float
    scores: dict[str, Score]
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One method on one data set. `memory`: peak bytes of loading it and upscaling the largest picture, None
    where that can't be measured; `metrics`: those of its pictures' `values`.
    """

    data_set: str
    method: Method
    pictures: tuple[PictureResult, ...]
    memory: int | None
    metrics: tuple[Metric, ...] = ()

    @property
    def seconds(self) -> float:
        """Mean time of a picture."""
        return statistics.fmean(picture.seconds for picture in self.pictures)

    def mean_score(self, protocol: Protocol) -> Score | None:
        """Means over the pictures, None without HR. One perfect picture makes the PSNR infinite."""
        scores = [picture.scores[protocol.name] for picture in self.pictures if picture.scores]
        if not scores:
            return None
        return Score(statistics.fmean(s.psnr for s in scores), statistics.fmean(s.ssim for s in scores))

    def mean_value(self, metric: Metric) -> float | None:
        """Mean over the pictures, None without HR."""
        values = [picture.values[metric.name] for picture in self.pictures if metric.name in picture.values]
        return statistics.fmean(values) if values else None


@dataclass(frozen=True)
class UpscaledPicture:
    """One picture of a data set with what every method made of it, in the order of the methods."""

    data_set: str
    pair: LoadedPair
    methods: tuple[Method, ...]
    outputs: tuple[Pixels, ...]
    results: tuple[PictureResult, ...]


Observer = Callable[[UpscaledPicture], None]


def interpolation_methods(scale: int) -> list[Method]:
    """Pillow's bicubic and Lanczos: the rows that every network must beat."""
    return [
        Method(f"{name} (Pillow)", scale, _interpolate(kernel, scale))
        for name, kernel in INTERPOLATIONS.items()
    ]


def network_methods(weights: Sequence[str | Path | Checkpoint], engines: Engines) -> list[Method]:
    """Every one of `weights` (names, files, checkpoints) on every engine and precision; their scales may
    differ. A network of others (ONNX, or what spandrel reads) runs in fp32, by its own runtime.

    Raises what `Upscaler` raises, and UsageError for what would run twice.
    """
    given_once = {w.identified().sha256 if isinstance(w, Checkpoint) else str(w) for w in weights}
    if len(given_once) < len(weights):
        raise UsageError("some `weights` are given twice; give each once")
    places = [given.source if isinstance(given, Checkpoint) else str(given) for given in weights]
    names = _distinct_names(places)
    several = len(engines.names) * len(engines.precisions) > 1
    methods = [
        method
        for given, place, name in zip(weights, places, names, strict=True)
        for method in _methods_of(given, place, name, engines, several)
    ]
    labels = [method.name for method in methods]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"{label} would run twice; leave out one `engine` or one `precision`")
    return methods


def evaluate(
    data_set: DataSet,
    methods: Sequence[Method],
    protocols: Iterable[Protocol],
    *,
    metrics: Sequence[Metric] = (),
    repeat: int = 1,
    observe: Observer | None = None,
) -> list[Row]:
    """A row for each of `methods`, all of the data set's scale.

    Every picture is timed `repeat` times and the fastest counts; the first picture of each size is run once
    before, so that compiling isn't counted. `observe` is called with every picture as it is done. Raises
    InputError, and UnavailableError where something that a metric needs is not on the machine.
    """
    scorer = _Scorer.of(data_set, protocols, metrics)
    timed = [_Timed(method) for method in methods]
    done: list[tuple[PictureResult, ...]] = []
    largest: LoadedPair | None = None
    for place in data_set.pairs:
        pair = load_pair(place, data_set.scale)
        if largest is None or pair.lr.size > largest.lr.size:
            largest = pair
        runs = [method.run(pair.lr, repeat) for method in timed]
        outputs = tuple(output for output, _ in runs)
        results = tuple(scorer.result(pair, output, seconds) for output, seconds in runs)
        done.append(results)
        if observe is not None:
            observe(UpscaledPicture(data_set.name, pair, tuple(methods), outputs, results))
    assert largest is not None
    memory = [_memory(method, largest.lr) for method in methods]
    columns = zip(methods, zip(*done, strict=True), memory, strict=True)
    return [Row(data_set.name, method, pictures, peak, tuple(metrics)) for method, pictures, peak in columns]


def evaluate_sets(
    data_sets: Sequence[DataSet],
    networks: Sequence[Method],
    protocols: Sequence[Protocol],
    *,
    metrics: Sequence[Metric] = (),
    repeat: int = 1,
    progress: Callable[[int, int], None] | None = None,
    observe: Observer | None = None,
) -> list[Row]:
    """Rows of interpolations and of those `networks` that have its scale, for each of `data_sets`. `progress`
    is called after every picture. Raises InputError, UnavailableError.
    """
    total, done, rows = sum(len(data_set.pairs) for data_set in data_sets), 0, list[Row]()
    metrics = [metric.loaded_once() for metric in metrics]

    def tell(picture: UpscaledPicture) -> None:
        nonlocal done
        done += 1
        if observe is not None:
            observe(picture)
        if progress is not None:
            progress(done, total)

    for data_set in data_sets:
        own = [method for method in networks if method.scale == data_set.scale]
        methods = [*interpolation_methods(data_set.scale), *own]
        rows += evaluate(data_set, methods, protocols, metrics=metrics, repeat=repeat, observe=tell)
    return rows


class _Timed:
    """A method with the sizes it has met."""

    def __init__(self, method: Method) -> None:
        self._upscale = method.upscale
        self._known: set[tuple[int, ...]] = set()

    def run(self, pixels: Pixels, repeat: int) -> tuple[Pixels, float]:
        """The result and the seconds of the fastest of `repeat` runs."""
        if pixels.shape not in self._known:
            self._known.add(pixels.shape)
            self._upscale(pixels)
        seconds = []
        for _ in range(repeat):
            start = time.perf_counter()
            output = self._upscale(pixels)
            seconds.append(time.perf_counter() - start)
        return output, min(seconds)


def _memory(method: Method, pixels: Pixels) -> int | None:
    """Peak of loading `method` and of its first run."""

    def run() -> None:
        upscale = method.upscale if method.reload is None else method.reload()
        upscale(pixels)

    return peak_memory(run, method.device)


@dataclass(frozen=True)
class _Scorer:
    """How the pictures of a data set are scored; metrics are loaded."""

    data_set: DataSet
    protocols: tuple[Protocol, ...]
    metrics: tuple[tuple[Metric, Compare], ...]

    @classmethod
    def of(cls, data_set: DataSet, protocols: Iterable[Protocol], metrics: Iterable[Metric]) -> Self:
        """Raises UnavailableError where a metric can't be had."""
        loaded = tuple((metric, metric.load(data_set.scale)) for metric in metrics)
        return cls(data_set, tuple(protocols), loaded)

    def result(self, pair: LoadedPair, output: Pixels, seconds: float) -> PictureResult:
        """Raises InputError for a picture that is too small to score."""
        height, width = pair.lr.shape[:2]
        if pair.hr is None:
            return PictureResult(pair.name, width, height, seconds, {})
        hr, scale = pair.hr, self.data_set.scale
        for protocol in self.protocols:
            require_side(self.data_set.name, pair, protocol.smallest_side(scale))
        for metric, _ in self.metrics:
            require_side(self.data_set.name, pair, metric.smallest_side(scale), f" by {metric.name}")
        scores = {p.name: score(output, hr, scale=scale, protocol=p) for p in self.protocols}
        values = {metric.name: compare(output, hr) for metric, compare in self.metrics}
        return PictureResult(pair.name, width, height, seconds, scores, values)


def _interpolate(kernel: Image.Resampling, scale: int) -> Upscale:
    def upscale(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return np.asarray(Image.fromarray(pixels).resize((scale * width, scale * height), kernel))

    return upscale


def _methods_of(
    weights: str | Path | Checkpoint, place: str, name: str, engines: Engines, several: bool
) -> list[Method]:
    if not isinstance(weights, Checkpoint) and is_onnx(Path(place)):
        return [_foreign_method(place, name, engines)]
    try:
        checkpoint = load_weights(weights).identified()
    except CheckpointError as error:
        if not may_be_foreign(Path(place)):
            raise
        log.info("%s; trying spandrel", error)
        return [_foreign_method(place, name, engines)]
    return [
        _network_method(checkpoint, place, name, engine, precision, engines, several)
        for engine in engines.names
        for precision in engines.precisions
    ]


def _foreign_method(place: str, name: str, engines: Engines) -> Method:
    path = Path(place)
    device = engines.device
    if device == "auto" and not is_onnx(path):
        from ripfdn_cli.torch_devices import best_device  # imports torch

        device = best_device()

    def load() -> ForeignNetwork:
        return load_foreign(path, threads=engines.threads, device=device)

    network = load()
    return Method(
        name,
        network.scale,
        _in_levels(network),
        Network(place, network.sha256, network.runtime, "fp32", network.device, None),
        reload=lambda: _in_levels(load()),
    )


def _in_levels(network: ForeignNetwork) -> Upscale:
    """`network` from 8 bits to 8 bits."""

    def upscale(pixels: Pixels) -> Pixels:
        result = network(pixels.astype(np.float32) / np.float32(255))
        return as_levels(result)

    return upscale


def _network_method(
    checkpoint: Checkpoint,
    place: str,
    name: str,
    engine: str,
    precision: str,
    engines: Engines,
    several: bool,
) -> Method:

    def load() -> Upscaler:
        return Upscaler(
            checkpoint,
            engine=engine,
            precision=precision,
            device=engines.device,
            tile=engines.tile,
            threads=engines.threads,
        )

    upscaler = load()
    network = Network(
        weights=place,
        sha256=checkpoint.sha256,
        engine=upscaler.engine_name,
        precision=upscaler.precision,
        device=upscaler.device,
        complexity=count_complexity(checkpoint.config),
    )
    label = f"{name} ({network.engine} {network.precision})" if several else name
    return Method(label, upscaler.scale, upscaler.upscale, network, reload=lambda: load().upscale)


def _distinct_names(places: Sequence[str]) -> list[str]:
    """A short name for each of `places`: a file's stem where that tells them apart, else its path. Weights
    in memory that are called the same are numbered.
    """
    files = (SUFFIX, ".onnx", *FOREIGN_SUFFIXES)
    stems = [Path(place).stem if suffix_of(Path(place)) in files else place for place in places]
    names = [stem if stems.count(stem) == 1 else place for stem, place in zip(stems, places, strict=True)]
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]
