"""A run between two steps, on disk: everything from which it goes on as if it had never stopped.

The file is safetensors: the learner's tensors, the generators' states, and settings and position as JSON in
the metadata. It is written atomically, and the state before it is kept beside it.
"""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ripfdn_cli.errors import CheckpointError, NonFiniteResultError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.model.checkpoint import parse_safetensors, read_file
from ripfdn_cli.training.schedule import Position
from ripfdn_cli.training.settings import TrainingSettings

log = logging.getLogger(__name__)

FORMAT = "ripfdn-training-state"
FORMAT_VERSION = 1
STATE, PREVIOUS = "state.safetensors", "state-previous.safetensors"


class Moment(NamedTuple):
    """After so many steps, and seconds of wall time."""

    steps: int
    seconds: float


@dataclass(frozen=True)
class RunState:
    """`best` is the highest validation PSNR so far in dB, `validation_seconds` what the last one took;
    `started_from` is for the provenance. `validated` and `saved` are where that was last due, from which the
    intervals count; None: from `position`.
    """

    settings: TrainingSettings
    position: Position
    tensors: dict[str, Tensor]
    best: float | None = None
    validation_seconds: float = 0.0
    started_from: dict[str, str] = field(default_factory=dict)
    validated: Moment | None = None
    saved: Moment | None = None

    def to_bytes(self) -> bytes:
        """The file's content. Raises NonFiniteResultError rather than keep a state that can't go on."""
        for name, tensor in self.tensors.items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise NonFiniteResultError(
                    f"{name} is not finite after step {self.position.steps}; not saved"
                )
        metadata = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "settings": json.dumps(self.settings.as_dict()),
            "position": json.dumps(asdict(self.position)),
            "best": json.dumps(self.best),
            "validation_seconds": json.dumps(self.validation_seconds),
            "started_from": json.dumps(self.started_from),
            "validated": json.dumps(self.validated),
            "saved": json.dumps(self.saved),
        }
        return save_safetensors(
            {name: t.detach().cpu().contiguous() for name, t in self.tensors.items()}, metadata
        )


def save_state(folder: Path, state: RunState) -> None:
    """Write the state of the run in `folder`; what was there becomes the previous one. Raises OutputError."""
    content = state.to_bytes()
    path = folder / STATE
    if path.exists():
        write_bytes(folder / PREVIOUS, path.read_bytes())
    write_bytes(path, content)


def has_state(folder: Path) -> bool:
    """Whether a run has saved a state in `folder`."""
    return (folder / STATE).exists() or (folder / PREVIOUS).exists()


def saved_settings(folder: Path) -> TrainingSettings | None:
    """Those of the run in `folder`, None where there is none. Raises CheckpointError."""
    return load_state(folder).settings if has_state(folder) else None


def load_state(folder: Path) -> RunState:
    """The state of the run in `folder`, or the previous one where it is damaged. Raises CheckpointError."""
    try:
        return _read(folder / STATE)
    except CheckpointError as error:
        if not (folder / PREVIOUS).exists():
            raise
        log.warning("%s; continuing from %s", error, folder / PREVIOUS)
        return _read(folder / PREVIOUS)


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """PyTorch's generators. No step draws from them (patches are drawn by number), but an operation to come
    may.
    """
    states = {"generator.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["generator.cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_generators(tensors: dict[str, Tensor], device: torch.device) -> None:
    """Set torch's generators of random numbers, the GPU's where `device` is one, to those in `tensors`."""
    torch.set_rng_state(tensors["generator.cpu"])
    if device.type == "cuda" and "generator.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["generator.cuda"], device)


def _read(path: Path) -> RunState:
    metadata, arrays = parse_safetensors(read_file(path), path)  # of any size: a discriminator's may be large
    if metadata.get("format") != FORMAT or metadata.get("format_version") != str(FORMAT_VERSION):
        raise CheckpointError(f"{path} is not a training state of this version of ripfdn")
    try:
        values: dict[str, Any] = {name: json.loads(metadata[name]) for name in _JSON}
        moments = {name: _moment(metadata.get(name, "null")) for name in ("validated", "saved")}
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged metadata ({error}); get the file again") from error
    return RunState(
        settings=TrainingSettings.from_mapping(values["settings"], source=str(path)),
        position=Position(**values["position"]),
        tensors={name: torch.from_numpy(array.copy()) for name, array in arrays.items()},
        best=values["best"],
        validation_seconds=values["validation_seconds"],
        started_from=values["started_from"],
        **moments,
    )


def _moment(text: str) -> Moment | None:
    """Of the metadata; states of earlier versions have none."""
    values = json.loads(text)
    return None if values is None else Moment(*values)


_JSON = ("settings", "position", "best", "validation_seconds", "started_from")
