"""Who may write to a run's folder, and what a run that goes on may change."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.training_runs import make_pictures, run_training, tiny_settings

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training import loop, run_folder, train
from ripfdn_cli.training.run_folder import continued, gone_unless_started, only_run_in, open_state
from ripfdn_cli.training.schedule import Position
from ripfdn_cli.training.state import has_state, load_state


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


def test_changed_settings_are_noticed(data: Path, tmp_path: Path) -> None:
    settings = tiny_settings(data)
    run_training(settings, tmp_path / "run")
    state = load_state(tmp_path / "run")
    with pytest.raises(UsageError, match=r"seed was 0, now 3; batch was \[4\], now \[8\]"):
        continued(state, replace(settings, seed=3, batch=(8,)))
    allowed = replace(settings, max_time=60.0, threads=2, device="cpu", workers=0, save_every="9m")
    assert continued(state, allowed).settings == allowed


@pytest.mark.parametrize(("before", "after"), [(3600.0, 600.0), (600.0, 36000.0), (0.0, 600.0), (600.0, 0.0)])
def test_steps_say_where_a_run_stands_whatever_its_time(
    data: Path, tmp_path: Path, before: float, after: float
) -> None:
    run_training(tiny_settings(data, steps=3, max_time=before), tmp_path / "run")
    state = load_state(tmp_path / "run")
    settings = replace(state.settings, steps=12)
    halfway = replace(state, settings=settings, position=Position(steps=3, seconds=5.0, progress=0.9))
    assert continued(halfway, replace(settings, max_time=after)).position == Position(3, 5.0, 0.25)


def test_a_preset_is_judged_by_its_settings(data: Path, tmp_path: Path) -> None:
    """Runs without one were said to be of quick."""
    run_training(tiny_settings(data, steps=2), tmp_path / "run")
    state = load_state(tmp_path / "run")
    assert continued(state, replace(state.settings, preset="")).settings.preset == ""
    with pytest.raises(UsageError, match=r"fft was \[0.05, 0.0\], now \[0.0\]; restore"):
        continued(state, replace(state.settings, preset="", fft=(0.0,)))


def test_a_way_of_writing_a_folder_is_no_change(data: Path, tmp_path: Path) -> None:
    run_training(tiny_settings(data, steps=2), tmp_path / "run")
    state = load_state(tmp_path / "run")
    assert continued(state, replace(state.settings, data=(f"{data}/",))).settings.data == (f"{data}/",)
    with pytest.raises(UsageError, match="data was"):
        continued(state, replace(state.settings, data=(f"{data}/more",)))


def test_the_best_is_that_of_the_first_validation_set(data: Path, tmp_path: Path) -> None:
    run_training(tiny_settings(data, steps=2), tmp_path / "run")
    settings = tiny_settings(data, steps=2, val=["Set5", "Set14"])
    state = replace(load_state(tmp_path / "run"), settings=settings, best=30.0)
    for val, best in (
        (("Set5", "Set14"), 30.0),
        (("Set5/",), 30.0),
        (("Set14", "Set5"), None),
        (("other/Set5",), None),
        ((), None),
    ):
        assert continued(state, replace(settings, val=val)).best == best


def test_a_run_is_never_overwritten(data: Path, tmp_path: Path) -> None:
    run_training(tiny_settings(data, steps=2), tmp_path / "run")
    with pytest.raises(UsageError, match="holds a run already"):
        open_state(tmp_path / "run", resume=False)


def test_two_runs_in_one_folder_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "_LOCK_SECONDS", 0.2)
    with only_run_in(tmp_path), pytest.raises(UsageError, match="another process"), only_run_in(tmp_path):
        pass
    with only_run_in(tmp_path):
        pass


def fails_to_start(folder: Path, leaving: str) -> None:
    with gone_unless_started(folder):
        (folder / leaving).touch()
        raise UsageError("no pictures")


def test_what_was_made_for_a_run_that_did_not_start_goes(tmp_path: Path) -> None:
    """And nothing else: neither folders that were there, nor those with other files in them."""
    folder = tmp_path / "runs" / "mine"
    with pytest.raises(UsageError, match="no pictures"):
        fails_to_start(folder, leaving=run_folder.SETTINGS)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    with pytest.raises(UsageError, match="no pictures"):
        fails_to_start(folder, leaving=run_folder.SETTINGS)
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]
    with pytest.raises(UsageError, match="no pictures"):
        fails_to_start(folder, leaving="notes.txt")
    assert (folder / "notes.txt").is_file()
    with gone_unless_started(tmp_path / "runs" / "other") as started:
        started()
    assert (tmp_path / "runs" / "other").is_dir()


@pytest.mark.parametrize(
    "name",
    ["best.safetensors", "ema.safetensors", "last.safetensors", "settings.toml", "log.jsonl", "curves.png"],
)
def test_what_is_left_of_a_run_without_its_state_is_never_overwritten(
    data: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "Training", None)  # nothing may begin
    (tmp_path / name).write_bytes(b"of another run")
    with pytest.raises(UsageError, match=f"{name} would be replaced.*choose another folder"):
        train(tiny_settings(data), tmp_path)
    assert (tmp_path / name).read_bytes() == b"of another run"


def test_event_files_without_a_state_are_not_mixed_with_those_of_a_new_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "Training", None)  # nothing may begin
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "events.out.tfevents.1").write_bytes(b"of another run")
    with pytest.raises(UsageError, match=r"tensorboard would be replaced.*choose another folder"):
        train(tiny_settings(data), tmp_path)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_a_lock_alone_is_no_run(tmp_path: Path) -> None:
    (tmp_path / run_folder.LOCK).touch()
    assert open_state(tmp_path, resume=False) is None


def test_trained_weights_without_a_state_are_not_resumed(data: Path, tmp_path: Path) -> None:
    settings = tiny_settings(data, steps=2)
    run_training(settings, tmp_path / "run")
    before = {
        name: (tmp_path / "run" / name).read_bytes() for name in ("last.safetensors", "ema.safetensors")
    }
    for path in (tmp_path / "run").glob("state*"):
        path.unlink()
    with pytest.raises(UsageError, match="no state to continue from"):
        train(settings, tmp_path / "run", resume=True)
    assert before == {name: (tmp_path / "run" / name).read_bytes() for name in before}


@pytest.mark.parametrize("validated_after", [0, 2], ids=["untrained", "trained"])
def test_a_run_killed_before_its_first_regular_state_is_resumed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validated_after: int
) -> None:
    """Killed, it leaves weights, and no state where they are untrained."""
    folder, settings = tmp_path / "run", tiny_settings(data, validate_every="2")

    def killed(training: loop.Training, best: bool) -> None:
        written(training, best)
        if training.position.steps == validated_after:
            monkeypatch.setattr(loop, "save_state", None)  # a killed run saves nothing more
            raise KeyboardInterrupt

    written = loop.Training._write_weights
    with monkeypatch.context() as first:
        first.setattr(loop.Training, "_write_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training(settings, folder)
    monkeypatch.undo()
    assert (folder / "ema.safetensors").exists()
    assert has_state(folder) == bool(validated_after)
    assert [report.steps for report in run_training(settings, folder, resume=True).steps][-1] == 12
