"""An image in, a larger one out: one engine and the tile grid. No files, no command line."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ripfdn_cli.arguments import switch, whole_number
from ripfdn_cli.engines.engine import LEVELS, Engine, TileJob, YuvEngine, YuvJob, YuvResult
from ripfdn_cli.engines.engine_selection import load_engine
from ripfdn_cli.errors import InputError, InternalError, NonFiniteResultError, OutOfMemoryError, UsageError
from ripfdn_cli.image_math.dihedral import DIHEDRAL_TRANSFORMS, inverse, transformed, transformed_window
from ripfdn_cli.image_math.levels import as_levels
from ripfdn_cli.image_math.value_range import ValueRange, as_float32, limit_overshoot
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.image_objects import UpscalePixels, check_several, upscaled
from ripfdn_cli.model.architecture import GRID_STEP, SMALLEST_SIDE
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.tile_grid import (
    DEFAULT_HALO,
    EXACT_HALO,
    Span,
    Tile,
    TileGrid,
    check_tile,
    checked_halo,
    fixed_grid,
    planned_grid,
    whole_grid,
)
from ripfdn_cli.model.weights_store import load_weights

if TYPE_CHECKING:
    from ripfdn_cli.image_objects import AnyImage

log = logging.getLogger(__name__)

DEFAULT_MEMORY: int | None = None
"""Bytes that a tile may take in the engine, over the input and output pictures; None leaves it to the engine,
which looks at what the machine has.
"""
_REFERENCE_SIDE = 128
"""Side in input pixels of what the reference computes at a time, its surroundings not counted."""

Progress = Callable[[int, int], None]
"""Called after every tile with the tiles done and the tiles in all; where several pictures go one after the
other, each is taken to have as many as the one that is computed.
"""


@dataclass(frozen=True)
class UpscalerSettings:
    """How the network runs, as `Upscaler` takes it; what shapes the result and what shapes its speed."""

    engine: str = "auto"
    precision: str = "auto"
    tile: int | str | None = "auto"
    halo: int = DEFAULT_HALO
    memory: int | None = DEFAULT_MEMORY
    threads: int | None = None
    ensemble: bool = False


class Upscaler:
    """RIPFDN with a way to run it, for any number of images. Threads may share one: their calls run in turn,
    because one call already keeps the device busy.
    """

    def __init__(
        self,
        weights: str | Path | Checkpoint = "x4",
        *,
        device: str = "auto",
        engine: str = "auto",
        precision: str = "auto",
        tile: int | str | None = "auto",
        halo: int = DEFAULT_HALO,
        memory: int | None = DEFAULT_MEMORY,
        threads: int | None = None,
        ensemble: bool = False,
    ) -> None:
        """With `weights`: a name from `ripfdn weights list`, a path, or a checkpoint that is loaded.

        `device`: auto, cpu, cuda, cuda:n or mps. `tile`: "auto" plans the largest tiles that `memory` bytes
        allow, None never tiles, a number is the inner side of a tile in px. `halo` in px. `threads`: of the
        CPU; None for all cores. `ensemble`: the mean of the results for eight flips and rotations, at
        eight times the work. Raises CheckpointError, UsageError, UnavailableError.
        """
        checkpoint = load_weights(weights)
        settings = UpscalerSettings(engine, precision, tile, halo, memory, threads, ensemble)
        self._start(checkpoint, device, settings)

    @classmethod
    def with_settings(cls, checkpoint: Checkpoint, device: str, settings: UpscalerSettings) -> Self:
        """The same with settings in one object. Raises UsageError, UnavailableError."""
        upscaler = cls.__new__(cls)
        upscaler._start(checkpoint, device, settings)
        return upscaler

    def _start(self, checkpoint: Checkpoint, device: str, settings: UpscalerSettings) -> None:
        self._tile, self._halo = checked_tile(settings.tile), checked_halo(settings.halo)
        memory = None if settings.memory is None else whole_number("memory", settings.memory, " of bytes")
        self._threads, self._ensemble = settings.threads, switch("ensemble", settings.ensemble)
        self._lock = threading.RLock()
        self._checkpoint = checkpoint
        self._engine = load_engine(
            checkpoint,
            engine=settings.engine,
            device=device,
            precision=settings.precision,
            threads=settings.threads,
        )
        self._memory = self._engine.default_memory if memory is None else memory
        self._reference: Engine | None = None
        self._referring = threading.Lock()

    @property
    def scale(self) -> int:
        """How many times as large a result is on each side."""
        return self._engine.scale

    @property
    def checkpoint_sha256(self) -> str:
        """SHA-256 of the weights, in hexadecimal."""
        return self._checkpoint.sha256

    @property
    def engine_name(self) -> str:
        """`openvino` or `torch`."""
        return self._engine.name

    @property
    def precision(self) -> str:
        """`fp32`, `bf16` or `fp16`; what `auto` has become."""
        return self._engine.precision

    @property
    def device(self) -> str:
        """The device that computes, as torch names it: `cpu`, `cuda:0`, `mps`."""
        return self._engine.device

    def tile_bytes(self, grid: TileGrid, dtype: DTypeLike = np.uint8) -> int:
        """The most bytes that a tile of `grid` takes in the engine, with samples of `dtype`."""
        return self._engine.tile_memory.of(grid.tile_height * grid.tile_width, dtype)

    def grid(self, height: int, width: int, *, dtype: DTypeLike = np.uint8) -> TileGrid:
        """The tiles in which a picture of `height` × `width` px, with samples of `dtype`, will be computed.

        Raises OutOfMemoryError.
        """
        height, width = max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE)
        if self._tile is None:
            return whole_grid(height, width)
        if isinstance(self._tile, int):
            return fixed_grid(height, width, tile=self._tile, halo=self._halo)
        return planned_grid(height, width, halo=self._halo, largest_tile=self._largest_tile(dtype))

    def _largest_tile(self, dtype: DTypeLike) -> int:
        return self._engine.tile_memory.largest_tile(self._memory, dtype)

    def upscale(
        self, image: AnyImage, *, progress: Progress | None = None, unit_range: bool = False
    ) -> AnyImage:
        """`image` made `scale` times as large, as the same kind of object, which is one of three.

        - a NumPy array (H, W, 3), RGB in uint8, uint16 or floats, of any byte order;
        - an image of PIL in mode L, LA, RGB, RGBA or I;16; its `info` is copied, and a colour key becomes
          alpha;
        - a torch tensor (3, H, W) or (N, 3, H, W), RGB in uint8, uint16 or floats, on any device.

        Integers are rounded. Floats within 0..1, of which one is over 1/8, are taken as they are and not
        clamped; others, darker or beyond, are laid into 0..1 by `ValueRange` and taken back, within the range
        that they had. With `unit_range` all floats are taken as they are: those of one film or set are then
        treated alike, however dark one of them is. `progress` is called after every tile. Where the memory
        does not suffice, the tile halves until it does, with a warning; a result that is not finite is
        computed again in fp32. Raises InputError for anything else, OutOfMemoryError, NonFiniteResultError.
        """

        def upscale_part(number: int, count: int) -> UpscalePixels:
            part = _share_of(progress, number, count)
            return partial(self._upscale_pixels, progress=part, unit_range=unit_range)

        result: AnyImage = upscaled(image, upscale_part, self.scale)
        return result

    def _upscale_pixels(
        self, pixels: NDArray[Any], *, progress: Progress | None = None, unit_range: bool = False
    ) -> NDArray[Any]:
        """`upscale` for an array in the machine's byte order."""
        height, width = check_pixels(pixels)
        dtype = pixels.dtype
        working, values = _working(pixels, unit_range=unit_range)
        padded = _pad_to_smallest(working if values is None else values.to_unit(working))
        with self._lock:
            if self._ensemble:
                result = self._averaged(padded, progress)
            else:
                result = self._computed(padded[None], progress)[0]
        result = result[: self.scale * height, : self.scale * width]
        if values is not None:
            result = limit_overshoot(values.from_unit(result), working, self.scale)
        return result.astype(dtype, copy=False)

    def upscale_batch(
        self, images: Sequence[AnyImage], *, progress: Progress | None = None
    ) -> list[AnyImage]:
        """What `upscale` gives for each of `images`. Arrays of one size and type take less time on a GPU:
        small ones go through the network as a batch, and copying one hides behind computing another.
        """
        check_several(images)
        results: list[AnyImage] | None = self._batch_at_once(images, progress)
        if results is not None:
            return results
        return [
            self.upscale(image, progress=_share_of(progress, number, len(images)))
            for number, image in enumerate(images)
        ]

    def _batch_at_once(self, images: Sequence[Any], progress: Progress | None) -> Any:
        """The results as a list, or None where `images` can't go through the network at once."""
        if self._ensemble or not _form_a_batch(images):
            return None
        check_pixels(images[0])
        try:
            with self._lock:
                batch = np.stack(images)
                return list(self._pasted(batch, self.grid(*batch.shape[1:3], dtype=batch.dtype), progress))
        except (OutOfMemoryError, NonFiniteResultError):  # which one at a time may yet do
            return None

    def reference(self, pixels: NDArray[Any], rows: slice, columns: slice) -> NDArray[Any]:
        """The part of what `upscale` gives that stands for `rows` and `columns` of `pixels`, computed by
        torch in fp32 on the CPU with the borders of the same tiles. What looks wrong is compared with it.

        For any thread. The first call imports torch. Raises InputError, OutOfMemoryError,
        NonFiniteResultError.
        """
        height, width = check_pixels(pixels)
        working, values = _working(pixels)
        if values is None:
            result = self._reference_part(_pad_to_smallest(working), rows, columns)
            return result.astype(pixels.dtype, copy=False)
        # The overshoot at the rim of a part is limited by the pixels around it.
        top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
        outer = slice(top, min(rows.stop + 1, height)), slice(left, min(columns.stop + 1, width))
        result = self._reference_part(_pad_to_smallest(values.to_unit(working)), *outer)
        result = limit_overshoot(values.from_unit(result), working[outer], self.scale)
        part = result[
            self.scale * (rows.start - top) : self.scale * (rows.stop - top),
            self.scale * (columns.start - left) : self.scale * (columns.stop - left),
        ]
        return part.astype(pixels.dtype, copy=False)

    def _reference_part(self, pixels: NDArray[Any], rows: slice, columns: slice) -> NDArray[Any]:
        with self._referring:
            if not self._ensemble:
                return self._reference_tiles(pixels, rows, columns)
            unit, parts = _to_unit_range(pixels), []
            for transform in DIHEDRAL_TRANSFORMS:
                window = transformed_window(rows, columns, unit.shape, transform)
                part = self._reference_tiles(transformed(unit, transform), *window)
                parts.append(transformed(part, inverse(transform)))
            return _from_unit_range(np.mean(parts, axis=0), pixels.dtype)

    def _reference_tiles(self, pixels: NDArray[Any], rows: slice, columns: slice) -> NDArray[Any]:
        """Only as much around the part is computed as it takes, and no more than its tiles have."""
        if self._reference is None:
            self._reference = load_engine(
                self._checkpoint, engine="torch", device="cpu", precision="fp32", threads=self._threads
            )
        grid, scale = self.grid(*pixels.shape[:2], dtype=pixels.dtype), self.scale
        sides = (rows.stop - rows.start, columns.stop - columns.start)
        result = np.empty((scale * sides[0], scale * sides[1], 3), pixels.dtype)
        for row in _windows(grid.rows, rows):
            for column in _windows(grid.columns, columns):
                job = _job(pixels[None], grid, Tile(row, column))
                (part,) = self._reference.run([job])
                top, left = (row.keep_start - rows.start, column.keep_start - columns.start)
                height, width = part.shape[1:3]
                result[scale * top : scale * top + height, scale * left : scale * left + width] = part[0]
        return result

    @property
    def converts_yuv(self) -> bool:
        """Whether `upscale_yuv` can be called."""
        return isinstance(self._engine, YuvEngine) and not self._ensemble

    def upscale_yuv(
        self,
        frames: NDArray[Any],
        source: YuvFormat,
        target: YuvFormat,
        *,
        progress: Progress | None = None,
    ) -> list[YuvResult]:
        """`frames` (N, K), samples in the format `source`, of sides that the network takes, made larger in
        the format `target`; colours are converted on the device. A result holds what the memory allows.

        Raises OutOfMemoryError, NonFiniteResultError: what to do then is the caller's, as RGB is `upscale`'s.
        """
        engine = self._engine
        if not isinstance(engine, YuvEngine):
            raise InternalError(f"{engine.name} does not convert colours")
        grid = self.grid(source.height, source.width)
        batch = self._batch_size(grid, np.uint8)
        batches = [frames[start : start + batch] for start in range(0, len(frames), batch)]
        results = []
        with self._lock:
            for result in engine.run_yuv(YuvJob(part, source, target, grid) for part in batches):
                results.append(result)
                if progress is not None:
                    progress(len(results), len(batches))
        return results

    def _batch_size(self, grid: TileGrid, dtype: DTypeLike) -> int:
        """How many frames' tiles the memory allows at once."""
        return max(1, self._largest_tile(dtype) // (grid.tile_height * grid.tile_width))

    def _averaged(self, pixels: NDArray[Any], progress: Progress | None) -> NDArray[Any]:
        """The mean over the eight flips and rotations of `pixels`, computed in float32."""
        unit = _to_unit_range(pixels)
        total: NDArray[Any] | None = None
        for number, transform in enumerate(DIHEDRAL_TRANSFORMS):
            batch = transformed(unit, transform)[None]
            larger = self._computed(batch, _share_of(progress, number, len(DIHEDRAL_TRANSFORMS)))
            result = transformed(larger[0], inverse(transform))
            total = result if total is None else np.add(total, result, out=total)
        assert total is not None
        return _from_unit_range(np.divide(total, len(DIHEDRAL_TRANSFORMS), out=total), pixels.dtype)

    def _computed(self, pixels: NDArray[Any], progress: Progress | None) -> NDArray[Any]:
        grid = self.grid(*pixels.shape[1:3], dtype=pixels.dtype)
        while True:
            try:
                return self._pasted(pixels, grid, progress)
            except OutOfMemoryError:
                grid = self._smaller(grid, pixels.dtype)
            except NonFiniteResultError as error:
                self._fall_back_to_fp32(error)
                grid = self.grid(*pixels.shape[1:3], dtype=pixels.dtype)

    def _pasted(self, pixels: NDArray[Any], grid: TileGrid, progress: Progress | None) -> NDArray[Any]:
        """(N, H, W, 3) → (N, scale·H, scale·W, 3), by tiles of as many frames as the memory allows."""
        scale, count = self.scale, len(pixels)
        output = np.empty((count, scale * grid.height, scale * grid.width, 3), pixels.dtype)
        size = self._batch_size(grid, pixels.dtype)
        batches = [slice(start, start + size) for start in range(0, count, size)]
        places = [(batch, tile) for batch in batches for tile in grid]
        results = self._engine.run(_job(pixels[batch], grid, tile) for batch, tile in places)
        for done, ((batch, tile), result) in enumerate(zip(places, results, strict=True), start=1):
            rows, columns = tile.rows, tile.columns
            output[
                batch,
                scale * rows.keep_start : scale * rows.keep_stop,
                scale * columns.keep_start : scale * columns.keep_stop,
            ] = result
            if progress is not None:
                progress(done, len(places))
        return output

    def _smaller(self, grid: TileGrid, dtype: DTypeLike) -> TileGrid:
        """A grid of tiles half as large, for when `grid` ran out of memory, and for all pictures after this.

        Raises OutOfMemoryError where they can't be smaller.
        """
        half = grid.tile_height * grid.tile_width // 2
        try:
            smaller = planned_grid(grid.height, grid.width, halo=self._halo, largest_tile=half)
        except OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"out of memory with tiles of {grid.tile_width}×{grid.tile_height} px, the smallest; "
                "close other programs, use `device=cpu`, or lower `halo`"
            ) from error
        self._tile, self._memory = "auto", self._engine.tile_memory.of(half, dtype)
        log.warning(
            "out of memory; continuing with tiles of %d×%d px", smaller.tile_width, smaller.tile_height
        )
        return smaller

    def _fall_back_to_fp32(self, error: NonFiniteResultError) -> None:
        if self._engine.precision == "fp32":
            raise error
        log.warning("%s gave values that are not finite; computing again in fp32", self._engine.precision)
        self._engine = self._fp32_engine()

    def _fp32_engine(self) -> Engine:
        return load_engine(
            self._checkpoint,
            engine=self._engine.name,
            device=self._engine.device,
            precision="fp32",
            threads=self._threads,
        )


