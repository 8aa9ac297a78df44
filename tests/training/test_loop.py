"""Whole runs of a tiny network: what they leave, and that stopping one changes nothing."""

import errno
import json
import logging
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.small_inputs import photograph
from support.training_runs import (
    Watcher,
    assert_same_state,
    make_pictures,
    run_training,
    tiny_settings,
)

from ripfdn_cli.errors import CheckpointError, TrainingDivergedError, UsageError
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import score
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.training import loop, train
from ripfdn_cli.training.learner import Learner
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.run_folder import continued, open_state
from ripfdn_cli.training.state import PREVIOUS, STATE, load_state
from ripfdn_cli.upscaler import Upscaler


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A run's folder and its losses."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, run_training(tiny_settings(data), folder).losses


def test_a_run_leaves_its_weights_and_its_history(data: Path, small_data_set: Path, tmp_path: Path) -> None:
    settings = tiny_settings(data, val=[str(small_data_set)], validate_every="5")
    watcher = run_training(settings, tmp_path / "run")
    assert [report.steps for report in watcher.steps] == list(range(1, 13))
    assert [report.steps for report in watcher.validations] == [0, 5, 10, 12]
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        "best.safetensors",
        "ema.safetensors",
        "last.safetensors",
        "log.jsonl",
        "curves.png",
        STATE,
    }
    best, last = (
        Checkpoint.load(tmp_path / "run" / name) for name in ("best.safetensors", "ema.safetensors")
    )
    reported = max(report.scores["Small"].psnr for report in watcher.validations)
    assert best.provenance["scores"]["Small"]["psnr"] == pytest.approx(reported, abs=1e-4)
    assert best.config == settings.network
    assert last.provenance["steps"] == 12
    assert last.provenance["settings"]["batch"] == [4, 4] or last.provenance["settings"]["batch"] == [4]
    assert last.provenance["data"] == [data.name]
    assert "Y: 8-bit results" in last.provenance["protocol"]
    assert last.provenance["settings"]["val"] == [small_data_set.name]
    assert "/" not in str(last.provenance["settings"])
    assert str(tmp_path) not in str(last.provenance)


def test_a_run_leaves_its_process_as_it_was(data: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(tiny_settings(data, steps=1, threads=threads + 1), tmp_path / "run")
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(3), expected)


def test_scores_are_those_of_the_file(data: Path, small_data_set: Path, tmp_path: Path) -> None:
    watcher = run_training(tiny_settings(data, val=[str(small_data_set)]), tmp_path / "run")
    upscaler = Upscaler(
        Checkpoint.load(tmp_path / "run" / "ema.safetensors"), device="cpu", engine="torch", precision="fp32"
    )
    psnr = []
    for path in sorted((small_data_set / "LRbicx4").iterdir()):
        result = upscaler.upscale(np.asarray(Image.open(path)))
        psnr.append(score(result, np.asarray(Image.open(small_data_set / "HR" / path.name)), scale=4).psnr)
    assert watcher.validations[-1].scores["Small"].psnr == pytest.approx(np.mean(psnr), abs=1e-6)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"degrade": True},
        {"memory": 5e-5, "degrade": True},
        {"optimizer": "soap"},
        {"share": "1,2", "gan": "0,0.1", "gan_features": 0.1, "gan_ramp": 6, "gan_channels": 4},
    ],
    ids=str,
)
def test_a_resumed_run_is_the_same_to_the_bit(
    data: Path, tmp_path: Path, workers: int, changes: dict[str, object]
) -> None:
    settings = tiny_settings(data, workers=workers, patch="16,18", **changes)
    whole = run_training(settings, tmp_path / "whole").losses
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "cut", Watcher(stop_after=5))
    assert load_state(tmp_path / "cut").position.steps == 5
    rest = run_training(settings, tmp_path / "cut", resume=True).losses
    assert rest == whole[5:]
    assert_same_state(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("memory", [8.0, 5e-5], ids=["in memory", "streamed"])
def test_a_run_on_own_pairs_is_the_same_to_the_bit(data: Path, tmp_path: Path, memory: float) -> None:
    for path in data.iterdir():
        low = Image.fromarray(imresize(np.asarray(Image.open(path)), 0.25))
        (tmp_path / "lr").mkdir(exist_ok=True)
        low.save(tmp_path / "lr" / f"{path.stem}x4.jpg", quality=50)
    settings = tiny_settings(data, lr_folder=[str(tmp_path / "lr")], memory=memory)
    whole = run_training(settings, tmp_path / "whole").losses
    assert whole != run_training(tiny_settings(data, memory=memory), tmp_path / "made").losses
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "cut", Watcher(stop_after=5))
    assert run_training(settings, tmp_path / "cut", resume=True).losses == whole[5:]
    assert_same_state(tmp_path / "whole", tmp_path / "cut")
    told = Checkpoint.load(tmp_path / "cut" / "last.safetensors").provenance
    assert told["settings"]["lr_folder"] == ["lr"]


