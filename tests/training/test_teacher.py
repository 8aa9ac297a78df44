import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.onnx_networks import nearest
from support.small_inputs import photograph
from support.training_runs import Watcher, make_pictures, tiny_settings

from ripfdn_cli import foreign_networks
from ripfdn_cli.errors import CheckpointError, UnavailableError, UsageError
from ripfdn_cli.foreign_networks import ForeignNetwork
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.model.network import build_network
from ripfdn_cli.model.weights_store import load_weights
from ripfdn_cli.openvino_runtime import native_bf16
from ripfdn_cli.training.patches import Request
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.training.sources import open_source
from ripfdn_cli.training.teacher import RESULTS, open_teacher
from ripfdn_cli.upscaler import Upscaler

CPU = torch.device("cpu")


def settings(weights: Path, share: float) -> TrainingSettings:
    return TrainingSettings(steps=1, teacher=str(weights), teacher_share=share)


def one_pass(weights: Path, lr: np.ndarray) -> np.ndarray:
    """The teacher's eight passes, turned and averaged here, in levels."""
    upscaler = Upscaler(weights, engine="torch", device="cpu", precision="fp32")
    total = np.zeros((lr.shape[0] * 4, lr.shape[1] * 4, 3))
    for turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(lr[:, ::-1] if mirrored else lr, turns)
            result = np.rot90(upscaler.upscale(turned.astype(np.float32) / 255), -turns)
            total += result[:, ::-1] if mirrored else result
    return np.asarray((total / 8 * 255).clip(0, 255))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_target_is_the_mean_of_picture_and_self_ensemble(small_weights: Path, share: float) -> None:
    hr = photograph(96, 80, seed=3)
    lr = imresize(hr, 0.25)
    target = open_teacher(settings(small_weights, share)).target(lr, hr)
    expected = (1 - share) * hr + share * one_pass(small_weights, lr)
    assert target.dtype == np.uint8
    np.testing.assert_allclose(target, expected, atol=0.51 + 0.5 * share)  # rounded, mixed, rounded


def test_a_dark_picture_is_taught_as_the_network_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as the upscaler makes it of floats that may be of any range."""
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path))
    lr = (imresize(photograph(96, 80, seed=3), 0.25) * (30 / 255)).astype(np.uint8)
    assert 20 < lr.max() <= 30
    alone = build_network(load_weights("x4"))
    with torch.inference_mode():
        (result,) = alone(torch.from_numpy(lr.transpose(2, 0, 1)[None]) / 255)
    expected = (result.numpy().transpose(1, 2, 0) * 255).clip(0, 255)
    teacher = open_teacher(replace(settings(Path("x4"), 1.0), teacher_ensemble="off"))
    np.testing.assert_allclose(teacher.guess(lr), expected, atol=0.51)


def test_results_of_own_networks_are_kept_apart_from_those_of_a_former_way(
    tmp_path: Path, small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of other networks are as they were."""
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "cache"))
    lr = photograph(16, 20)
    former = b"\7" * (16 * 20 * 16 * 3)
    for path, known in ((small_weights, False), (nearest(tmp_path / "nearest.onnx"), True)):
        key = {
            "version": "1",
            "teacher": hashlib.sha256(path.read_bytes()).hexdigest(),
            "ensemble": str(not known),
            "precision": "fp32",
            "picture": hashlib.sha256(lr.tobytes()).hexdigest(),
            "shape": "16×20×3",
        }
        assert RESULTS.keep(key, former, trim=False)
        assert (open_teacher(settings(path, 1.0)).guess(lr).tobytes() == former) == known


def test_every_patch_is_distilled_and_its_lr_is_left_alone(tmp_path: Path, bilinear_weights: Path) -> None:
    data = make_pictures(tmp_path)
    plain = open_source(tiny_settings(data), [], CPU, Watcher()).source
    distilled = open_source(
        tiny_settings(data, teacher=str(bilinear_weights), teacher_share=1.0), [], CPU, Watcher()
    ).source
    for index in range(8):
        request = Request(index, 16, 4, 0, 4)
        lr, _ = plain.patches(request)
        same, target = distilled.patches(request)
        assert torch.equal(lr, same)
        expected = torch.nn.functional.interpolate(lr.float(), scale_factor=4, mode="bilinear")
        inside = (..., slice(4, -4), slice(4, -4))  # beyond a patch's edge its picture goes on
        torch.testing.assert_close(target.float()[inside], expected[inside], rtol=0, atol=0.51)


