"""One training run, from settings to weights. It reads from top to bottom."""

import json
import logging
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ripfdn_cli import __version__
from ripfdn_cli.atomic_file import write_bytes
from ripfdn_cli.engines.torch_engine import available_device, best_device
from ripfdn_cli.errors import OutputError, TrainingDivergedError, UsageError
from ripfdn_cli.metrics import Score
from ripfdn_cli.network import RIPFDN, to_checkpoint
from ripfdn_cli.training.durations import Interval
from ripfdn_cli.training.interruption import deferred_signals
from ripfdn_cli.training.learner import Learner, start_network
from ripfdn_cli.training.patches import PackedPictures, PatchSource, Request, Sampler
from ripfdn_cli.training.pictures import check_pictures, find_files, with_shrunk
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.reports import Listener, StepReport, ValidationReport
from ripfdn_cli.training.schedule import Position, ema_decay_at, learning_rate_at, stage_at
from ripfdn_cli.training.settings import Stage, TrainingSettings
from ripfdn_cli.training.state import (
    STATE,
    RunState,
    generator_states,
    load_state,
    restore_generators,
    save_state,
)
from ripfdn_cli.training.validation import ValidationSet, load_validation_sets, protocol_text, validate

log = logging.getLogger(__name__)

BEST, LAST, AVERAGE = "best.safetensors", "last.safetensors", "ema.safetensors"
_SMOOTHING = 0.95
"""Of the loss and the speed that are shown."""


@dataclass
class _Clock:
    """Wall time of the run, all its sessions together."""

    before: float
    started: float

    def seconds(self) -> float:
        return self.before + time.monotonic() - self.started


