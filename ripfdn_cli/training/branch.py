"""A run in pieces: a copy of it that decays to zero, while the run itself stays at its stable rate."""

from dataclasses import replace
from typing import Any

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.durations import Interval
from ripfdn_cli.training.schedule import stage_at
from ripfdn_cli.training.settings import STAGED, TrainingSettings
from ripfdn_cli.training.state import RunState

STABLE_SCHEDULES = ("constant", "wsd")


def folder_name(state: RunState) -> str:
    """Of the branch that leaves the run at `state`, in the folder of the run."""
    return f"branch-{state.position.steps}"


def decaying(state: RunState, settings: TrainingSettings, length: Interval) -> RunState:
    """The start of a branch: `state` at the point of a wsd schedule where the rate begins to fall, to reach
    zero after `length`. Data, stage and all else are those of `settings`, the run's.

    Raises UsageError where the rate is not stable at `state`.
    """
    position = state.position
    if settings.schedule not in STABLE_SCHEDULES:
        raise UsageError(
            f"`branch_decay` needs a run at a stable rate, but this one has schedule {settings.schedule}; "
            f"train with `schedule` {' or '.join(STABLE_SCHEDULES)}"
        )
    if settings.schedule == "wsd" and position.progress > 1 - settings.decay_share:
        raise UsageError("the run's own decay has begun; continue it with `resume`")
    done, added = (position.steps, length.steps) if length.steps else (position.seconds, length.seconds)
    total = done + added
    stage = stage_at(settings, position.progress)
    staged: dict[str, Any] = {name: (getattr(stage, name),) for name in STAGED}
    wanted = replace(
        settings,
        schedule="wsd",
        decay_share=added / total,
        steps=int(total) if length.steps else 0,
        max_time=0.0 if length.steps else total,
        share=(1.0,),
        **staged,
    )
    return replace(
        state,
        settings=wanted,
        position=replace(position, progress=done / total),
        best=None,
        validated=None,
        saved=None,
    )