def test_a_teacher_sees_clean_pictures_where_the_network_sees_degraded_ones(
    tmp_path: Path, bilinear_weights: Path
) -> None:
    data = make_pictures(tmp_path)
    sources = {
        (degraded, distilled): open_source(
            tiny_settings(data, degrade=degraded, teacher=str(bilinear_weights) if distilled else ""),
            [],
            CPU,
            Watcher(),
        ).source
        for degraded, distilled in [(True, True), (True, False), (False, True)]
    }
    differ = 0
    for index in range(8):
        request = Request(index, 16, 4, 0, 4)
        lr, target = sources[True, True].patches(request)
        degraded_lr, hr = sources[True, False].patches(request)
        clean_lr, clean_target = sources[False, True].patches(request)
        assert torch.equal(lr, degraded_lr)
        assert torch.equal(target, clean_target)
        assert not torch.equal(target, hr)
        differ += not torch.equal(lr, clean_lr)
    assert differ


def test_a_teacher_for_another_scale_is_refused(bilinear_weights: Path) -> None:
    with pytest.raises(UsageError, match="is for scale 4, the run for 2"):
        open_teacher(replace(settings(bilinear_weights, 0.5), scale=2))


def test_what_a_teacher_cannot_be_had_with(tmp_path: Path, bilinear_weights: Path) -> None:
    data, teacher = make_pictures(tmp_path), str(bilinear_weights)
    with pytest.raises(UsageError, match="raise `memory`"):
        open_source(tiny_settings(data, teacher=teacher, memory=5e-5), [], CPU, Watcher())
    with pytest.raises(UsageError, match=r"`teacher_share` 1\.5 is out of range"):
        tiny_settings(data, teacher=teacher, teacher_share=1.5)
    with pytest.raises(UsageError, match="use `capture` auto"):
        tiny_settings(data, optimizer="soap", capture="on")
    with pytest.raises(UsageError, match="add `teacher` and `degrade`"):
        tiny_settings(data, teacher=teacher, teacher_sees="degraded")
    degraded = {"teacher": teacher, "degrade": True, "teacher_sees": "degraded"}
    with pytest.raises(UsageError, match="`crop` 16 is less than `patch` 24"):
        tiny_settings(data, **degraded, crop=16, patch=24)
    with pytest.raises(UsageError, match="or lower `crops`"):
        open_source(tiny_settings(data, **degraded, crop=16, crops=10, memory=5e-5), [], CPU, Watcher())


def test_what_is_wrong_with_a_teacher_is_told_before_anything_is_looked_at(tmp_path: Path) -> None:
    class Nothing(Watcher):
        def preparing(self, what: str, total: int) -> NoReturn:
            raise AssertionError(what)

    with pytest.raises(CheckpointError, match="does not exist"):
        open_source(tiny_settings(make_pictures(tmp_path), teacher="none.safetensors"), [], CPU, Nothing())
    (tmp_path / "bad.onnx").write_bytes(b"bad")
    with pytest.raises(CheckpointError, match="can't be read as ONNX"):
        open_source(tiny_settings(tmp_path, teacher=str(tmp_path / "bad.onnx")), [], CPU, Nothing())


def test_an_onnx_file_teaches_as_it_is(tmp_path: Path) -> None:
    """Without flips and rotations unless they are asked for, which repeated pixels do not show."""
    teacher = str(nearest(tmp_path / "nearest.onnx"))
    data = make_pictures(tmp_path / "data")
    opened = open_source(tiny_settings(data, teacher=teacher, teacher_share=1.0), [], CPU, Watcher())
    lr, target = opened.source.patches(Request(0, 16, 4, 0, 4))
    assert torch.equal(target, lr.repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert opened.teacher["teacher"] == "nearest.onnx"
    assert opened.teacher["teacher_ensemble"] == "off"
    averaged = open_source(
        tiny_settings(data, teacher=teacher, teacher_share=1.0, teacher_ensemble="on"), [], CPU, Watcher()
    )
    assert averaged.teacher["teacher_ensemble"] == "on"
    assert torch.equal(averaged.source.patches(Request(0, 16, 4, 0, 4))[1], target)


def test_a_teacher_is_asked_once_for_each_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "cache"))
    asked: list[tuple[int, ...]] = []
    run = ForeignNetwork.__call__

    def counted(self: ForeignNetwork, pixels: NDArray[Any]) -> NDArray[Any]:
        asked.append(pixels.shape)
        return run(self, pixels)

    monkeypatch.setattr(ForeignNetwork, "__call__", counted)
    changes = {"teacher": str(nearest(tmp_path / "nearest.onnx")), "teacher_share": 0.5}
    data = make_pictures(tmp_path / "data")

    def patches() -> tuple[torch.Tensor, torch.Tensor]:
        opened = open_source(tiny_settings(data, **changes), [], CPU, Watcher())
        return opened.source.patches(Request(3, 16, 4, 0, 4))

    first = patches()
    assert len(asked) == 3
    again = patches()
    assert len(asked) == 3
    assert torch.equal(first[1], again[1])
    Image.fromarray(photograph(80, 96, seed=5)).save(data / "p0.png")  # another picture of the same name
    patches()
    assert len(asked) == 4
    for path in (tmp_path / "cache" / "teachers").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    patches()
    assert len(asked) == 7


