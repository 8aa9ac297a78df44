"""Named recipes: what a run's settings start from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ripfdn_cli.arguments import place
from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.dependent_settings import warn_of_idle
from ripfdn_cli.training.settings import FIELDS, TrainingSettings, parse_values, read_toml

PRESETS: dict[str, dict[str, Any]] = {
    # The NTIRE 2023 factsheet of AVC2_CMHI_SR: L1, Adam, 5e-4, 64×64 LR patches, flips and rotations, 1.2 M
    # steps of 64 patches, then 0.5 M of 256. It names no schedule, betas, clipping or averaging. Taken here:
    # PyTorch's own betas, no clipping, no average, and in each stage a cosine from 5e-4 to zero.
    "factsheet": {
        "start": "random",
        "steps": 1_700_000,
        "share": (1_200_000, 500_000),
        "patch": (64,),
        "batch": (64, 256),
        "loss": ("l1",),
        "fft": (0.0,),
        "learning_rate": (5e-4,),
        "schedule": "cosine-per-stage",
        "betas": (0.9, 0.999),
        "clip": 0.0,
        "ema": 0.0,
        "sampling": "pictures",
    },
    # What gives most in a time budget.
    "quick": {
        "start": "bilinear",
        "max_time": 3600.0,
        "share": (0.75, 0.25),
        "patch": (48, 64),
        "batch": (16,),
        "loss": ("l1", "mse"),
        "fft": (0.05, 0.0),
        "learning_rate": (1e-3,),
        "schedule": "cosine",
        "warmup": 50,
        "betas": (0.9, 0.99),
        "clip": 1.0,
        "ema": 0.999,
        "sampling": "pixels",
    },
}


def resolve_settings(
    preset: str | None = None,
    config: str | os.PathLike[str] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> TrainingSettings:
    """The settings of `preset` ("quick" where it isn't named), changed by the TOML file `config`, changed by
    `changes`, which are named and written like the options of `ripfdn train`.

    A number of steps without a time limit drops that of the preset, which would cut it short. Raises
    UsageError.
    """
    if changes is not None and not isinstance(changes, Mapping):
        raise UsageError(f"`changes` {changes!r} is not a dict of settings")
    path = None if config is None else Path(place("config", config))
    from_file = _parsed(read_toml(path), source=str(path)) if path else {}
    given = from_file | _given_at_once(changes or {})
    name = preset or given.get("preset", "quick")
    if given.get("steps"):
        given.setdefault("max_time", 0.0)
    return _changed(_values_of(name), {**given, "preset": name})


def resumed_settings(saved: TrainingSettings, changes: Mapping[str, Any]) -> TrainingSettings:
    """The `saved` settings of a run with `changes`. Raises UsageError."""
    return _changed(vars(saved), _given_at_once(changes))


def _values_of(preset: str) -> dict[str, Any]:
    """All values that `preset` stands for; those of settings made without one where it has no name."""
    if preset and preset not in PRESETS:
        raise UsageError(f"`preset` {preset!r} is not one of {', '.join(PRESETS)}")
    own = parse_values(PRESETS.get(preset, {}), source=f"preset {preset}")
    return {name: item.default for name, item in FIELDS.items()} | own


def _given_at_once(changes: Mapping[str, Any]) -> dict[str, Any]:
    given = _parsed(changes, source="settings")
    if "degradations" in given and not given["degrade"]:
        raise UsageError("`degradations` is how LR are degraded, and `degrade` is off; leave one of them out")
    return given


def _parsed(values: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """As `parse_values`; who names degradations wants them."""
    parsed = parse_values(values, source=source)
    return {"degrade": True, **parsed} if "degradations" in parsed else parsed


def _changed(base: Mapping[str, Any], given: Mapping[str, Any]) -> TrainingSettings:
    settings = TrainingSettings(**{**base, **given})
    warn_of_idle(base, settings)
    return settings