def test_a_run_with_a_teacher_is_the_same_to_the_bit_and_names_it(
    data: Path, tmp_path: Path, small_weights: Path
) -> None:
    settings = tiny_settings(data, teacher=str(small_weights), optimizer="soap")
    whole = run_training(settings, tmp_path / "whole").losses
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "cut", Watcher(stop_after=11))
    assert run_training(settings, tmp_path / "cut", resume=True).losses == whole[11:]
    assert_same_state(tmp_path / "whole", tmp_path / "cut")
    told = Checkpoint.load(tmp_path / "cut" / "last.safetensors").provenance
    assert told["teacher"] == small_weights.name
    assert told["teacher_sha256"] == Checkpoint.load(small_weights).sha256


def test_a_run_goes_on_without_the_weights_it_started_from(data: Path, tmp_path: Path) -> None:
    run_training(tiny_settings(data, steps=2), tmp_path / "first")
    weights = tmp_path / "first" / "last.safetensors"
    settings = tiny_settings(data, init_from=str(weights), ema=0)
    whole = run_training(settings, tmp_path / "whole").losses
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "cut", Watcher(stop_after=5))
    digest = Checkpoint.load(weights).sha256
    weights.unlink()
    assert run_training(settings, tmp_path / "cut", resume=True).losses == whole[5:]
    assert_same_state(tmp_path / "whole", tmp_path / "cut")
    told = Checkpoint.load(tmp_path / "cut" / "last.safetensors").provenance
    assert (told["init_from"], told["init_from_sha256"]) == ("last.safetensors", digest)


