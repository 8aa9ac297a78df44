"""No right result is refused, however odd the picture; every wrong one is found and put right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.pattern_pictures import pattern_picture
from support.sample_pictures import smooth
from support.small_inputs import photograph

from ripfdn_cli.image_jobs.image_run import ImageRun, ImageTask
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.model.tile_grid import Span, TileGrid
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.self_check import corrected, wrong_tiles
from ripfdn_cli.pipeline.suspicions import suspicions
from ripfdn_cli.upscaler import Upscaler

SCALE = 4
Fault = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


@pytest.fixture(scope="module")
def network() -> Upscaler:
    return Upscaler("x4", engine="openvino", device="cpu", precision="fp32", threads=1)


@pytest.fixture(scope="module")
def tiled() -> Upscaler:
    return Upscaler("x4", engine="torch", device="cpu", precision="fp32", tile=24, halo=12)


def check_patterns(network: Upscaler, count: int, shapes: int, caplog: pytest.LogCaptureFixture) -> int:
    """How many of `count` pictures were suspicious; none may be refused or changed."""
    suspicious = 0
    for number in range(shapes):
        rng = np.random.default_rng(number)
        height, width = rng.integers(1, 81, 2).tolist()
        for _ in range(count // shapes):
            picture = pattern_picture(rng, height, width)
            result = network.upscale(picture)
            suspicious += bool(suspicions(picture, result, SCALE, network.grid(height, width)))
            assert corrected(picture, result, network, "picture") is result
    assert not caplog.records
    return suspicious


def test_no_right_result_is_refused(network: Upscaler, caplog: pytest.LogCaptureFixture) -> None:
    """Some of these look wrong: the check has to look again to know better."""
    assert check_patterns(network, 240, 8, caplog)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_none_of_20000_right_results_is_refused(network: Upscaler, caplog: pytest.LogCaptureFixture) -> None:
    assert check_patterns(network, 20_000, 50, caplog) > 100


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("size", [(1, 2), (5, 64), (64, 41)])
def test_single_pixels_of_red_and_green_pass(size: tuple[int, int], ensemble: bool) -> None:
    """With these the mean colour of a right result is 20 levels off."""
    picture = np.zeros((*size, 3), np.uint8)
    checker = np.indices(size).sum(axis=0) % 2
    picture[..., 0], picture[..., 1] = 255 * checker, 255 * (1 - checker)
    network = Upscaler("x4", engine="openvino", device="cpu", precision="fp32", ensemble=ensemble)
    result = network.upscale(picture)
    assert corrected(picture, result, network, "picture") is result


def zeroed(tile: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.zeros_like(tile)


def shifted(tile: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.roll(tile, SCALE, axis=1)


def slightly_shifted(tile: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.roll(tile, 1, axis=0)


def swapped(tile: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return tile[..., ::-1]


def stale(tile: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.resize(other, tile.shape)


def not_a_number(tile: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    broken = tile.astype(np.float32)
    broken[7, 9, 1] = np.nan
    return broken


@pytest.mark.parametrize("kind", ["photograph", "dither"])
@pytest.mark.parametrize("fault", [zeroed, shifted, slightly_shifted, swapped, stale, not_a_number])
def test_a_fault_in_any_tile_is_found_and_put_right(
    tiled: Upscaler, fault: Fault, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    picture = photograph(96, 120, seed=3)
    if kind == "dither":
        if fault in (slightly_shifted, shifted):
            pytest.skip("a dither shifted by its period is the same picture")
        bayer = 16 * np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
        picture = ((picture > np.tile(bayer, (24, 30))[..., None]) * 255).astype(np.uint8)
    if fault is not_a_number:
        picture = (picture / np.float32(255)).astype(np.float32)
    right = tiled.upscale(picture)
    grid = tiled.grid(*picture.shape[:2])
    tiles = list(places(grid))
    assert len(tiles) >= 6
    for number, place in enumerate(tiles):
        wrong = right.copy()
        wrong[place] = fault(right[place], right[tiles[number - 1]])
        caplog.clear()
        mended = corrected(picture, wrong, tiled, "here.png")
        assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["here.png"]
        np.testing.assert_allclose(mended, right, rtol=0, atol=1 if picture.dtype == np.uint8 else 1e-3)


@pytest.mark.parametrize(
    ("precision", "levels", "wrong"),
    [
        ("fp32", 0.49, False),
        ("fp32", 0.51, True),
        ("fp16", 0.98, False),
        ("fp16", 1.02, True),
        ("bf16", 2.95, False),
        ("bf16", 3.05, True),
    ],
)
def test_how_far_from_the_reference_a_suspicious_part_may_be(
    network: Upscaler, monkeypatch: pytest.MonkeyPatch, precision: str, levels: float, wrong: bool
) -> None:
    """Half of the samples above it by so many levels of 255, half below."""
    source, result = np.full((40, 40, 3), 0.5, np.float32), np.full((160, 160, 3), 0.7, np.float32)
    signs = np.where(np.indices(result.shape).sum(axis=0) % 2, 1, -1)
    right = result + (signs * levels / 255).astype(np.float32)

    def reference(rows: slice, columns: slice) -> NDArray[Any]:
        return right[4 * rows.start : 4 * rows.stop, 4 * columns.start : 4 * columns.stop]

    monkeypatch.setattr(Upscaler, "precision", precision)  # which not every processor has
    assert bool(wrong_tiles(source, result, 4, network, reference)) == wrong


def kept(span: Span) -> slice:
    return slice(SCALE * span.keep_start, SCALE * span.keep_stop)


def places(grid: TileGrid) -> list[tuple[slice, slice]]:
    return [(kept(tile.rows), kept(tile.columns)) for tile in grid]


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("samples", [np.uint8, np.float32])
def test_the_reference_of_a_part_is_that_part_of_the_whole(ensemble: bool, samples: type) -> None:
    """In a corner, across tiles, and larger than what it computes at a time."""
    picture = photograph(200, 260, seed=1)
    picture = picture if samples is np.uint8 else (picture / np.float32(255)).astype(np.float32)
    weights = Path(__file__).parents[1] / "golden" / "small_x4.safetensors"
    network = Upscaler(
        weights, engine="torch", device="cpu", precision="fp32", tile=60, halo=24, ensemble=ensemble
    )
    whole = network.upscale(picture)
    for rows, columns in [((0, 9), (251, 260)), ((50, 110), (30, 61)), ((7, 199), (3, 250))]:
        part = network.reference(picture, slice(*rows), slice(*columns))
        expected = whole[4 * rows[0] : 4 * rows[1], 4 * columns[0] : 4 * columns[1]]
        np.testing.assert_allclose(
            part.astype(float), expected, rtol=0, atol=1 if samples is np.uint8 else 1e-4
        )


def test_a_broken_device_costs_time_and_no_picture(
    enlarging_weights: dict[int, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two pictures of a batch, one with alpha: each warning names its file, and results are those of a device
    that isn't broken.
    """
    network = NetworkSettings(
        weights=str(enlarging_weights[4]), devices=("cpu",), engine="torch", precision="fp32", threads=1
    )
    for name, channels in (("opaque.png", 3), ("clear.png", 4)):
        Image.fromarray(smooth(40, 48, channels)).save(tmp_path / name)

    def results(folder: str) -> list[NDArray[np.uint8]]:
        tasks = [
            ImageTask(Source(tmp_path / name, Path(name)), tmp_path / folder / name, format_named("png"))
            for name in ("opaque.png", "clear.png")
        ]
        assert all(outcome.error is None for outcome in ImageRun(PictureSettings(), network).run(tasks))
        return [np.asarray(Image.open(str(task.output))) for task in tasks]

    right = results("right")
    assert not caplog.records
    upscale = Upscaler.upscale
    monkeypatch.setattr(Upscaler, "upscale", lambda *args, **options: upscale(*args, **options) * 0)
    for mended, expected in zip(results("mended"), right, strict=True):
        np.testing.assert_allclose(mended.astype(int), expected, rtol=0, atol=1)
    for name in ("opaque.png", "clear.png"):
        assert any(f"{tmp_path / name}: torch on cpu" in record.getMessage() for record in caplog.records)
