from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.training_runs import (
    Watcher,
    assert_same_state,
    make_pictures,
    run_training,
    tiny_settings,
)

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training import train
from ripfdn_cli.training.branch import decaying
from ripfdn_cli.training.durations import Interval
from ripfdn_cli.training.schedule import Position
from ripfdn_cli.training.state import RunState

STEPS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


def stable(data: Path, **changes: object) -> dict[str, object]:
    return {"schedule": "wsd", "decay_share": 0.5, "steps": STEPS, "warmup": 0, "threads": 1, **changes}


def test_a_branch_decays_to_zero_and_the_run_goes_on_as_if_it_had_not_been(
    data: Path, tmp_path: Path
) -> None:
    settings = tiny_settings(data, **stable(data))
    whole = run_training(settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "run", Watcher(stop_after=4))
    before = (tmp_path / "run" / "state.safetensors").read_bytes()
    watcher = Watcher()
    folder = train(settings, tmp_path / "run", branch_decay="5", listener=watcher)
    assert folder == tmp_path / "run" / "branch-4"
    assert [report.steps for report in watcher.steps] == [5, 6, 7, 8, 9]
    rates = [report.learning_rate for report in watcher.steps]
    assert rates == pytest.approx([1e-3 * left / 5 for left in (5, 4, 3, 2, 1)])
    assert (folder / "last.safetensors").exists()
    assert (tmp_path / "run" / "state.safetensors").read_bytes() == before
    rest = run_training(settings, tmp_path / "run", resume=True)
    assert rest.losses == whole.losses[4:]
    assert_same_state(tmp_path / "run", tmp_path / "whole")


def test_an_interrupted_branch_goes_on(data: Path, tmp_path: Path) -> None:
    settings = tiny_settings(data, **stable(data))
    for name in ("a", "b"):
        with pytest.raises(KeyboardInterrupt):
            run_training(settings, tmp_path / name, Watcher(stop_after=3))
    train(settings, tmp_path / "a", branch_decay="6")
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "b", branch_decay="6", listener=Watcher(stop_after=5))
    with pytest.raises(UsageError, match="holds a branch of another length"):
        train(settings, tmp_path / "b", branch_decay="7")
    watcher = Watcher()
    train(settings, tmp_path / "b", branch_decay="6", listener=watcher)
    assert [report.steps for report in watcher.steps] == [6, 7, 8, 9]
    assert_same_state(tmp_path / "a" / "branch-3", tmp_path / "b" / "branch-3")


def state(data: Path, position: Position, **changes: object) -> RunState:
    settings = tiny_settings(data, **stable(data, **changes))
    return RunState(settings, position, {"network.a": torch.zeros(1)}, best=30.0)


def test_a_branch_of_time_begins_its_decay_at_once(data: Path) -> None:
    run = state(data, Position(700, 3000.0, 0.1), steps=0, max_time=30000.0, share=(1, 1), patch=(16, 24))
    branch = decaying(run, run.settings, Interval(seconds=1000.0))
    assert branch.settings.max_time == 4000
    assert branch.settings.steps == 0
    assert branch.position.progress == 1 - branch.settings.decay_share == 0.75
    assert [stage.patch for stage in branch.settings.stages] == [16]  # that of the moment
    assert branch.best is None
    assert branch.settings.data == run.settings.data


def test_where_no_branch_can_leave(data: Path, tmp_path: Path) -> None:
    length = Interval(steps=10)
    for schedule in ("cosine", "cosine-per-stage"):
        run = state(data, Position(2, 1.0, 0.1), schedule=schedule)
        with pytest.raises(
            UsageError, match=f"has schedule {schedule}; train with `schedule` constant or wsd"
        ):
            decaying(run, run.settings, length)
    run = state(data, Position(8, 1.0, 0.7))
    with pytest.raises(UsageError, match="own decay has begun"):
        decaying(run, run.settings, length)
    decaying(
        replace(run, settings=replace(run.settings, schedule="constant")),
        replace(run.settings, schedule="constant"),
        length,
    )
    with pytest.raises(UsageError, match="has no saved state to branch from"):
        train(run.settings, tmp_path / "none", branch_decay="10")
    assert not (tmp_path / "none").exists()
