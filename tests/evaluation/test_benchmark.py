import math
import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.onnx_networks import nearest
from support.small_inputs import photograph

from ripfdn_cli.errors import CheckpointError, InputError, UsageError
from ripfdn_cli.evaluation.benchmark import (
    Engines,
    Method,
    UpscaledPicture,
    evaluate,
    interpolation_methods,
    network_methods,
)
from ripfdn_cli.evaluation.datasets import DataSet, Pixels, find_data_set, pair_folders
from ripfdn_cli.image_math.metrics import NTIRE, PAPERS, score
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.weights_store import install
from ripfdn_cli.upscaler import Upscaler


def repeat_pixels(pixels: Pixels) -> Pixels:
    return pixels.repeat(4, axis=0).repeat(4, axis=1)


def test_every_method_is_scored_under_every_protocol(small_data_set: Path) -> None:
    methods = [*interpolation_methods(4), Method("nearest", 4, repeat_pixels)]
    rows = evaluate(find_data_set(small_data_set, 4), methods, [PAPERS, NTIRE])
    assert [row.method.name for row in rows] == ["Bicubic (Pillow)", "Lanczos (Pillow)", "nearest"]
    hr = np.asarray(Image.open(small_data_set / "HR" / "c.png"))
    lr = np.asarray(Image.open(small_data_set / "LRbicx4" / "c.png"))
    nearest = rows[2].pictures[2]
    assert (nearest.name, nearest.width, nearest.height) == ("c", 9, 10)
    assert nearest.scores["Y"] == score(repeat_pixels(lr), hr, scale=4, protocol=PAPERS)
    assert nearest.scores["RGB"] == score(repeat_pixels(lr), hr, scale=4, protocol=NTIRE)
    mean = rows[2].mean_score(PAPERS)
    assert mean is not None
    assert mean.psnr == pytest.approx(np.mean([p.scores["Y"].psnr for p in rows[2].pictures]))
    assert mean.ssim == pytest.approx(np.mean([p.scores["Y"].ssim for p in rows[2].pictures]))
    assert all(row.seconds > 0 for row in rows)


def test_interpolations_are_pillows(small_data_set: Path) -> None:
    lr = Image.open(small_data_set / "LRbicx4" / "a.png")
    bicubic, lanczos = (method.upscale(np.asarray(lr)) for method in interpolation_methods(4))
    np.testing.assert_array_equal(bicubic, np.asarray(lr.resize((40, 32), Image.Resampling.BICUBIC)))
    np.testing.assert_array_equal(lanczos, np.asarray(lr.resize((40, 32), Image.Resampling.LANCZOS)))


def test_a_size_is_run_once_before_it_is_timed(small_data_set: Path) -> None:
    sizes: list[tuple[int, ...]] = []

    def counted(pixels: Pixels) -> Pixels:
        sizes.append(pixels.shape[:2])
        return repeat_pixels(pixels)

    evaluate(find_data_set(small_data_set, 4), [Method("counted", 4, counted)], [PAPERS], repeat=3)
    # warm-up + 3 of a, 3 of b, warm-up + 3 of c; then memory, with the largest
    assert sizes == [(8, 10)] * 7 + [(10, 9)] * 4 + [(10, 9)]


def test_the_fastest_of_the_repeats_counts(small_data_set: Path) -> None:
    pauses = cycle([0, 0, 0.3, 0])  # the warm-up and the repeats of the first picture

    def now_and_then_slow(pixels: Pixels) -> Pixels:
        time.sleep(next(pauses))
        return repeat_pixels(pixels)

    (row,) = evaluate(
        find_data_set(small_data_set, 4), [Method("slow", 4, now_and_then_slow)], [PAPERS], repeat=3
    )
    assert row.pictures[0].seconds < 0.3


def test_results_of_other_networks_are_rounded_to_the_nearest_level(tmp_path: Path) -> None:
    (method,) = network_methods([nearest(tmp_path / "darker.onnx", factor=0.6)], Engines(threads=1))
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    darker = (6 * pixels.astype(int) + 5) // 10  # no level lies halfway
    np.testing.assert_array_equal(method.upscale(pixels), repeat_pixels(darker))


def test_networks_run_by_the_products_own_upscaler(small_data_set: Path, small_weights: Path) -> None:
    (network,) = network_methods([small_weights], Engines(("torch",), ("fp32",), device="cpu", threads=1))
    lr = np.asarray(Image.open(small_data_set / "LRbicx4" / "a.png"))
    expected = Upscaler(small_weights, engine="torch", precision="fp32", device="cpu").upscale(lr)
    np.testing.assert_array_equal(network.upscale(lr), expected)
    assert network.network is not None
    assert (network.network.engine, network.network.precision) == ("torch", "fp32")
    assert len(network.network.sha256) == 64
    assert network.network.complexity is not None
    assert network.network.complexity.convolutions > 30
    (row,) = evaluate(find_data_set(small_data_set, 4), [network], [PAPERS])
    assert row.memory is None or row.memory >= 0