def checked_tile(tile: int | str | None) -> int | str | None:
    """`tile` as `Upscaler` takes it. Raises UsageError."""
    if tile is None or tile == "auto":
        return tile
    if isinstance(tile, str):
        raise UsageError(f"`tile` {tile} is not auto, none or a number of pixels")
    side = whole_number("tile", tile, " of pixels")
    check_tile(side)
    return side


def check_pixels(pixels: NDArray[Any]) -> tuple[int, int]:
    """Height and width of a picture that can be upscaled. Raises InputError that says what is wrong with
    it.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InputError(
            f"an array of shape {pixels.shape} is not an RGB image; it must be (height, width, 3)"
        )
    if not (pixels.dtype in (np.uint8, np.uint16) or pixels.dtype.kind == "f"):
        raise InputError(f"pixels of type {pixels.dtype} are not supported; use uint8, uint16 or floats")
    if 0 in pixels.shape:
        raise InputError(f"an array of shape {pixels.shape} has no pixels")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError("the image has pixels that are NaN or infinite; replace them first")
    return pixels.shape[0], pixels.shape[1]


def _form_a_batch(images: Sequence[Any]) -> bool:
    """Whether `images` are arrays of one shape and type that can go through the network at once."""
    if len(images) == 0 or not all(isinstance(image, np.ndarray) for image in images):
        return False
    first = images[0]
    alike = all(image.shape == first.shape and image.dtype == first.dtype for image in images)
    return alike and first.ndim == 3 and first.dtype in LEVELS and min(first.shape[:2]) >= SMALLEST_SIDE


def _working(pixels: NDArray[Any], *, unit_range: bool = False) -> tuple[NDArray[Any], ValueRange | None]:
    """`pixels` as integers or float32, and how they are laid into 0..1, None where they are as they are."""
    if pixels.dtype.kind == "u":
        return pixels, None
    values = as_float32(pixels)
    return values, None if unit_range else ValueRange.beyond_unit(values)


def _pad_to_smallest(pixels: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last row and column up to the smallest picture the network takes."""
    height, width = pixels.shape[:2]
    missing = ((0, max(0, SMALLEST_SIDE - height)), (0, max(0, SMALLEST_SIDE - width)), (0, 0))
    return (
        np.pad(pixels, missing, mode="edge") if (height < SMALLEST_SIDE or width < SMALLEST_SIDE) else pixels
    )