def test_weight_decay_is_refused_with_adam_but_a_run_that_has_it_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings(data, weight_decay=0.1)
    with pytest.raises(UsageError, match="`weight_decay` is for adamw and soap, not for `optimizer` adam"):
        train(settings, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    decayed = run_training(tiny_settings(data, weight_decay=0.1, optimizer="adamw"), tmp_path / "adamw")
    assert decayed.losses != run_training(tiny_settings(data, optimizer="adamw"), tmp_path / "none").losses
    with monkeypatch.context() as earlier:
        earlier.setattr(loop, "check_new_run", lambda settings: None)
        run_training(settings, tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            run_training(settings, tmp_path / "cut", Watcher(stop_after=5))
    run_training(settings, tmp_path / "cut", resume=True)
    assert_same_state(tmp_path / "whole", tmp_path / "cut")


def test_resuming_many_times_is_the_same_to_the_bit(
    data: Path, tmp_path: Path, uninterrupted: tuple[Path, list[float]]
) -> None:
    losses: list[float] = []
    for stop in (1, 2, 7, 11):
        watcher = Watcher(stop_after=stop)
        with pytest.raises(KeyboardInterrupt):
            run_training(tiny_settings(data), tmp_path / "run", watcher, resume=True)
        losses += watcher.losses
    losses += run_training(tiny_settings(data), tmp_path / "run", resume=True).losses
    assert losses == uninterrupted[1]
    assert_same_state(tmp_path / "run", uninterrupted[0])


def test_another_seed_is_another_run(
    data: Path, tmp_path: Path, uninterrupted: tuple[Path, list[float]]
) -> None:
    assert run_training(tiny_settings(data, seed=1), tmp_path / "run").losses[:3] != uninterrupted[1][:3]


def test_a_signal_between_update_and_position_waits_for_both(
    data: Path, tmp_path: Path, uninterrupted: tuple[Path, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Learner.update
    calls = []

    def interrupted(learner: Learner) -> None:
        update(learner)
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Learner, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_training(tiny_settings(data), tmp_path / "run")
    assert load_state(tmp_path / "run").position.steps == 4
    run_training(tiny_settings(data), tmp_path / "run", resume=True)
    assert_same_state(tmp_path / "run", uninterrupted[0])


def test_a_loss_that_is_not_finite_names_the_last_good_state(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients = Learner.gradients

    def poisoned(learner: Learner, *args: Any) -> torch.Tensor:
        loss = gradients(learner, *args)
        return loss * float("nan") if learner.optimizer.state and poison else loss

    poison: list[int] = []
    monkeypatch.setattr(Learner, "gradients", poisoned)
    run_training(tiny_settings(data, steps=4), tmp_path / "run")
    before = (tmp_path / "run" / STATE).read_bytes()
    poison.append(1)
    state = load_state(tmp_path / "run")
    longer = replace(
        state, settings=replace(state.settings, steps=8), position=replace(state.position, progress=0.5)
    )
    with pytest.raises(TrainingDivergedError, match=r"nan at step 4.*state\.safetensors, of step 4") as told:
        loop.Training(longer.settings, tmp_path / "run", Ranks(), Watcher(), longer).run()
    assert told.value.exit_code == 1
    assert (tmp_path / "run" / STATE).read_bytes() == before


def test_a_full_disk_keeps_the_run_and_the_old_state(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = tiny_settings(data, save_every="1")
    run_training(replace(settings, steps=3), tmp_path / "run")
    old = load_state(tmp_path / "run")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    again = replace(old, settings=settings, position=replace(old.position, progress=0.25))
    watcher = Watcher()
    training = loop.Training(settings, tmp_path / "run", Ranks(), watcher, again)
    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING, logger="ripfdn_cli"):
        training.run()
    assert watcher.steps[-1].steps == 12
    assert any("No space left" in message and "The run continues" in message for message in caplog.messages)
    monkeypatch.undo()
    kept = load_state(tmp_path / "run")
    assert kept.position.steps == 3
    assert not list((tmp_path / "run").glob(".ripfdn-*"))


def test_a_damaged_state_falls_back_to_the_one_before(
    data: Path, tmp_path: Path, uninterrupted: tuple[Path, list[float]], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_training(tiny_settings(data, save_every="3"), tmp_path / "run", Watcher(stop_after=8))
    path = tmp_path / "run" / STATE
    path.write_bytes(path.read_bytes()[:-1000])
    rest = run_training(tiny_settings(data), tmp_path / "run", resume=True)
    assert any(PREVIOUS in message for message in caplog.messages)
    assert rest.losses == uninterrupted[1][6:]
    path.write_bytes(b"")
    (tmp_path / "run" / PREVIOUS).write_bytes(b"")
    with pytest.raises(CheckpointError):
        open_state(tmp_path / "run", resume=True)


class Clock:
    """A second and a half passes between two looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.5
        return self.now


def test_the_schedule_ends_on_time(
    data: Path, small_data_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "monotonic", Clock())
    settings = tiny_settings(
        data, steps=0, max_time=400.0, warmup=0, val=[str(small_data_set)], validate_every="60s"
    )
    watcher = run_training(settings, tmp_path / "run")
    assert len(watcher.validations) >= 5
    # A step takes some 10 s by this clock, and the last may begin just before the end.
    assert 390 <= watcher.validations[-1].seconds <= 420
    rates = [report.learning_rate for report in watcher.steps]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01 * rates[0]


def test_a_finished_run_goes_on_with_more_time(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "monotonic", Clock())
    settings = tiny_settings(data, steps=0, max_time=100.0, warmup=0)
    first = run_training(settings, tmp_path / "run").steps[-1]
    state = load_state(tmp_path / "run")
    longer = continued(state, replace(settings, max_time=200.0))
    assert longer.position.progress == pytest.approx(0.5)
    watcher = Watcher()
    loop.Training(longer.settings, tmp_path / "run", Ranks(), watcher, longer).run()
    assert watcher.steps[0].steps == first.steps + 1
    assert watcher.steps[-1].progress == 1.0
    assert 190 <= watcher.steps[-1].seconds <= 210
    assert not caplog.messages
    assert run_training(longer.settings, tmp_path / "run", resume=True).steps == []
    assert "nothing is left to train" in caplog.text


def test_a_run_of_steps_that_its_time_cut_short_goes_on_as_if_it_had_not(
    data: Path,
    tmp_path: Path,
    uninterrupted: tuple[Path, list[float]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(loop, "monotonic", Clock())
    folder, settings = tmp_path / "run", tiny_settings(data, max_time=40.0)
    losses = run_training(settings, folder).losses
    assert 0 < len(losses) < 12
    assert f"ended the run after {len(losses)} of its 12 steps" in caplog.text
    caplog.clear()
    longer = continued(load_state(folder), replace(settings, max_time=1000.0))
    watcher = Watcher()
    loop.Training(longer.settings, folder, Ranks(), watcher, longer).run()
    assert losses + watcher.losses == uninterrupted[1]
    assert_same_state(folder, uninterrupted[0])
    assert "of its 12 steps" not in caplog.text


def test_the_log_of_a_resumed_run_is_that_of_one_run(
    data: Path, small_data_set: Path, tmp_path: Path
) -> None:
    settings = tiny_settings(data, val=[str(small_data_set)], validate_every="3", save_every="4")
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "run", Watcher(stop_after=7))
    run_training(settings, tmp_path / "run", resume=True)
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [r["steps"] for r in records if r["event"] == "validation"] == [0, 3, 6, 9, 12]
    steps = [r["steps"] for r in records]
    assert steps == sorted(steps)
    with Image.open(tmp_path / "run" / "curves.png") as curves:
        assert curves.size == (900, 700)
    assert any((tmp_path / "run" / "tensorboard").iterdir())


@pytest.mark.parametrize("stop", [4, 5, 6, 9], ids="stopped after {}".format)
def test_a_resumed_run_validates_and_saves_where_an_uninterrupted_one_does(
    data: Path, small_data_set: Path, tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is stopped when either is due, after the step and before it is done."""
    saves: list[int] = []

    def save(training: loop.Training) -> None:
        saves.append(training.position.steps)
        regular(training)

    regular = loop.Training.save
    monkeypatch.setattr(loop.Training, "save", save)
    settings = tiny_settings(data, val=[str(small_data_set)], validate_every="3", save_every="4")
    whole = run_training(settings, tmp_path / "whole").validations
    assert saves == [4, 8, 12]
    saves.clear()
    watcher = Watcher(stop_after=stop)
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "cut", watcher)
    assert saves.pop() == stop  # what the signal saved
    run_training(settings, tmp_path / "cut", watcher, resume=True)
    assert saves == [4, 8, 12]
    assert [(r.steps, r.scores, r.best) for r in watcher.validations] == [
        (r.steps, r.scores, r.best) for r in whole
    ]
    best = [Checkpoint.load(tmp_path / run / "best.safetensors") for run in ("whole", "cut")]
    assert best[0].provenance["steps"] == best[1].provenance["steps"]
    for name, tensor in best[0].tensors.items():
        np.testing.assert_array_equal(best[1].tensors[name], tensor)


@pytest.mark.parametrize("when", ["validate", "_write_weights"])
def test_a_run_stopped_while_it_validates_validates_there_again(
    data: Path, small_data_set: Path, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: Any) -> Any:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return original(*args)

    seen: list[int] = []
    owner: Any = loop if when == "validate" else loop.Training
    original = getattr(owner, when)
    settings = tiny_settings(data, val=[str(small_data_set)], validate_every="3")
    whole = run_training(settings, tmp_path / "whole").validations
    watcher = Watcher()
    with monkeypatch.context() as first:
        first.setattr(owner, when, stopped)
        with pytest.raises(KeyboardInterrupt):
            run_training(settings, tmp_path / "cut", watcher)
    assert load_state(tmp_path / "cut").position.steps == 3
    run_training(settings, tmp_path / "cut", watcher, resume=True)
    assert [(r.steps, r.scores, r.best) for r in watcher.validations] == [
        (r.steps, r.scores, r.best) for r in whole
    ]


def test_a_tiny_network_overfits_one_picture_past_40_db(tmp_path: Path) -> None:
    picture = photograph(64, 64, seed=5)
    for folder in ("data", "val/HR"):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(picture).save(tmp_path / folder / "one.png")
    settings = tiny_settings(
        tmp_path / "data",
        channels=16,
        batch=4,
        steps=200,
        learning_rate=1e-2,
        fft=0,
        loss="l1",
        warmup=10,
        ema=0.9,
    )
    run_training(settings, tmp_path / "run")
    upscaler = Upscaler(tmp_path / "run" / "ema.safetensors", device="cpu", engine="torch", precision="fp32")
    assert score(upscaler.upscale(imresize(picture, 0.25)), picture, scale=4).psnr > 40
