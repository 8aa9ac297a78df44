"""What a run tells whoever watches it. Plain data; the command line and the logs show it each in their
way.
"""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from ripfdn_cli.image_math.metrics import Score
from ripfdn_cli.training.pictures import Advance


@dataclass(frozen=True)
class StepReport:
    """After step `steps`. `waited` is the share of the time since training began that went into waiting for
    data.
    """

    steps: int
    progress: float
    seconds: float
    loss: float
    learning_rate: float
    steps_per_second: float
    waited: float
    patch: int
    batch: int


@dataclass(frozen=True)
class ValidationReport:
    """Scores by validation set. `average`: of the running average, not of the weights themselves."""

    steps: int
    seconds: float
    scores: dict[str, Score]
    average: bool
    best: bool

    def record(self) -> dict[str, Any]:
        """As a JSON object."""
        scores = {name: score.as_json() for name, score in self.scores.items()}
        return {"event": "validation", **asdict(self), "scores": scores}


class Silence:
    """A listener that shows nothing."""

    def preparing(self, what: str, total: int) -> Advance:
        """Shows nothing."""
        return lambda count: None

    def stepped(self, report: StepReport) -> None:
        """Shows nothing."""

    def validated(self, report: ValidationReport) -> None:
        """Shows nothing."""


class Listener(Protocol):
    """Whoever watches a run."""

    def preparing(self, what: str, total: int) -> Advance:
        """`total` items of `what` follow; call the result with how many more are done."""
        ...

    def stepped(self, report: StepReport) -> None:
        """Called after each step."""

    def validated(self, report: ValidationReport) -> None:
        """Called after each validation."""
