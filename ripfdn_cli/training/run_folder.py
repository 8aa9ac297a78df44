"""The folder of a training run: made, held by one process, and where a new run, one that goes on or a branch
starts.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ripfdn_cli.errors import CheckpointError, UsageError
from ripfdn_cli.files.file_lock import locked
from ripfdn_cli.files.storage import make_folder
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.training.branch import decaying, folder_name
from ripfdn_cli.training.durations import Interval
from ripfdn_cli.training.records import CURVES, LOG, TENSORBOARD
from ripfdn_cli.training.schedule import progress_of_steps
from ripfdn_cli.training.settings import FIELDS, TrainingSettings
from ripfdn_cli.training.state import RunState, has_state, load_state

LOCK, SETTINGS = ".lock", "settings.toml"
BEST, LAST, AVERAGE = "best.safetensors", "last.safetensors", "ema.safetensors"
_LOCK_SECONDS = 10.0
"""What the killed processes of a run that is restarted may take to go."""


@contextmanager
def gone_unless_started(folder: Path) -> Iterator[Callable[[], None]]:
    """Make `folder`; it goes again, with those around it that were made for it, where the block ends before
    it calls what it is given: what is wrong with a run's settings or pictures shall not cost a folder.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)

    def started() -> None:
        made.clear()

    try:
        yield started
    finally:
        with suppress(OSError):  # other files are in it by now: not ours to delete
            for name in (LOCK, SETTINGS) if made else ():
                (folder / name).unlink(missing_ok=True)
            for path in made:
                path.rmdir()


def open_state(folder: Path, *, resume: bool) -> RunState | None:
    """The state to go on from, None for a new run.

    Raises UsageError where a run, or what is left of one without its state, would be overwritten. To `resume`
    one that was ended before its first state is to start it anew.
    """
    if not has_state(folder):
        _refuse_to_replace(folder, resume=resume)
        return None
    if not resume:
        raise UsageError(f"{folder} holds a run already; continue it with `resume`, or choose another folder")
    return load_state(folder)


def _refuse_to_replace(folder: Path, *, resume: bool) -> None:
    weights = (BEST, AVERAGE, LAST)
    for name in weights if resume else (*weights, SETTINGS, LOG, CURVES, TENSORBOARD):
        if (folder / name).exists() and not (resume and _untrained(folder / name)):
            raise UsageError(
                f"{folder / name} would be replaced, and there is no state to continue from; choose another "
                "folder, or move it away"
            )


def _untrained(weights: Path) -> bool:
    """Whether they are those that a run writes before its first step."""
    try:
        return Checkpoint.load(weights).provenance.get("steps") == 0
    except CheckpointError:
        return False


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process: two runs in it, such as one resumed while its ranks live on, would mix.

    Raises UsageError where another process holds it and doesn't let go within some seconds.
    """
    busy = f"another process is training in {folder}; wait for it, stop it, or choose another folder"
    with locked(folder / LOCK, busy=busy, seconds=_LOCK_SECONDS):
        yield


def continued(state: RunState, wanted: TrainingSettings) -> RunState:
    """`state` to go on from with the settings `wanted`. With another time limit a run without a number of
    steps stands where its share of the new one is; with another first validation set the best is yet to be
    found. Raises UsageError naming settings that may not change midway.
    """
    before, after = state.settings.as_compared(), wanted.as_compared()
    changed = [
        f"{name.replace('_', '-')} was {json.dumps(before[name])}, now {json.dumps(after[name])}"
        for name, item in FIELDS.items()
        if before[name] != after[name] and not item.metadata["resumable"]
    ]
    if changed:
        raise UsageError(
            f"settings differ from those of the resumed run: {'; '.join(changed)}; restore them, or start "
            "a new run in another folder"
        )
    position = replace(state.position, progress=_progress(state, wanted))
    # Scores on another set say nothing of which weights are the best.
    best = state.best if before["val"][:1] == after["val"][:1] else None
    return replace(state, settings=wanted, position=position, best=best)


def _progress(state: RunState, wanted: TrainingSettings) -> float:
    """Where `state` stands in a run of the settings `wanted`: by its steps where they are given, else by its
    share of the time.
    """
    position = state.position
    if wanted.steps:
        return progress_of_steps(wanted, position.steps)
    return min(1.0, position.progress * state.settings.max_time / wanted.max_time)


def branched(settings: TrainingSettings, folder: Path, length: str) -> tuple[RunState, Path]:
    """Where a branch of the run in `folder` starts, and its own folder. Raises UsageError."""
    if not has_state(folder):
        raise UsageError(f"{folder} has no saved state to branch from; train there first")
    state = load_state(folder)
    start = decaying(continued(state, settings), settings, Interval.parse(length, "branch-decay"))
    own = folder / folder_name(state)
    if has_state(own):
        limits = {(s.max_time, s.steps) for s in (load_state(own).settings, start.settings)}
        if len(limits) > 1:
            raise UsageError(
                f"{own} holds a branch of another length; continue it with `resume` in {own}, or move it away"
            )
    return start, own
