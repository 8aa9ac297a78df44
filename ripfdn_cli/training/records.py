"""A run's history in its folder: `log.jsonl` for programs, TensorBoard's event files, and `curves.png` to
look at.
"""

import io
import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ripfdn_cli.errors import OutputError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.training.reports import StepReport, ValidationReport

log = logging.getLogger(__name__)

LOG, CURVES, TENSORBOARD = "log.jsonl", "curves.png", "tensorboard"
INSTALL_HINT = "pip install 'ripfdn-cli[train]'"

_DRAW_EVERY = 60.0
"""Seconds between two pictures of a run that goes on."""

Record = dict[str, Any]


class History:
    """Everything that was reported since the run began, brought to `folder` with each `write`.

    Without the extra `train` there are no event files and no picture, which is said once.
    """

    def __init__(self, folder: Path, *, resumed_at: int | None) -> None:
        self._folder = folder
        known = read_log(folder / LOG) if resumed_at is not None else ()
        self.records: list[Record] = [record for record in known if record["steps"] <= (resumed_at or 0)]
        self._events = _event_writer(folder / TENSORBOARD, resumed_at)
        self._events_written = len(self.records)
        self._unwritten: list[StepReport] = []
        self._drawn = time.monotonic()

    def stepped(self, report: StepReport) -> None:
        """Take note of a step; it is in a record from the next one that is made."""
        self._unwritten.append(report)

    def validated(self, report: ValidationReport) -> None:
        """Make a record of the validation, and before it one of the steps since the last. It takes the place
        of one after the same step, which a run that was stopped before it saved its state makes again.
        """
        self._close_interval()
        record = report.record()
        for index, known in enumerate(self.records):
            if known["event"] == "validation" and known["steps"] == report.steps:
                self.records[index] = record
                return
        self.records.append(record)

    def write(self, *, last: bool = False) -> None:
        """Bring the folder up to date; the picture, which takes a second, not each time but the `last`.

        What can't be written is a warning.
        """
        self._close_interval()
        try:
            lines = "".join(json.dumps(record) + "\n" for record in self.records)
            write_bytes(self._folder / LOG, lines.encode())
            self._write_events()
            if last or time.monotonic() - self._drawn > _DRAW_EVERY:
                self._write_curves()
        except (OutputError, OSError) as error:
            log.warning("%s. The run continues", error)

    def _write_curves(self) -> None:
        self._drawn = time.monotonic()
        curves = draw_curves(self.records)
        if curves:
            write_bytes(self._folder / CURVES, curves)

    def close(self) -> None:
        """Close what TensorBoard reads."""
        if self._events is not None:
            with suppress(OSError):  # a full disk, of which `write` has told
                self._events.close()

    def _close_interval(self) -> None:
        """Make one record, with their mean loss, of the steps since the last."""
        if self._unwritten:
            loss = sum(report.loss for report in self._unwritten) / len(self._unwritten)
            self.records.append({"event": "steps", **asdict(self._unwritten[-1]), "loss": loss})
            self._unwritten.clear()

    def _write_events(self) -> None:
        if self._events is None:
            return
        for record in self.records[self._events_written :]:
            for name, value in _scalars(record):
                self._events.add_scalar(name, value, record["steps"])
        self._events_written = len(self.records)
        self._events.flush()


def _scalars(record: Record) -> Iterator[tuple[str, float]]:
    if record["event"] == "steps":
        for name in ("loss", "learning_rate", "steps_per_second", "waited"):
            yield name, record[name]
        return
    for name, score in record["scores"].items():
        yield f"psnr/{name}", float(score["psnr"])
        yield f"ssim/{name}", score["ssim"]


def read_log(path: Path) -> Iterator[Record]:
    """The records of a log; none where there is no file. What isn't one, as in a file that was cut, is left
    out with a warning: no state depends on it.
    """
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        record = _record(line)
        if record is None:
            log.warning("%s: line %d is damaged and is left out", path, number)
        else:
            yield record


def _record(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
        whole = isinstance(record["steps"], int) and record["event"] in ("steps", "validation")
    except (ValueError, TypeError, LookupError):
        return None
    return record if whole else None


def draw_curves(records: list[Record]) -> bytes | None:
    """A PNG with the loss above and PSNR below, over steps; None without matplotlib or anything to draw."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    steps = [record for record in records if record["event"] == "steps"]
    validations = [record for record in records if record["event"] == "validation"]
    if not steps and not validations:
        return None
    figure = Figure(figsize=(9, 7), layout="constrained")
    FigureCanvasAgg(figure)
    losses, psnr = figure.subplots(2, 1, sharex=True)
    losses.plot(
        [r["steps"] for r in steps], [r["loss"] for r in steps], marker="." if len(steps) < 50 else ""
    )
    losses.set(ylabel="loss", yscale="log")
    names = dict.fromkeys(name for record in validations for name in record["scores"])
    for name in names:
        points = [(r["steps"], float(r["scores"][name]["psnr"])) for r in validations if name in r["scores"]]
        psnr.plot(*zip(*points, strict=True), marker=".", label=f"{name} ({points[-1][1]:.3f} dB)")
    psnr.set(ylabel="Y-PSNR, dB", xlabel="step")
    if names:
        psnr.legend()
    for axes in (losses, psnr):
        axes.grid(alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, dpi=100, format="png")
    return stream.getvalue()


def _event_writer(folder: Path, resumed_at: int | None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("no TensorBoard logs and no %s: they need %s", CURVES, INSTALL_HINT)
        return None
    # Steps after the state that is resumed were done in vain: TensorBoard must forget them.
    return SummaryWriter(str(folder), purge_step=None if resumed_at is None else resumed_at + 1)