class Training:
    """A run in `folder`: made or resumed by the constructor, carried out by `run`."""

    def __init__(
        self,
        settings: TrainingSettings,
        folder: Path,
        ranks: Ranks,
        listener: Listener,
        state: RunState | None = None,
    ) -> None:
        self.settings, self.folder, self.ranks, self.listener = settings, folder, ranks, listener
        self.clock = _Clock(state.position.seconds if state else 0.0, time.monotonic())
        self.position = state.position if state else Position()
        self.best = state.best if state else None
        self.saved_steps = self.position.steps if state else -1
        self.device = prepare_device(settings, ranks)
        network, self.started_from = start_network(settings)
        self.learner = Learner(network, settings, self.device, ranks)
        if state:
            self.started_from = state.started_from
            self.learner.restore(state.tensors)
            restore_generators(state.tensors, self.device)
        self.validation = load_validation_sets(settings.val, settings.scale)
        self.source, self.pictures = open_source(settings, self.validation, self.device, listener)
        self.scores: dict[str, Score] = {}
        self.validation_seconds = 0.0
        self.validated = self.saved = (self.position.steps, self.clock.seconds())

    def run(self) -> None:
        """Train to the end, or until a signal: the state of the last whole step is saved either way."""
        try:
            if not self.position.steps:
                self.validate()
            self._steps()
            self.finish()
        finally:
            self.source.close()
            self._save_on_the_way_out()

    def _steps(self) -> None:
        speed, shown, waited, trained = 0.0, 0.0, 0.0, 0.0
        while not self.position.done:
            began = time.monotonic()
            stage = stage_at(self.settings, self.position.progress)
            rate = learning_rate_at(self.settings, self.position)
            batches = _Batches(self.source, self.learner, self.ranks, stage, self.position.steps)
            loss = self.ranks.sum(float(self.learner.gradients(batches, stage)))
            self._require_finite(loss)
            with deferred_signals():
                self.learner.update(rate, ema_decay_at(self.settings, self.position.steps))
                self._advance(time.monotonic() - began)
            took = time.monotonic() - began
            waited, trained = waited + batches.waited, trained + took
            speed = _smooth(speed, 1 / took)
            shown = _smooth(shown, loss)
            self.listener.stepped(
                StepReport(
                    steps=self.position.steps,
                    progress=self.position.progress,
                    seconds=self.position.seconds,
                    loss=loss,
                    learning_rate=rate,
                    steps_per_second=speed,
                    waited=waited / trained,
                    patch=stage.patch,
                    batch=stage.batch,
                )
            )
            self._validate_and_save_when_due()

    def _advance(self, took: float) -> None:
        reserve = 1.5 * self.validation_seconds
        after = self.position.after_step(self.settings, self.clock.seconds(), took, reserve)
        seconds, progress = self.ranks.largest(after.seconds, after.progress)
        self.position = replace(after, seconds=seconds, progress=progress)

    def _require_finite(self, loss: float) -> None:
        if loss - loss == 0:
            return
        good = f"the last good state is {self.folder / STATE} of step {self.saved_steps}"
        raise TrainingDivergedError(
            f"the loss of step {self.position.steps + 1} is {loss}; "
            f"{good if self.saved_steps >= 0 else 'no state was saved yet'}; lower --learning-rate or --clip"
        )

    def _validate_and_save_when_due(self) -> None:
        if self.position.done:
            return
        now = (self.position.steps, self.position.seconds)
        if _due(Interval.parse(self.settings.validate_every, "validate-every"), self.validated, now):
            self.validate()
        if _due(Interval.parse(self.settings.save_every, "save-every"), self.saved, now):
            self.save()

    def validate(self) -> None:
        """Score the network, keep it if it is the best, and write the weights."""
        self.validated = (self.position.steps, self.position.seconds)
        if not self.ranks.first:
            return
        began = time.monotonic()
        self.scores = validate(self.learner.best_guess, self.validation, str(self.device))
        self.validation_seconds = time.monotonic() - began
        first = next(iter(self.scores.values()), None)
        better = first is not None and (self.best is None or first.psnr > self.best)
        if first is not None and better:
            self.best = first.psnr
        if self.position.steps or better:
            self._write_weights(better)
        if self.scores:
            self.listener.validated(
                ValidationReport(
                    steps=self.position.steps,
                    seconds=self.clock.seconds(),
                    scores=self.scores,
                    average=self.learner.average is not None,
                    best=better,
                )
            )

    def finish(self) -> None:
        """The last validation, and the state from which a longer run could go on."""
        self.validate()
        self.save()

    def save(self) -> None:
        """Write the state. What can't be written is a warning: the run and the states before it are kept."""
        self.saved = (self.position.steps, self.position.seconds)
        if not self.ranks.first or self.saved_steps == self.position.steps:
            return
        tensors = self.learner.state() | generator_states(self.device)
        position = replace(self.position, seconds=self.clock.seconds())
        state = RunState(self.settings, position, tensors, self.best, self.started_from)
        with deferred_signals():
            try:
                save_state(self.folder, state)
                self.saved_steps = self.position.steps
            except OutputError as error:
                log.warning("%s. The run goes on; the state before is kept", error)

    def _save_on_the_way_out(self) -> None:
        if self.position.steps > max(self.saved_steps, 0):
            self.save()

    def _write_weights(self, best: bool) -> None:
        network, average = self.learner.network, self.learner.average
        files: list[tuple[str, RIPFDN, dict[str, Score]]] = [
            (LAST, network, {} if average is not None else self.scores)
        ]
        if average is not None:
            files.append((AVERAGE, average, self.scores))
        if best:
            files.append((BEST, self.learner.best_guess, self.scores))
        for name, weights, scores in files:
            checkpoint = to_checkpoint(weights, self.provenance(name, scores))
            try:
                checkpoint.save(self.folder / name)
            except OutputError as error:
                log.warning("%s. The run goes on", error)

    def provenance(self, name: str, scores: dict[str, Score]) -> dict[str, Any]:
        """Where the weights in the file `name` come from, as their checkpoint tells it."""
        return {
            "made_by": f"ripfdn train {__version__}, torch {torch.__version__}",
            "weights": "running average"
            if name != LAST and self.learner.average is not None
            else "as trained",
            **self.started_from,
            "data": [Path(folder).resolve().name for folder in self.settings.data],
            "pictures": self.pictures,
            "steps": self.position.steps,
            "seconds": round(self.clock.seconds()),
            "device": device_name(self.device),
            "ranks": self.ranks.count,
            "scores": {
                data: {"psnr": round(s.psnr, 4), "ssim": round(s.ssim, 5)} for data, s in scores.items()
            },
            "protocol": protocol_text(self.settings.scale),
            "settings": self.settings.as_dict(),
        }


