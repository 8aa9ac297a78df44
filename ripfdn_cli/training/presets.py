"""Named recipes: what a run's settings start from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.dependent_settings import warn_of_idle
from ripfdn_cli.training.settings import TrainingSettings, parse_values, read_toml

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


def resolve_settings(preset: str | None, config: Path | None, flags: dict[str, Any]) -> TrainingSettings:
    """The preset's settings, changed by the TOML file `config`, changed by `flags`. A number of steps without
    a time limit drops that of the preset, which would cut it short. Raises UsageError.
    """
    from_file = {key.replace("-", "_"): value for key, value in read_toml(config).items()} if config else {}
    name = preset or from_file.pop("preset", None) or "quick"
    if name not in PRESETS:
        raise UsageError(f"`preset` {name!r} is not one of {', '.join(PRESETS)}")
    from_file.pop("preset", None)
    base = TrainingSettings.from_mapping({**PRESETS[name], "preset": name}, source=f"preset {name}")
    given = _parsed(from_file, source=str(config)) | _given_at_once(flags)
    if given.get("steps"):
        given.setdefault("max_time", 0.0)
    return _changed(base, given)


def resumed_settings(saved: TrainingSettings, flags: dict[str, Any]) -> TrainingSettings:
    """The `saved` settings of a run, changed by `flags`. Raises UsageError."""
    return _changed(saved, _given_at_once(flags))


def _given_at_once(flags: dict[str, Any]) -> dict[str, Any]:
    given = _parsed(flags, source="command line")
    if "degradations" in given and not given["degrade"]:
        raise UsageError("`degradations` is how LR are degraded, and `degrade` is off; leave one of them out")
    return given


def _parsed(values: dict[str, Any], *, source: str) -> dict[str, Any]:
    """As `parse_values`; who names degradations wants them."""
    parsed = parse_values(values, source=source)
    return {"degrade": True, **parsed} if "degradations" in parsed else parsed


def _changed(base: TrainingSettings, given: dict[str, Any]) -> TrainingSettings:
    settings = replace(base, **given)
    warn_of_idle(base, settings)
    return settings