def _to_unit_range(pixels: NDArray[Any]) -> NDArray[np.float32]:
    unit = pixels.astype(np.float32)
    return unit / np.float32(LEVELS[pixels.dtype]) if pixels.dtype in LEVELS else unit


def _from_unit_range(unit: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype not in LEVELS:
        return unit
    return as_levels(unit, dtype)


def _windows(spans: Sequence[Span], wanted: slice) -> list[Span]:
    """What to read along an axis to compute `wanted` as the tiles of `spans` do: for each of them that keeps
    some of it, pieces of that with EXACT_HALO around them, as far as the tile goes.
    """
    windows = []
    for span in spans:
        end = min(wanted.stop, span.keep_stop)
        for start in range(max(wanted.start, span.keep_start), end, _REFERENCE_SIDE):
            stop = min(start + _REFERENCE_SIDE, end)
            first = max(span.start, (start - EXACT_HALO) // GRID_STEP * GRID_STEP)
            windows.append(Span(first, min(span.stop, stop + EXACT_HALO), start, stop))
    return windows


def _share_of(progress: Progress | None, number: int, count: int) -> Progress | None:
    """The progress of the upscaling `number` of `count`, told as that of all."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, count * total)


def _job(pixels: NDArray[Any], grid: TileGrid, tile: Tile) -> TileJob:
    return TileJob(pixels[:, tile.rows.read, tile.columns.read], grid.geometry(tile), tile.keep)