def test_every_weights_engine_and_precision_is_a_method(small_weights: Path) -> None:
    pytest.importorskip("openvino")
    both = network_methods(
        [small_weights], Engines(("openvino", "torch"), ("fp32",), device="cpu", threads=1)
    )
    assert [method.name for method in both] == ["small (openvino fp32)", "small (torch fp32)"]
    one = network_methods([small_weights], Engines(("torch",), ("fp32",), device="cpu", threads=1))
    assert one[0].name == "small"


def test_files_of_one_name_are_told_apart(small_weights: Path, tmp_path: Path) -> None:
    other = tmp_path / small_weights.name
    other.write_bytes(small_weights.read_bytes())
    names = [method.name for method in network_methods([small_weights, other], Engines(("torch",)))]
    assert names == [str(small_weights), str(other)]
    with pytest.raises(UsageError, match="twice"):
        network_methods([small_weights, small_weights], Engines())
    with pytest.raises(CheckpointError, match="no weights named x9"):
        network_methods(["x9"], Engines())


def test_weights_in_memory_are_told_apart(small_checkpoint: Checkpoint) -> None:
    other = replace(small_checkpoint, provenance={"data": "other"})
    engines = Engines(("torch",), device="cpu", threads=1)
    methods = network_methods([small_checkpoint, other], engines)
    assert [method.name for method in methods] == ["these weights (1)", "these weights (2)"]
    assert len({method.network.sha256 for method in methods if method.network}) == 2
    with pytest.raises(UsageError, match="twice"):
        network_methods([small_checkpoint, replace(small_checkpoint)], engines)


def test_a_name_with_a_dot_is_whole(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    install("mine.v2", small_checkpoint)
    (method,) = network_methods(["mine.v2"], Engines(("torch",), device="cpu", threads=1))
    assert method.name == "mine.v2"


def test_auto_is_told_apart_from_the_precision_that_it_is_not(
    small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(*precisions: str) -> list[str]:
        engines = Engines(("torch",), precisions, device="cpu", threads=1)
        return [method.name for method in network_methods([small_weights], engines)]

    monkeypatch.setattr("ripfdn_cli.torch_devices.native_bf16", lambda: True)
    assert names("fp32", "auto") == ["small (torch fp32)", "small (torch bf16)"]
    monkeypatch.undo()
    monkeypatch.setenv("RIPFDN_CPU_BF16", "off")
    with pytest.raises(UsageError, match=r"small \(torch fp32\) would run twice"):
        names("fp32", "auto")


def test_without_hr_there_are_times_and_no_scores(small_data_set: Path) -> None:
    (row, _) = evaluate(pair_folders(None, small_data_set / "LRbicx4", 4), interpolation_methods(4), [PAPERS])
    assert row.mean_score(PAPERS) is None
    assert row.seconds > 0
    assert all(picture.scores == {} for picture in row.pictures)


def test_a_perfect_picture_makes_the_mean_infinite(tmp_path: Path) -> None:
    (tmp_path / "HR").mkdir()
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(tmp_path / "HR" / "flat.png")
    (row, _) = evaluate(find_data_set(tmp_path, 4), interpolation_methods(4), [PAPERS])
    mean = row.mean_score(PAPERS)
    assert mean is not None
    assert mean.psnr == math.inf
    assert mean.ssim == pytest.approx(1)


def test_a_picture_too_small_to_score_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "HR").mkdir()
    Image.fromarray(photograph(16, 32)).save(tmp_path / "HR" / "tiny.png")
    with pytest.raises(InputError, match=r"tiny of .* has 32×16 px, too small"):
        evaluate(find_data_set(tmp_path, 4), interpolation_methods(4), [PAPERS])


def test_pictures_can_be_watched_as_they_are_done(small_data_set: Path) -> None:
    seen: list[UpscaledPicture] = []
    data_set: DataSet = find_data_set(small_data_set, 4)
    methods = interpolation_methods(4)
    rows = evaluate(data_set, methods, [PAPERS], observe=seen.append)
    assert [picture.pair.name for picture in seen] == ["a", "b", "c"]
    assert seen[0].methods == tuple(methods)
    assert seen[1].results == tuple(row.pictures[1] for row in rows)
    assert [output.shape for output in seen[2].outputs] == [(40, 36, 3)] * 2