class _Batches:
    """The micro-batches of one step of this rank, and how long they were waited for."""

    def __init__(self, source: PatchSource, learner: Learner, ranks: Ranks, stage: Stage, step: int) -> None:
        self._source, self._stage, self._step = source, stage, step
        self._first, self._count = ranks.part_of(stage.batch)
        self._micro = learner.micro_batch(stage, self._count)
        self.waited = 0.0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, float, bool]]:
        for done in range(0, self._count, self._micro):
            count = min(self._micro, self._count - done)
            began = time.monotonic()
            request = Request(self._step, self._stage.patch, self._stage.batch, self._first + done, count)
            lr, hr = self._source.patches(request)
            self.waited += time.monotonic() - began
            yield lr, hr, count / self._stage.batch, done + count == self._count


def prepare_device(settings: TrainingSettings, ranks: Ranks) -> torch.device:
    """The device of this rank, with PyTorch set up for it. Raises UnavailableError."""
    wanted = best_device() if settings.device == "auto" else settings.device
    device = available_device(ranks.device(wanted))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.backends.cudnn.benchmark = not settings.deterministic
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.use_deterministic_algorithms(settings.deterministic, warn_only=True)
    return device


def open_source(
    settings: TrainingSettings, validation: list[ValidationSet], device: torch.device, listener: Listener
) -> tuple[PatchSource, int]:
    """Check the pictures, say which are left out, and load the others. The source, and how many pictures it
    has.

    Raises InputError and UsageError where nothing is left to train on.
    """
    files = find_files(settings.data)
    known = [pair for data in validation for pair in data.thumbnails]
    smallest = min(stage.patch for stage in settings.stages) * settings.scale
    checked = check_pictures(
        files, smallest_side=smallest, known=known, advance=listener.preparing("checking", len(files))
    )
    for path, reason in checked.left_out:
        log.warning("%s is left out: %s", path, reason)
    if not checked.usable:
        raise UsageError(
            f"none of {len(files)} pictures can be trained on; give others, or a smaller --patch"
        )
    pictures = with_shrunk(checked.usable, smallest=settings.shrink, above=settings.shrink_above)
    log.info(
        "%d pictures, %.1f megapixels; %d more shrunk",
        len(checked.usable),
        sum(p.pixels for p in checked.usable) / 1e6,
        len(pictures) - len(checked.usable),
    )
    sampler = Sampler(pictures, scale=settings.scale, seed=settings.seed, by=settings.sampling)
    for stage in settings.stages:
        sampler.draw(0, stage.patch, stage.batch)  # raises now, not in the last quarter of a long run
    advance = listener.preparing("loading", len(pictures))
    source = PackedPictures(pictures, sampler, scale=settings.scale, device=device, advance=advance)
    return source, len(checked.usable)


def resume_settings(state: RunState, wanted: TrainingSettings) -> TrainingSettings:
    """`wanted` for going on from `state`. Raises UsageError naming settings that may not change midway."""
    from ripfdn_cli.training.settings import FIELDS

    before, after = state.settings.as_dict(), wanted.as_dict()
    changed = [
        f"{name.replace('_', '-')} was {json.dumps(before[name])}, now {json.dumps(after[name])}"
        for name, item in FIELDS.items()
        if before[name] != after[name] and not item.metadata["resumable"]
    ]
    if changed:
        raise UsageError(
            f"settings differ from those of the run that is resumed: {'; '.join(changed)}; "
            "take them back, or start a new run in another folder"
        )
    return wanted


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


def write_settings(folder: Path, settings: TrainingSettings) -> None:
    write_bytes(folder / "settings.toml", settings.to_toml().encode())


def open_folder(folder: Path, *, resume: bool) -> RunState | None:
    """The state to go on from, None for a new run. Raises UsageError where a run would be overwritten,
    OutputError.
    """
    from ripfdn_cli.training.state import has_state

    if has_state(folder):
        if not resume:
            raise UsageError(
                f"{folder} holds a run already; go on with it with --resume, or choose another folder"
            )
        return load_state(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't make the folder {folder}: {error.strerror or error}") from error
    return None


def _due(interval: Interval, before: tuple[int, float], now: tuple[int, float]) -> bool:
    return interval.passed(steps=now[0] - before[0], seconds=now[1] - before[1])


def _smooth(before: float, value: float) -> float:
    return _SMOOTHING * before + (1 - _SMOOTHING) * value if before else value
