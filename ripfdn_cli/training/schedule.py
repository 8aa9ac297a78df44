"""Where a run stands between its start and its end, and what follows from it. Pure functions of numbers."""

import math
from dataclasses import dataclass, replace
from typing import Self

from ripfdn_cli.training.settings import Stage, TrainingSettings


@dataclass(frozen=True)
class Position:
    """A run after `steps` steps and `seconds` of wall time (all its sessions together), `progress` in [0, 1]
    done.
    """

    steps: int = 0
    seconds: float = 0.0
    progress: float = 0.0

    def after_step(self, settings: TrainingSettings, seconds: float, took: float, reserve: float) -> Self:
        """The position at wall time `seconds`, one step that `took` some seconds later.

        With a number of steps each is its share of the run, whatever the time. Without, each step advances
        the run by its share of the time left, so that set-up, validation, resuming and a busy machine
        compress what remains and the schedule still ends on time; `reserve` seconds are kept for what follows
        the last step.
        """
        steps = self.steps + 1
        if settings.steps:
            progress = progress_of_steps(settings, steps)
        else:
            left = settings.max_time - reserve - seconds
            progress = 1.0 if left <= 0 else self.progress + (1 - self.progress) * took / (took + left)
        return replace(self, steps=steps, seconds=seconds, progress=min(progress, 1.0))

    def ends(self, settings: TrainingSettings, reserve: float) -> bool:
        """Whether the run is over here: its steps are done, or its time is used up but for `reserve`."""
        late = bool(settings.max_time) and self.seconds >= settings.max_time - reserve
        return late or self.progress >= 1.0


def progress_of_steps(settings: TrainingSettings, steps: int) -> float:
    """How far `steps` have brought a run that has a number of them."""
    return min(1.0, steps / settings.steps)


def stage_at(settings: TrainingSettings, progress: float) -> Stage:
    """The stage that a step begun at `progress` belongs to."""
    stages = settings.stages
    for stage in stages:
        # A share such as 1200000/1700000 and the same number of steps over all may differ in their last bit.
        if progress < stage.end - 1e-12:
            return stage
    return stages[-1]


def learning_rate_at(settings: TrainingSettings, position: Position) -> float:
    """Of the step that is begun at `position`. wsd (warm-up, stable, decay; Hu et al., MiniCPM, 2024, arXiv
    2404.06395) falls linearly over the last `decay_share` of the run.
    """
    stage = stage_at(settings, position.progress)
    rate = stage.learning_rate
    if settings.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * position.progress))
    elif settings.schedule == "cosine-per-stage":
        within = (position.progress - stage.start) / (stage.end - stage.start)
        rate *= 0.5 * (1 + math.cos(math.pi * min(max(within, 0.0), 1.0)))
    elif settings.schedule == "wsd":
        rate *= min(1.0, (1 - position.progress) / settings.decay_share) if settings.decay_share else 1.0
    if position.steps < settings.warmup:
        rate *= (position.steps + 1) / settings.warmup
    return rate


def ema_decay_at(settings: TrainingSettings, steps: int) -> float:
    """The average's decay after `steps` steps: it rises, so that the untrained start is soon forgotten."""
    return min(settings.ema, (1 + steps) / (10 + steps))
