from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small_inputs import photograph
from support.training_runs import Watcher, make_pictures, tiny_settings

from ripfdn_cli.errors import UsageError
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.training.patches import Request
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.training.sources import open_source
from ripfdn_cli.training.teacher import Teacher
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
    target = Teacher(settings(small_weights, share)).target(lr, hr)
    expected = (1 - share) * hr + share * one_pass(small_weights, lr)
    assert target.dtype == np.uint8
    np.testing.assert_allclose(target, expected, atol=0.51)


def test_every_patch_is_taught_and_its_lr_is_left_alone(tmp_path: Path, bilinear_weights: Path) -> None:
    data = make_pictures(tmp_path)
    plain = open_source(tiny_settings(data), [], CPU, Watcher()).source
    taught = open_source(
        tiny_settings(data, teacher=str(bilinear_weights), teacher_share=1.0), [], CPU, Watcher()
    ).source
    for index in range(8):
        request = Request(index, 16, 4, 0, 4)
        lr, _ = plain.patches(request)
        same, target = taught.patches(request)
        assert torch.equal(lr, same)
        expected = torch.nn.functional.interpolate(lr.float(), scale_factor=4, mode="bilinear")
        inside = (..., slice(4, -4), slice(4, -4))  # beyond a patch's edge its picture goes on
        torch.testing.assert_close(target.float()[inside], expected[inside], rtol=0, atol=0.51)


def test_a_teacher_sees_clean_pictures_where_the_network_sees_degraded_ones(
    tmp_path: Path, bilinear_weights: Path
) -> None:
    data = make_pictures(tmp_path)
    sources = {
        (degraded, taught): open_source(
            tiny_settings(data, degrade=degraded, teacher=str(bilinear_weights) if taught else ""),
            [],
            CPU,
            Watcher(),
        ).source
        for degraded, taught in [(True, True), (True, False), (False, True)]
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
        Teacher(replace(settings(bilinear_weights, 0.5), scale=2))


def test_what_a_teacher_cannot_be_had_with(tmp_path: Path, bilinear_weights: Path) -> None:
    data, teacher = make_pictures(tmp_path), str(bilinear_weights)
    with pytest.raises(UsageError, match="raise --memory"):
        open_source(tiny_settings(data, teacher=teacher, memory=5e-5), [], CPU, Watcher())
    with pytest.raises(UsageError, match=r"teacher-share 1\.5 is out of range"):
        tiny_settings(data, teacher=teacher, teacher_share=1.5)
    with pytest.raises(UsageError, match="use --capture auto"):
        tiny_settings(data, optimizer="soap", capture="on")
