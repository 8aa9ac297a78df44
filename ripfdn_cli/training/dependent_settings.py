"""Settings that act only beside another one: a warning, or an error, where that is missing."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.settings import TrainingSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Need:
    """What a setting needs to act: `text` as messages have it, and whether settings have it."""

    text: str
    is_met: Callable[[TrainingSettings], bool]


_TEACHER = Need("`teacher`", lambda settings: bool(settings.teacher))
_CROPS = Need("`teacher_sees` degraded", lambda settings: settings.teacher_sees == "degraded")
_DISCRIMINATOR = Need("`gan` or `gan_features`", lambda settings: settings.has_discriminator)

NEEDS = {
    "overshoot": Need("`sharpen`", lambda settings: any(settings.sharpen)),
    "decay_share": Need("`schedule` wsd", lambda settings: settings.schedule == "wsd"),
    "gan_loss": _DISCRIMINATOR,
    "gan_ramp": _DISCRIMINATOR,
    "gan_rate": _DISCRIMINATOR,
    "gan_channels": _DISCRIMINATOR,
    "shrink_above": Need("`shrink`", lambda settings: settings.shrink < 1),
    "teacher_share": _TEACHER,
    "teacher_ensemble": _TEACHER,
    "teacher_precision": _TEACHER,
    "crops": _CROPS,
    "crop": _CROPS,
    "degradations": Need("`degrade`", lambda settings: settings.degrade),
}


def warn_of_idle(before: Mapping[str, Any], after: TrainingSettings) -> None:
    """Name each setting that is another than `before` and doesn't act. A file of all settings, as it is
    printed, changes few.
    """
    for name, need in NEEDS.items():
        if before[name] != getattr(after, name) and not need.is_met(after):
            log.warning("`%s` has no effect without %s", name, need.text)


def check_new_run(settings: TrainingSettings) -> None:
    """Raises UsageError for what no run shall begin with. One that has, by an earlier version, may go on."""
    if settings.weight_decay and settings.optimizer == "adam":
        raise UsageError(
            "`weight_decay` is for adamw and soap, not for `optimizer` adam; use `optimizer` adamw"
        )