@pytest.mark.skipif(not native_bf16(), reason="this processor has no bf16 arithmetic")
def test_results_of_another_precision_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "cache"))
    teacher = str(nearest(tmp_path / "nearest.onnx"))
    settings = tiny_settings(make_pictures(tmp_path / "data"), teacher=teacher, teacher_share=1.0)
    fp32 = open_teacher(settings)
    bf16 = open_teacher(replace(settings, teacher_precision="bf16"))
    lr = photograph(32, 40)
    wanted = lr.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(fp32.guess(lr), wanted)
    difference = np.abs(bf16.guess(lr).astype(int) - wanted)
    assert difference.max() <= 2  # eight bits of mantissa
    assert len(list((tmp_path / "cache" / "teachers").iterdir())) == 2


def test_bf16_is_refused_where_it_is_not_to_be_had(
    tmp_path: Path, bilinear_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIPFDN_CPU_BF16", "off")
    own = TrainingSettings(steps=1, teacher=str(bilinear_weights), teacher_precision="bf16")
    with pytest.raises(UsageError, match="is for teachers in ONNX files; use fp32"):
        open_teacher(own)
    foreign = replace(own, teacher=str(nearest(tmp_path / "nearest.onnx")))
    with pytest.raises(UnavailableError, match="`teacher_precision` bf16: RIPFDN_CPU_BF16=off"):
        open_teacher(foreign)
    monkeypatch.setattr(foreign_networks, "find_spec", lambda module: None)
    with pytest.raises(UnavailableError, match="`teacher_precision` bf16 needs OpenVINO"):
        open_teacher(foreign)


def test_a_cache_that_cannot_be_written_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file in the place of the folder")
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "cache"))
    teacher = str(nearest(tmp_path / "nearest.onnx"))
    settings = tiny_settings(make_pictures(tmp_path / "data"), teacher=teacher, teacher_share=1.0)
    opened = open_source(settings, [], CPU, Watcher())
    lr, target = opened.source.patches(Request(0, 16, 4, 0, 4))
    assert torch.equal(target, lr.repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert sum("a teacher's result can't be kept" in message for message in caplog.messages) == 1


def test_a_teacher_that_sees_degraded_crops_gives_its_results_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "cache"))
    data = make_pictures(tmp_path / "data")
    changes = {
        "teacher": str(nearest(tmp_path / "nearest.onnx")),
        "teacher_share": 1.0,
        "teacher_sees": "degraded",
        "degrade": True,
        "crops": 12,
        "crop": 18,
    }
    first, again = (open_source(tiny_settings(data, **changes), [], CPU, Watcher()) for _ in range(2))
    assert len(list((tmp_path / "cache" / "teachers").iterdir())) == 12  # none was made twice
    clean = open_source(
        tiny_settings(data, teacher_share=0.0, **_without(changes, "teacher_share")), [], CPU, Watcher()
    )
    differ = 0
    for step in range(6):
        request = Request(step, 16, 4, 0, 4)
        lr, target = first.source.patches(request)
        assert torch.equal(target, lr.repeat_interleave(4, 2).repeat_interleave(4, 3))
        assert all(
            torch.equal(a, b) for a, b in zip(again.source.patches(request), (lr, target), strict=True)
        )
        same, hr = clean.source.patches(request)
        assert torch.equal(same, lr)
        shrunk = torch.nn.functional.avg_pool2d(hr.float(), 4)
        assert (shrunk - lr.float()).abs().mean() < 20  # of the same place, however degraded
        differ += int((shrunk - lr.float()).abs().mean() > 3)
    assert differ


def _without(values: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != name}
