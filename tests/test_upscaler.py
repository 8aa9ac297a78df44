"""Arrays in, larger arrays out: what the upscaler adds to an engine and a grid."""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.golden_pairs import GOLDEN, golden_checkpoint, golden_pairs

from ripfdn_cli import Upscaler, upscaler
from ripfdn_cli.engines.engine import Engine, TileJob, TileMemory
from ripfdn_cli.engines.engine_selection import load_engine
from ripfdn_cli.errors import InputError, NonFiniteResultError, OutOfMemoryError, UsageError
from ripfdn_cli.evaluation.peak_memory import peak_memory
from ripfdn_cli.model.network import build_network
from ripfdn_cli.openvino_runtime import native_bf16

WEIGHTS = GOLDEN / "small_x4.safetensors"


def load(**options: Any) -> Upscaler:
    """In fp32, which the figures below are for, unless `options` say something else."""
    return Upscaler(WEIGHTS, **({"engine": "torch", "device": "cpu", "precision": "fp32"} | options))


def noise(height: int, width: int, dtype: type = np.uint8) -> NDArray[Any]:
    levels = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    return (np.random.default_rng(height * width).random((height, width, 3)) * levels).astype(dtype)


class Faulty:
    """A real engine that runs out of memory above `largest` pixels a tile, or gives a NaN."""

    def __init__(self, engine: Engine, *, largest: int = 2**31, nan_in: str = "") -> None:
        self.tile_memory = engine.tile_memory
        self.engine, self.largest, self.nan_in = engine, largest, nan_in
        self.precision = nan_in or engine.precision
        self.tried: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def run(self, jobs: Iterable[TileJob]) -> Iterator[NDArray[Any]]:
        for job in jobs:
            area = job.pixels.shape[1] * job.pixels.shape[2]
            self.tried.append(area)
            if area > self.largest:
                raise OutOfMemoryError("the injected limit")
            if self.nan_in:
                raise NonFiniteResultError("the injected NaN")
            yield from self.engine.run([job])


