"""One training run, from settings to weights. It reads from top to bottom."""

import logging
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from ripfdn_cli import __version__
from ripfdn_cli.errors import OutOfMemoryError, OutputError, TrainingDivergedError, UsageError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.image_math.metrics import Score
from ripfdn_cli.model.network import RIPFDN, to_checkpoint
from ripfdn_cli.training.cuda_graph import CapturedStep
from ripfdn_cli.training.dependent_settings import check_new_run
from ripfdn_cli.training.durations import Interval
from ripfdn_cli.training.interruption import deferred_signals
from ripfdn_cli.training.learner import Learner, start_network
from ripfdn_cli.training.patches import PackedPictures, PatchSource, Request
from ripfdn_cli.training.ranks import Ranks, join_ranks
from ripfdn_cli.training.records import History
from ripfdn_cli.training.reports import Listener, Silence, StepReport, ValidationReport
from ripfdn_cli.training.run_device import device_name, prepare_device, torch_as_before
from ripfdn_cli.training.run_folder import (
    AVERAGE,
    BEST,
    LAST,
    SETTINGS,
    branched,
    continued,
    gone_unless_started,
    only_run_in,
    open_state,
)
from ripfdn_cli.training.schedule import Position, ema_decay_at, learning_rate_at, stage_at
from ripfdn_cli.training.settings import Stage, TrainingSettings
from ripfdn_cli.training.sources import open_source
from ripfdn_cli.training.state import (
    STATE,
    Moment,
    RunState,
    generator_states,
    restore_generators,
    save_state,
)
from ripfdn_cli.training.validation import load_validation_sets, protocol_text, validate

log = logging.getLogger(__name__)

_SMOOTHING = 0.95
"""Of the speed that is shown."""
_READ_LOSSES_EVERY = {True: 1, False: 20}
"""Steps, on the CPU or not: looking at a loss makes a device wait for it."""


@dataclass
class _Clock:
    """Wall time of the run, all its sessions together."""

    before: float
    started: float

    def seconds(self) -> float:
        return self.before + monotonic() - self.started


class _Speed:
    """How fast the steps of this session come, and what share of their time went into waiting for patches.

    Steps are counted between reports: on a GPU most of them have only been asked for when they are added.
    """

    def __init__(self) -> None:
        self._trained = self._waited = self._since_report = 0.0
        self._steps = 0
        self._smoothed: float | None = None

    def add(self, took: float, waited: float) -> None:
        self._trained += took
        self._waited += waited
        self._since_report += took
        self._steps += 1

    @property
    def waited(self) -> float:
        return self._waited / self._trained

    def report(self) -> float:
        """Steps a second, smoothed over reports."""
        now = self._steps / self._since_report
        before = now if self._smoothed is None else self._smoothed
        self._smoothed = _SMOOTHING * before + (1 - _SMOOTHING) * now
        self._steps, self._since_report = 0, 0.0
        return self._smoothed


