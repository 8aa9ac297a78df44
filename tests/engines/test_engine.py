"""What every engine promises, held for each that this machine has."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.golden_pairs import GOLDEN, golden_checkpoint, golden_pairs, whole_job
from support.reference_network import ReferenceNetwork

from ripfdn_cli import Upscaler
from ripfdn_cli.engines.engine import Engine, TileJob, TileMemory, YuvEngine, YuvJob
from ripfdn_cli.engines.engine_selection import load_engine
from ripfdn_cli.engines.yuv_tensors import from_rgb, shrunk, to_rgb
from ripfdn_cli.errors import NonFiniteResultError, UnavailableError
from ripfdn_cli.image_math.yuv_format import YuvFormat
from ripfdn_cli.model.architecture import SCALES, attention_geometry
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.tile_grid import whole_grid
from ripfdn_cli.model.weights_store import shipped_folder

CPU = [
    ("openvino", "cpu", "fp32"),
    ("torch", "cpu", "fp32"),
    ("openvino", "cpu", "bf16"),
    ("torch", "cpu", "bf16"),
]
GPU = [("torch", device, precision) for device in ("cuda", "mps") for precision in ("fp32", "fp16", "bf16")]
KINDS = [
    *(pytest.param(kind, id="-".join(kind)) for kind in CPU),
    *(pytest.param(kind, id="-".join(kind), marks=pytest.mark.gpu) for kind in GPU),
]
SAMPLE = Path(__file__).parents[2] / "examples" / "astronaut.png"
TOLERANCE = {"fp32": 2e-5, "fp16": 4e-3, "bf16": 3e-2}

MakeEngine = Callable[[Checkpoint], Engine]
Result = TypeVar("Result")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    name, device, precision = request.param
    return name, device, precision


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (21, 34, 3), np.uint8)


@pytest.fixture
def make_engine(kind: tuple[str, str, str]) -> MakeEngine:
    name, device, precision = kind

    def make(checkpoint: Checkpoint) -> Engine:
        try:
            return load_engine(checkpoint, engine=name, device=device, precision=precision)
        except UnavailableError as error:
            pytest.skip(str(error))

    return make


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine(golden_checkpoint())


def only(results: Iterator[Result]) -> Result:
    (result,) = results
    return result


@pytest.mark.parametrize("scale", SCALES)
def test_golden_pairs(make_engine: MakeEngine, scale: int) -> None:
    engine = make_engine(golden_checkpoint(scale))
    for pixels, expected in golden_pairs(scale):
        result = only(engine.run([whole_job(pixels.astype(np.float32) / np.float32(255))]))
        assert result.dtype == np.float32
        np.testing.assert_allclose(result[0], expected, rtol=0, atol=TOLERANCE[engine.precision])


@pytest.mark.parametrize(
    "weights", sorted(shipped_folder().glob("*.safetensors")), ids=lambda path: path.stem
)
def test_shipped_weights_give_what_the_definition_gives(make_engine: MakeEngine, weights: Path) -> None:
    checkpoint = Checkpoint.load(weights)
    tensors = {name: torch.from_numpy(tensor) for name, tensor in checkpoint.tensors.items()}
    with Image.open(SAMPLE) as sample:
        pixels = np.array(sample.convert("RGB"))[40:76, 50:97]
    expected = ReferenceNetwork(checkpoint.config, tensors).upscale(pixels)
    engine = make_engine(checkpoint)
    result = only(engine.run([whole_job(pixels.astype(np.float32) / np.float32(255))]))
    np.testing.assert_allclose(result[0], expected, rtol=0, atol=TOLERANCE[engine.precision])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_clamped_and_rounded_to_the_golden_result(engine: Engine, dtype: type) -> None:
    levels = np.iinfo(dtype).max
    pixels, golden = golden_pairs()[-1]
    result = only(engine.run([whole_job(pixels.astype(dtype) * dtype(levels // 255))]))[0]
    expected = np.rint(np.clip(golden.astype(np.float64), 0, 1) * levels)
    assert result.dtype == dtype
    assert {0, levels} <= set(np.unique(result)), "the pair has values beyond both ends"
    assert np.abs(result - expected).max() <= max(1, TOLERANCE[engine.precision] * levels)
    if engine.precision == "fp32" and dtype == np.uint8:
        assert np.mean(result != expected) < 0.002  # truncation would miss half of them


def test_a_batch_gives_what_its_pictures_give(engine: Engine, picture: NDArray[np.uint8]) -> None:
    batch = np.stack([picture, picture[::-1], 255 - picture])
    together = only(engine.run([whole_job(batch)]))
    for pixels, result in zip(batch, together, strict=True):
        alone = only(engine.run([whole_job(pixels)]))[0]
        assert np.abs(result.astype(int) - alone).max() <= 1


def test_only_what_is_kept_comes_back(engine: Engine, picture: NDArray[np.uint8]) -> None:
    whole = only(engine.run([whole_job(picture)]))
    kept = only(engine.run([whole_job(picture, keep=(3, 20, 1, 30))]))
    np.testing.assert_array_equal(kept, whole[:, 12:80, 4:120])


def test_results_come_in_the_order_of_jobs_and_outlive_the_run(
    engine: Engine, picture: NDArray[np.uint8]
) -> None:
    pictures = [np.ascontiguousarray(np.roll(picture, shift, axis=0)) for shift in range(5)]
    results = list(engine.run(whole_job(pixels) for pixels in pictures))
    for pixels, result in zip(pictures, results, strict=True):
        np.testing.assert_array_equal(result, only(engine.run([whole_job(pixels)])))


def test_no_jobs_no_results(engine: Engine) -> None:
    assert list(engine.run([])) == []


def test_shapes_and_types_may_alternate(engine: Engine, picture: NDArray[np.uint8]) -> None:
    jobs = [whole_job(picture), whole_job(picture[:15, :20]), whole_job(picture.astype(np.uint16) * 257)] * 2
    shapes = [(result.shape, result.dtype) for result in engine.run(jobs)]
    assert shapes[:3] == shapes[3:]
    assert shapes[0][0] == (1, 84, 136, 3)
    assert shapes[1][0] == (1, 60, 80, 3)
    assert shapes[2][1] == np.uint16


@pytest.mark.parametrize("sample", ["first", "middle", "last"])
def test_a_nan_anywhere_is_an_error(make_engine: MakeEngine, sample: str) -> None:
    checkpoint = golden_checkpoint()
    engine = make_engine(checkpoint)
    pixels = np.full((1, 40, 40, 3), 0.5, np.float32)
    at = {"first": 0, "middle": 20, "last": 39}[sample]
    pixels[0, at, at, 1] = np.nan
    with pytest.raises(NonFiniteResultError, match="`precision=fp32`"):
        list(engine.run([whole_job(pixels)]))
    assert np.isfinite(only(engine.run([whole_job(np.nan_to_num(pixels))]))).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_overflow_is_an_error_and_no_picture(make_engine: MakeEngine, dtype: type) -> None:
    checkpoint = golden_checkpoint()
    tensors = dict(checkpoint.tensors)
    tensors["deep.weight"] = tensors["deep.weight"] * np.float32(1e30)
    tensors["upsample.weight"] = tensors["upsample.weight"] * np.float32(1e30)
    engine = make_engine(replace(checkpoint, tensors=tensors, sha256=""))
    with pytest.raises(NonFiniteResultError):
        list(engine.run([whole_job(np.full((15, 15, 3), 1, dtype))]))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (14, 15), (15, 14), (16, 16)])
def test_pictures_from_one_pixel_on(
    kind: tuple[str, str, str], engine: Engine, size: tuple[int, int]
) -> None:
    name, device, precision = kind
    upscaler = Upscaler(GOLDEN / "small_x4.safetensors", engine=name, device=device, precision=precision)
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    result = upscaler.upscale(pixels)
    assert result.shape == (4 * size[0], 4 * size[1], 3)
    assert result.dtype == np.uint8


@pytest.mark.parametrize(("halo", "unequal"), [(48, 0.005), (96, 0.0005)])
def test_tiled_equals_whole(kind: tuple[str, str, str], engine: Engine, halo: int, unequal: float) -> None:
    name, device, precision = kind
    pixels = np.random.default_rng(2).integers(0, 256, (23, 260, 3), np.uint8)
    results = [
        Upscaler(
            GOLDEN / "small_x4.safetensors",
            engine=name,
            device=device,
            precision=precision,
            tile=tile,
            halo=halo,
        ).upscale(pixels)
        for tile in (None, 32)
    ]
    difference = np.abs(results[0].astype(int) - results[1])
    if precision == "fp32":
        assert difference.max() <= 1
        assert np.mean(difference > 0) < unequal
    else:
        assert difference.max() <= 2 * TOLERANCE[precision] * 255


def test_a_tile_without_its_geometry_is_not_the_whole(engine: Engine) -> None:
    """That the test above can fail: the same tile, run as if it were a picture of its own."""
    pixels = np.random.default_rng(2).integers(0, 256, (1, 40, 240, 3), np.uint8)
    whole = only(engine.run([whole_job(pixels[0])]))[:, :, 4 * 96 : 4 * 144]
    tile = np.ascontiguousarray(pixels[:, :, 48:192])
    geometry = attention_geometry(height=40, width=240, left=48, tile_width=144)
    told = only(engine.run([TileJob(tile, geometry, (0, 40, 48, 96))]))
    untold = only(engine.run([whole_job(tile[0], keep=(0, 40, 48, 96))]))
    assert np.mean(told != whole) < np.mean(untold != whole) / 5


def yuv_format(bits: int, width: int, height: int) -> YuvFormat:
    return YuvFormat("", width, height, bits, (1, 1), (0.2126, 0.0722), full_range=False, siting=(0, 0.5))


def whole_yuv_job(bits: int, seed: int) -> YuvJob:
    """Two frames of 4:2:0, of colours without edges."""
    source = yuv_format(bits, 34, 22)
    ramps = np.add.outer(np.arange(source.samples), [seed, 3 * seed])
    codes = (110 + 40 * np.sin(ramps / 7)).astype(source.dtype) << (bits - 8)
    return YuvJob(codes.T, source, yuv_format(bits, 136, 88), whole_grid(22, 34))


@pytest.fixture
def yuv_engine(engine: Engine) -> YuvEngine:
    if not isinstance(engine, YuvEngine):
        pytest.skip(f"{engine.name} converts no colours")
    return engine


@pytest.mark.parametrize("bits", [8, 10])
def test_frames_in_yuv_give_what_they_give_in_rgb(yuv_engine: YuvEngine, bits: int) -> None:
    jobs = [whole_yuv_job(bits, seed) for seed in range(1, 4)]
    results = list(yuv_engine.run_yuv(iter(jobs)))
    for job, result in zip(jobs, results, strict=True):
        seen = torch.stack([to_rgb(torch.from_numpy(frame), job.source) for frame in job.samples])
        larger = only(
            yuv_engine.run([TileJob(seen.numpy(), attention_geometry(height=22, width=34), (0, 22, 0, 34))])
        )
        for number, picture in enumerate(larger):
            samples = from_rgb(torch.from_numpy(picture), job.target)
            shown = shrunk(to_rgb(samples, job.target), 4, seen.dtype).numpy()
            unit = 1 if yuv_engine.device == "cpu" else 2 ** (bits - 8)
            assert np.abs(result.samples[number].astype(int) - samples.numpy()).max() <= unit
            level = 1 if bits == 8 else 257
            assert np.abs(result.network_input[number].astype(int) - seen[number].numpy()).max() <= level
            assert np.abs(result.decoded_output[number].astype(int) - shown).max() <= level
        assert result.samples.dtype == job.target.dtype
        assert result.network_input.shape == result.decoded_output.shape == (2, 22, 34, 3)


def test_frames_in_yuv_of_another_depth_are_shown_in_the_first(yuv_engine: YuvEngine) -> None:
    job = replace(whole_yuv_job(8, 1), target=yuv_format(10, 136, 88))
    result = only(yuv_engine.run_yuv([job]))
    assert [each.dtype for each in (result.samples, result.decoded_output)] == [np.uint16, np.uint8]
    assert np.abs(result.decoded_output.astype(int) - result.network_input).mean() < 40


@pytest.mark.parametrize("size", [(150, 22), (22, 150)])
def test_frames_in_yuv_are_the_same_in_tiles(
    kind: tuple[str, str, str], engine: Engine, size: tuple[int, int]
) -> None:
    if not isinstance(engine, YuvEngine):
        pytest.skip(f"{engine.name} converts no colours")
    source, target = yuv_format(8, *size), yuv_format(8, 4 * size[0], 4 * size[1])
    frames = np.random.default_rng(6).integers(60, 180, (1, source.samples), np.uint8)
    results = []
    for side in (None, 32):
        upscaler = Upscaler(
            GOLDEN / "small_x4.safetensors", engine=kind[0], device=kind[1], precision=kind[2], tile=side
        )
        parts = upscaler.upscale_yuv(frames, source, target)
        results.append(np.concatenate([part.samples for part in parts]))
    assert results[0].shape == (1, target.samples)
    assert np.abs(results[0].astype(int) - results[1]).max() <= max(1, 2 * TOLERANCE[kind[2]] * 255)
    assert np.mean(results[0] != results[1]) < (0.005 if kind[2] == "fp32" else 1)


def test_an_overflow_in_yuv_is_an_error(make_engine: MakeEngine) -> None:
    checkpoint = golden_checkpoint()
    tensors = dict(checkpoint.tensors)
    for name in ("deep.weight", "upsample.weight"):
        tensors[name] = tensors[name] * np.float32(1e30)
    engine = make_engine(replace(checkpoint, tensors=tensors, sha256=""))
    if not isinstance(engine, YuvEngine):
        pytest.skip(f"{engine.name} converts no colours")
    with pytest.raises(NonFiniteResultError):
        list(engine.run_yuv([whole_yuv_job(8, 1)]))


def test_an_engine_says_what_it_is(engine: Engine, kind: tuple[str, str, str]) -> None:
    name, device, precision = kind
    assert (engine.name, engine.precision, engine.scale) == (name, precision, 4)
    assert engine.device.startswith(device)
    assert 500 < engine.tile_memory.per_pixel < 10_000
    assert engine.default_memory > 2**28


@pytest.mark.parametrize(
    "memory",
    [TileMemory(per_pixel=1930, wider={}, fixed=2**25), TileMemory(per_pixel=3600, wider={}, fixed=0)],
)
@pytest.mark.parametrize("budget", [2**25 - 1, 2**25, 2**25 + 1930, 2**30, 2**32 + 17])
def test_the_largest_tile_is_the_last_that_fits(memory: TileMemory, budget: int) -> None:
    largest = memory.largest_tile(budget)
    assert memory.of(largest) <= budget or largest == 0
    assert memory.of(largest + 1) > budget