@pytest.mark.parametrize("brightest", [0.05, 0.9, 3.0])
def test_in_the_unit_range_floats_of_any_size_are_taken_as_they_are(brightest: float) -> None:
    pixels = noise(20, 26, np.float32) * np.float32(brightest)
    with torch.inference_mode():
        alone = build_network(golden_checkpoint())(torch.from_numpy(pixels.transpose(2, 0, 1)[None]))
    expected = alone[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(load().upscale(pixels, unit_range=True), expected, atol=1e-5)


def test_golden_pair() -> None:
    pixels, expected = golden_pairs()[-1]
    result = load().upscale(pixels.astype(np.float64) / 255)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_type_and_size(dtype: type) -> None:
    result = load().upscale(noise(17, 23, dtype))
    assert (result.shape, result.dtype) == ((68, 92, 3), np.dtype(dtype))


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 3), (14, 14)])
def test_small_pictures_are_padded_by_their_edges(size: tuple[int, int]) -> None:
    pixels = noise(*size)
    padded = np.pad(pixels, ((0, max(0, 15 - size[0])), (0, max(0, 15 - size[1])), (0, 0)), mode="edge")
    expected = load().upscale(padded)[: 4 * size[0], : 4 * size[1]]
    np.testing.assert_array_equal(load().upscale(pixels), expected)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((9, 9), np.uint8), "not an RGB image"),
        (np.zeros((9, 9, 4), np.uint8), "not an RGB image"),
        (np.zeros((9, 9, 3), np.int32), "int32"),
        (np.zeros((0, 9, 3), np.uint8), "no pixels"),
        (np.full((9, 9, 3), np.nan, np.float32), "NaN"),
    ],
)
def test_other_arrays_are_refused(pixels: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load().upscale(pixels)


@pytest.mark.parametrize(
    "options",
    [
        {"tile": 3},
        {"tile": "big"},
        {"halo": -1},
        {"halo": 1.5},
        {"memory": "2G"},
        {"threads": 0},
        {"engine": "abacus"},
    ],
)
def test_wrong_options_are_usage_errors(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Upscaler(WEIGHTS, **options)


def test_a_budget_is_kept() -> None:
    small = load(memory=load()._engine.tile_memory.of(300 * 200))
    grid = small.grid(400, 500)
    assert len(grid) > 1
    assert grid.tile_height * grid.tile_width <= 300 * 200
    assert len(load(memory=2**40).grid(4000, 5000)) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_tile_takes_no_more_than_is_planned_whatever_its_samples(dtype: type, precision: str) -> None:
    """As measured in a process of its own, since memory that is free already is not asked for again."""
    if precision == "bf16" and not native_bf16():
        pytest.skip("no bf16 here")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        measured, planned = processes.submit(tile_bytes_of, dtype, precision).result()
    assert 0.75 * planned < measured <= planned, measured / planned


def tile_bytes_of(dtype: type, precision: str) -> tuple[int, int]:
    """That a tile takes, measured and planned."""
    network = Upscaler("x4", device="cpu", engine="openvino", precision=precision, memory=2**29)
    network.upscale(noise(64, 64, dtype))
    grid = network.grid(2000, 2000, dtype=dtype)
    tile = noise(grid.tile_height, grid.tile_width, dtype)
    peak = peak_memory(lambda: network.upscale(tile), "cpu")
    assert peak is not None
    return peak - tile.nbytes * network.scale**2, network.tile_bytes(grid, dtype)  # without the result


def test_progress_is_told_tile_by_tile() -> None:
    told: list[tuple[int, int]] = []
    load(tile=24, halo=0).upscale(noise(40, 70), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]
    assert len(told) > 3


def test_out_of_memory_halves_the_tiles_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    pixels = noise(240, 270)
    faulty = load()
    faulty._engine = engine = Faulty(faulty._engine, largest=240 * 270 // 2)
    with caplog.at_level(logging.WARNING):
        result = faulty.upscale(pixels)
    assert "continuing with tiles of" in caplog.text
    assert engine.tried[0] == 240 * 270
    assert all(area <= 240 * 270 // 2 for area in engine.tried[1:])
    planned = load(memory=engine.tile_memory.of(240 * 270 // 2))
    np.testing.assert_array_equal(result, planned.upscale(pixels))


def test_the_next_picture_starts_with_tiles_that_fitted() -> None:
    faulty = load()
    faulty._engine = engine = Faulty(faulty._engine, largest=240 * 270 // 2)
    faulty.upscale(noise(240, 270))
    engine.tried.clear()
    faulty.upscale(noise(240, 270))
    assert max(engine.tried) <= engine.largest


def test_halving_ends() -> None:
    faulty = load(tile=None)
    faulty._engine = Faulty(faulty._engine, largest=1)
    with pytest.raises(OutOfMemoryError, match="the smallest; close other programs"):
        faulty.upscale(noise(300, 300))


def test_a_nan_in_half_precision_is_computed_again_in_fp32(caplog: pytest.LogCaptureFixture) -> None:
    pixels = noise(20, 20)
    faulty = load()
    faulty._engine = Faulty(faulty._engine, nan_in="fp16")
    with caplog.at_level(logging.WARNING):
        result = faulty.upscale(pixels)
    assert "fp16 gave values that are not finite; computing again in fp32" in caplog.text
    assert faulty.precision == "fp32"
    np.testing.assert_array_equal(result, load().upscale(pixels))


def test_fp32_keeps_the_budget_that_half_precision_had() -> None:
    full, half = load()._engine.tile_memory, TileMemory(per_pixel=1000, wider={}, fixed=10_000)
    faulty = load()
    faulty._engine = engine = Faulty(faulty._engine, nan_in="fp16")
    engine.tile_memory = half
    faulty._memory = full.of(300 * 200)
    assert len(faulty.grid(400, 500)) == 1
    faulty.upscale(noise(20, 20))
    assert full.of(150 * 200) < faulty.tile_bytes(faulty.grid(400, 500)) <= full.of(300 * 200)


def test_a_nan_in_fp32_is_an_error() -> None:
    faulty = load()
    faulty._engine = Faulty(faulty._engine, nan_in="fp32")
    with pytest.raises(NonFiniteResultError):
        faulty.upscale(noise(20, 20))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_ensemble_is_the_mean_over_eight_turns(dtype: type) -> None:
    pixels = noise(18, 25, dtype)
    levels = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    single = load()
    unit = pixels.astype(np.float32) / np.float32(levels)
    results = []
    for mirrored in (False, True):
        for quarter in range(4):
            turned = np.rot90(np.fliplr(unit) if mirrored else unit, quarter)
            back = np.rot90(single.upscale(turned), -quarter)
            results.append(np.fliplr(back) if mirrored else back)
    mean = np.mean(results, axis=0)
    assert np.std(results, axis=0).max() > 0.01, "the turns give different results"
    result = load(ensemble=True).upscale(pixels)
    if levels > 1:
        np.testing.assert_allclose(result, np.rint(np.clip(mean, 0, 1) * levels), rtol=0, atol=1)
    else:
        np.testing.assert_allclose(result, mean, rtol=0, atol=1e-5)


def test_ensemble_turns_with_its_picture() -> None:
    """What makes it worth it: the result for a turned picture is the turned result."""
    pixels = noise(18, 25)
    ensemble = load(ensemble=True)
    expected = np.rot90(ensemble.upscale(pixels))
    difference = np.abs(ensemble.upscale(np.rot90(pixels)).astype(int) - expected)
    assert difference.max() <= 1
    assert np.abs(load().upscale(np.rot90(pixels)).astype(int) - np.rot90(load().upscale(pixels))).max() > 1


def test_ensemble_tells_the_progress_of_all_turns() -> None:
    told: list[tuple[int, int]] = []
    load(ensemble=True).upscale(noise(15, 15), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 8) for done in range(1, 9)]


def test_the_reference_takes_floats_as_upscaling_does() -> None:
    pixels = noise(20, 24, np.float64)
    pixels[3, 4] = 1e300
    network = load()
    expected = network.upscale(pixels)[4:64, 8:88]
    result = network.reference(pixels, slice(1, 16), slice(2, 22))
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["halo", "tile", "memory"])
def test_whole_numbers_are_those_of_any_type_and_no_switches(name: str) -> None:
    pixels, number = noise(60, 50), {"halo": 24, "tile": 30, "memory": 2**28}[name]
    result = load(**{name: np.int64(number)}).upscale(pixels)
    np.testing.assert_array_equal(result, load(**{name: number}).upscale(pixels))
    for wrong in (True, 30.0):
        with pytest.raises(UsageError, match=f"`{name}` {wrong} is not a whole number"):
            load(**{name: wrong})


def test_properties() -> None:
    loaded = load()
    engine = load_engine(golden_checkpoint(), engine="torch", device="cpu", precision="fp32")
    assert (loaded.engine_name, loaded.precision, loaded.device) == (engine.name, engine.precision, "cpu")
    assert loaded.scale == 4
    assert loaded.checkpoint_sha256 == golden_checkpoint().sha256
    assert upscaler.DEFAULT_MEMORY is None


@pytest.mark.parametrize(("tile", "largest"), [("auto", None), ("auto", 2 * 40 * 52), (30, None)])
def test_frames_at_once_equal_frames_in_turn(tile: int | str, largest: int | None) -> None:
    frames = [noise(40, 52, np.uint16), noise(40, 52, np.uint16)[::-1].copy(), noise(40, 52, np.uint16) // 3]
    memory = None if largest is None else load()._engine.tile_memory.of(largest)
    network = load(tile=tile, memory=memory, halo=24)
    together = network.upscale_batch(frames)
    for frame, result in zip(frames, together, strict=True):
        assert np.abs(result.astype(int) - network.upscale(frame)).max() <= 1


def test_frames_at_once_may_be_of_any_kind() -> None:
    network = load()
    for frames in ([noise(9, 7)], [noise(20, 30), noise(30, 20)], [noise(20, 30, np.float32)] * 2):
        for frame, result in zip(frames, network.upscale_batch(frames), strict=True):
            np.testing.assert_allclose(result, network.upscale(frame), atol=1)


def test_frames_that_are_too_much_at_once_are_done_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load()
    expected = [network.upscale(frame) for frame in (noise(60, 60), noise(60, 61)[:, :60])]

    class Small(Faulty):
        def run(self, jobs: Iterable[TileJob]) -> Iterator[NDArray[Any]]:
            for job in jobs:
                if len(job.pixels) > 1:
                    raise OutOfMemoryError("the injected limit")
                yield from self.engine.run([job])

    monkeypatch.setattr(network, "_engine", Small(network._engine))
    together = network.upscale_batch([noise(60, 60), noise(60, 61)[:, :60]])
    for result, want in zip(together, expected, strict=True):
        np.testing.assert_array_equal(result, want)
