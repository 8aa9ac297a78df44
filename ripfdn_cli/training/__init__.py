"""Training runs. `train` makes or resumes one, `show_pairs` shows what it would learn from; settings are in
`training.settings`.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ripfdn_cli.arguments import place, switch
from ripfdn_cli.errors import UsageError

if TYPE_CHECKING:
    from ripfdn_cli.training.reports import Listener
    from ripfdn_cli.training.settings import TrainingSettings

__all__ = ["show_pairs", "train"]


def train(
    settings: "TrainingSettings",
    folder: str | os.PathLike[str],
    *,
    resume: bool = False,
    branch_decay: str = "",
    listener: "Listener | None" = None,
) -> Path:
    """Train by `settings` until the run is over, in `folder`, which is made if it isn't there.

    `resume`: go on with the run in `folder`, or start it if there is none; without it, an existing run is an
    error. `branch_decay`: from the saved state in `folder`, let a copy of the run decay to a rate of zero
    over that time ("20m") or number of steps ("500"), and leave the run as it is. Under torchrun, each rank
    calls this. `listener` is told on the first rank how the run goes. The result is the folder with the
    weights.

    Raises UsageError, InputError, CheckpointError, UnavailableError, OutputError, OutOfMemoryError and
    TrainingDivergedError.
    """
    from ripfdn_cli.training import loop  # imports torch

    _check_settings(settings)
    path = Path(place("folder", folder))
    again = switch("resume", resume)
    return loop.train(settings, path, resume=again, branch_decay=branch_decay, listener=listener)


def show_pairs(
    settings: "TrainingSettings",
    count: int,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    listener: "Listener | None" = None,
) -> None:
    """Write the PNG `path`: the first `count` pairs of LR and target that a run by `settings` would see, its
    teacher's part in them and sharpening included. Nothing is trained. A place among the pictures of the run
    is refused.

    Raises UsageError, InputError, CheckpointError, UnavailableError, OutputError and OutOfMemoryError.
    """
    from ripfdn_cli.training.pair_sheet import write_pair_sheet  # imports torch

    _check_settings(settings)
    replaces = switch("overwrite", overwrite)
    write_pair_sheet(settings, count, Path(place("path", path)), overwrite=replaces, listener=listener)


def _check_settings(settings: "TrainingSettings") -> None:
    from ripfdn_cli.training.settings import TrainingSettings

    if not isinstance(settings, TrainingSettings):
        raise UsageError(f"`settings` {settings!r} are not a TrainingSettings; make them by resolve_settings")
