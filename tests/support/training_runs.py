"""Training runs small enough for tests: pictures made by code, a network of some thousand parameters."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.small_inputs import photograph

from ripfdn_cli.files.storage import make_folder
from ripfdn_cli.training.loop import Training
from ripfdn_cli.training.presets import resolve_settings
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.reports import StepReport, ValidationReport
from ripfdn_cli.training.run_folder import open_state
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.training.state import RunState, load_state

TINY: dict[str, Any] = {
    "channels": 8,
    "blocks": 1,
    "patch": 16,
    "batch": 4,
    "steps": 12,
    "max_time": 0,
    "threads": 1,
    "validate_every": "1000",
    "save_every": "1000",
}


def make_pictures(
    folder: Path, *, sizes: tuple[tuple[int, int], ...] = ((80, 96), (72, 128), (96, 80))
) -> Path:
    """PNGs p0, p1, … of `sizes` (height, width), no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (height, width) in enumerate(sizes):
        noise = np.random.default_rng(index).integers(-40, 40, (height, width, 3))
        pixels = photograph(height, width, seed=7 * index + 1).astype(int) + noise
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"p{index}.png")
    return folder


def tiny_settings(data: Path, **changes: Any) -> TrainingSettings:
    return resolve_settings("quick", None, {**TINY, "data": [str(data)], **changes})


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    """A run sets PyTorch up for its process; other tests shall not notice."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]


class Watcher:
    """Keeps what a run reports; `after_step` may raise what a user or a fault would."""

    def __init__(self, stop_after: int | None = None, error: BaseException | None = None) -> None:
        self.steps: list[StepReport] = []
        self.validations: list[ValidationReport] = []
        self._stop_after, self._error = stop_after, error or KeyboardInterrupt()

    def preparing(self, what: str, total: int) -> Any:
        return lambda count: None

    def stepped(self, report: StepReport) -> None:
        self.steps.append(report)
        if report.steps == self._stop_after:
            raise self._error

    def validated(self, report: ValidationReport) -> None:
        self.validations.append(report)

    @property
    def losses(self) -> list[float]:
        return [report.loss for report in self.steps]


def run_training(
    settings: TrainingSettings, folder: Path, watcher: Watcher | None = None, *, resume: bool = False
) -> Watcher:
    watcher = watcher or Watcher()
    make_folder(folder)
    state = open_state(folder, resume=resume)
    Training(settings, folder, Ranks(), watcher, state).run()
    return watcher


def assert_same_state(a: Path, b: Path) -> None:
    """Bit for bit: weights, average, optimizer, position, generators; all but the wall time."""
    first, second = comparable(load_state(a)), comparable(load_state(b))
    assert first.position == second.position
    assert first.tensors.keys() == second.tensors.keys()
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, second.tensors[name]), name


def comparable(state: RunState) -> RunState:
    return replace(state, position=replace(state.position, seconds=0.0))