def train(
    settings: TrainingSettings,
    folder: Path,
    *,
    resume: bool = False,
    branch_decay: str = "",
    listener: Listener | None = None,
) -> Path:
    """As `ripfdn_cli.training.train` says."""
    if branch_decay:
        start, folder = branched(settings, folder, branch_decay)
    else:
        start = None
    with (
        gone_unless_started(folder) as started,
        torch_as_before(),
        join_ranks() as ranks,
        only_run_in(folder) if ranks.is_main else nullcontext(),
    ):
        ranks.wait()  # until the first has the folder for itself, and nobody writes the state that all read
        state = open_state(folder, resume=resume or start is not None) or start
        ranks.wait()  # until all have looked: what the first writes next is no other run's
        if state:
            state = continued(state, settings if start is None else start.settings)
        listening = listener if listener is not None and ranks.is_main else Silence()
        training = Training(state.settings if state else settings, folder, ranks, listening, state)
        started()
        training.run()
    return folder


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
        if state is None:
            check_new_run(settings)
        self.settings, self.folder, self.ranks, self.listener = settings, folder, ranks, listener
        self.position = state.position if state else Position()
        self.over = self.position.ends(settings, reserve=0.0)
        self.clock = _Clock(self.position.seconds, monotonic())
        self.best = state.best if state else None
        self.validation_seconds = state.validation_seconds if state else 0.0
        self.saved_steps = self.position.steps if state else None
        self.device = prepare_device(settings, ranks)
        # With a state, what a run was started from has served, and its file may be gone.
        network, self.started_from = (
            (RIPFDN(settings.network), state.started_from) if state else start_network(settings)
        )
        self.learner = Learner(network, settings, self.device, ranks)
        if state:
            self.learner.restore(state.tensors)
            restore_generators(state.tensors, self.device)
        self.validation = load_validation_sets(settings.val, settings.scale)
        opened = open_source(settings, self.validation, self.device, listener)
        self.source, self.pictures, self.teacher = opened.source, opened.pictures, opened.teacher
        if ranks.is_main:
            write_bytes(folder / SETTINGS, settings.to_toml().encode())
        self.history = History(folder, resumed_at=self.saved_steps) if ranks.is_main else None
        self.captured: CapturedStep | None = None
        self.losses: list[Tensor] = []
        self.speed = _Speed()
        self.scores: dict[str, Score] = {}
        here = Moment(self.position.steps, self.position.seconds)
        self.validated = (state and state.validated) or here
        self.saved = (state and state.saved) or here

    def run(self) -> None:
        """Train to the end, or until a signal or an error: the state of the last whole step is saved either
        way.
        """
        try:
            if not self.position.steps:
                self.validate()
            self._tell_setup()
            self._validate_and_save_when_due()  # what a resumed run was stopped before
            if self.over:
                log.warning("nothing is left to train: the run's steps or its `max_time` are used up")
            while not self.over:
                self._step()
                self._validate_and_save_when_due()
            self._tell_what_is_unfinished()
            self.validate()
            self.save()
            if self.history:
                self.history.write(last=True)
        except BaseException as error:
            self._save_after(error)
            if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
                raise OutOfMemoryError(
                    f"out of memory on {self.device}; lower `micro_batch`, `patch` or `memory`, and `resume`"
                ) from error
            raise
        finally:
            self.source.close()
            if self.history:
                self.history.close()

    def _tell_setup(self) -> None:
        learner, batches = self.learner, ", ".join(map(str, self.settings.batch))
        log.debug(
            "training on %s in %s%s, %d threads, %d of %d ranks, batches of %s",
            self.device,
            "bf16" if learner.bf16 else "fp32",
            ", compiled" if learner.compiled else "",
            torch.get_num_threads(),
            self.ranks.rank + 1,
            self.ranks.world_size,
            batches,
        )

    def _tell_what_is_unfinished(self) -> None:
        done, warmup, steps = self.position.steps, self.settings.warmup, self.settings.steps
        if done < steps:
            log.warning(
                "`max_time` ended the run after %d of its %d steps; `resume` with a longer `max_time`",
                done,
                steps,
            )
        if done < warmup:
            log.warning(
                "the run ended after %d steps, within its warm-up of %d; give it more `max_time` or "
                "`steps`, or a smaller `warmup`",
                done,
                warmup,
            )

    def _step(self) -> None:
        began = monotonic()
        stage = stage_at(self.settings, self.position.progress)
        rate = learning_rate_at(self.settings, self.position)
        decay = ema_decay_at(self.settings, self.position.steps)
        if self._captures(stage):
            loss, waited = self._captured_step(stage, rate, decay, began)
        else:
            loss, waited = self._eager_step(stage, rate, decay, began)
        self.losses.append(loss)
        settled = None
        # By the step's number: a resumed run looks, validates and saves where one without a break does.
        if self.position.steps % _READ_LOSSES_EVERY[self.device.type == "cpu"] == 0 or self.over:
            settled = self._settle_losses()
        self.speed.add(monotonic() - began, waited)
        if settled is not None:
            self._report(stage, rate, settled)

    def _eager_step(self, stage: Stage, rate: float, decay: float, began: float) -> tuple[Tensor, float]:
        batches = _Batches(self.source, self.learner, self.ranks, stage, self.position.steps)
        loss = self.learner.gradients(batches, stage)
        if self.device.type == "cpu":  # elsewhere looking at it would make the device wait
            self._require_finite(float(loss))
        with deferred_signals():
            self.learner.set_rates(rate, decay)
            self.learner.update()
            self._advance(began)
        return loss, batches.waited

    def _captured_step(self, stage: Stage, rate: float, decay: float, began: float) -> tuple[Tensor, float]:
        assert isinstance(self.source, PackedPictures)
        if self.captured is None or self.captured.stage != stage:
            self.captured = CapturedStep(self.learner, self.source, stage)
        drawn = self.source.drawn(Request(self.position.steps, stage.patch, stage.batch, 0, stage.batch))
        waited = monotonic() - began
        with deferred_signals():
            loss = self.captured.run(drawn, rate, decay).clone()
            self._advance(began)
        return loss, waited

    def _captures(self, stage: Stage) -> bool:
        possible = (
            self.device.type == "cuda"
            and self.settings.optimizer != "soap"  # which looks at its step count
            and not stage.has_discriminator
            and self.ranks.world_size == 1
            and isinstance(self.source, PackedPictures)
            and self.learner.micro_batch(stage, stage.batch) == stage.batch
        )
        if self.settings.capture == "on" and not possible:
            raise UsageError(
                "`capture` on needs one GPU with the pictures on it, no `degrade`, no `micro_batch` and no "
                "discriminator; use `capture` auto"
            )
        return possible and self.settings.capture != "off"

    def _advance(self, began: float) -> None:
        took, reserve = monotonic() - began, 1.5 * self.validation_seconds
        after = self.position.after_step(self.settings, self.clock.seconds(), took, reserve)
        # All ranks must stop at the same step, and only the first knows what validation takes.
        over = float(after.ends(self.settings, reserve))
        seconds, progress, over = self.ranks.largest(after.seconds, after.progress, over)
        self.position, self.over = replace(after, seconds=seconds, progress=progress), bool(over)

    def _report(self, stage: Stage, rate: float, loss: float) -> None:
        report = StepReport(
            steps=self.position.steps,
            progress=self.position.progress,
            seconds=self.position.seconds,
            loss=loss,
            learning_rate=rate,
            steps_per_second=self.speed.report(),
            waited=self.speed.waited,
            patch=stage.patch,
            batch=stage.batch,
        )
        self.listener.stepped(report)
        if self.history:
            self.history.stepped(report)

    def _settle_losses(self) -> float:
        """The mean of the losses not looked at so far, over all ranks. Raises TrainingDivergedError."""
        loss = self.ranks.sum(float(torch.stack(self.losses).mean()))
        self.losses.clear()
        self._require_finite(loss)
        return loss

    def _require_finite(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        good = "no state has been saved yet"
        if self.saved_steps is not None:
            good = f"the last good state is {self.folder / STATE}, of step {self.saved_steps}"
        raise TrainingDivergedError(
            f"the loss is {loss} at step {self.position.steps}; {good}: start again with a lower "
            "`learning_rate`, or with `clip` 1"
        )

    def _validate_and_save_when_due(self) -> None:
        if self.over or self.losses:
            return
        now = Moment(self.position.steps, self.position.seconds)
        if _due(self.settings.validate_every, self.validated, now):
            self.validate()
            self.validated = now
        if _due(self.settings.save_every, self.saved, now):
            self.saved = now
            self.save()

    def validate(self) -> None:
        """Score the network, write its weights, and keep them as the best if they are."""
        if not self.ranks.is_main:
            return
        if self.position.steps and self.saved_steps is None:
            self._write_state()  # before weights: without a state they would keep a killed run from going on
        began = monotonic()
        if self.validation:
            self.scores = validate(self.learner.best_guess, self.validation, str(self.device))
        self.validation_seconds = monotonic() - began
        psnr = next((score.psnr for score in self.scores.values()), None)
        better = psnr is not None and (self.best is None or psnr > self.best)
        self._write_weights(better)
        self.best = psnr if better else self.best  # after: a run stopped here finds them the best again
        if self.scores:
            report = ValidationReport(
                steps=self.position.steps,
                seconds=self.clock.seconds(),
                scores=self.scores,
                average=self.learner.average is not None,
                best=better,
            )
            self.listener.validated(report)
            assert self.history is not None
            self.history.validated(report)
            self.history.write()

    def save(self) -> None:
        """Write the state and the history. What can't be written is a warning: the run, and the state
        before, are kept.
        """
        if self.ranks.is_main:
            self._write_state()
            assert self.history is not None
            self.history.write()

    def _write_state(self) -> None:
        tensors = self.learner.state() | generator_states(self.device)
        state = RunState(
            settings=self.settings,
            position=replace(self.position, seconds=self.clock.seconds()),
            tensors=tensors,
            best=self.best,
            validation_seconds=self.validation_seconds,
            started_from=self.started_from,
            validated=self.validated,
            saved=self.saved,
        )
        with deferred_signals():
            try:
                save_state(self.folder, state)
                self.saved_steps = self.position.steps
            except OutputError as error:
                log.warning("%s. The run continues; the previous state is kept", error)

    def _save_after(self, error: BaseException) -> None:
        """Keep what was reached when `error` ended the run; one that keeps it from being saved is told, not
        raised.
        """
        if isinstance(error, TrainingDivergedError) or self.position.steps == (self.saved_steps or 0):
            return
        try:
            self.save()
            log.info("step %d is saved; continue with `resume`", self.position.steps)
        except Exception as failure:  # noqa: BLE001 - the error that ended the run is the one to be seen
            log.warning("the state of step %d could not be saved: %s", self.position.steps, failure)

    def _write_weights(self, best: bool) -> None:
        network, average = self.learner.network, self.learner.average
        files: list[tuple[str, RIPFDN, dict[str, Score]]] = []
        if average is not None:
            files = [(LAST, network, {}), (AVERAGE, average, self.scores)]
        else:
            files = [(LAST, network, self.scores)]
        if best:
            files.append((BEST, self.learner.best_guess, self.scores))
        for name, weights, scores in files:
            checkpoint = to_checkpoint(weights, self.provenance(name, scores))
            try:
                checkpoint.save(self.folder / name)
            except OutputError as error:
                log.warning("%s. The run continues", error)

    def provenance(self, name: str, scores: dict[str, Score]) -> dict[str, Any]:
        """Where the weights in the file `name` come from, as their checkpoint tells it."""
        published = self.settings.as_published()
        averaged = name != LAST and self.learner.average is not None
        return {
            "made_by": f"ripfdn train {__version__}, torch {torch.__version__}",
            "weights": "running average" if averaged else "as trained",
            **self.started_from,
            **self.teacher,
            "data": published["data"],
            "pictures": self.pictures,
            "steps": self.position.steps,
            "seconds": round(self.clock.seconds()),
            "device": device_name(self.device),
            "ranks": self.ranks.world_size,
            "scores": {
                data: Score(round(s.psnr, 4), round(s.ssim, 5)).as_json() for data, s in scores.items()
            },
            "protocol": protocol_text(self.settings.scale),
            "settings": published,
        }


class _Batches:
    """The micro-batches of one step of this rank, and how long they were waited for."""

    def __init__(self, source: PatchSource, learner: Learner, ranks: Ranks, stage: Stage, step: int) -> None:
        self._source, self._stage = source, stage
        first, self._count = ranks.part_of(stage.batch)
        self._request = Request(step, stage.patch, stage.batch, first, self._count)
        self._micro = learner.micro_batch(stage, self._count)
        self.waited = 0.0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, float, bool]]:
        began = monotonic()
        lr, hr = self._source.patches(self._request)
        self.waited = monotonic() - began
        for start in range(0, self._count, self._micro):
            part = slice(start, min(start + self._micro, self._count))
            share = (part.stop - part.start) / self._stage.batch
            yield lr[part], hr[part], share, part.stop == self._count


def _due(interval: str, before: Moment, now: Moment) -> bool:
    passed = Interval.parse(interval, "interval").passed
    return passed(steps=now.steps - before.steps, seconds=now.seconds - before.seconds)
