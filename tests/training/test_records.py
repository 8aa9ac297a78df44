import errno
import io
import logging
import math
import os
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from PIL import Image
from support.strict_json import strictly_read

from ripfdn_cli.image_math.metrics import Score
from ripfdn_cli.training.records import CURVES, LOG, TENSORBOARD, History, draw_curves, read_log
from ripfdn_cli.training.reports import StepReport, ValidationReport


def step(steps: int, loss: float = 0.5) -> StepReport:
    return StepReport(steps, steps / 10, steps * 1.5, loss, 1e-3, 2.0, 0.01, 16, 4)


def validation(steps: int, psnr: float) -> ValidationReport:
    return ValidationReport(steps, steps * 1.5, {"Set5": Score(psnr, 0.8)}, average=True, best=True)


def test_steps_between_validations_are_one_record_with_their_mean_loss(tmp_path: Path) -> None:
    history = History(tmp_path, resumed_at=None)
    for report in (step(1, 0.4), step(2, 0.2)):
        history.stepped(report)
    history.validated(validation(2, 30.0))
    history.stepped(step(3, 0.1))
    history.write()
    history.close()
    records = list(read_log(tmp_path / LOG))
    assert [(r["event"], r["steps"]) for r in records] == [("steps", 2), ("validation", 2), ("steps", 3)]
    assert records[0]["loss"] == pytest.approx(0.3)
    assert records[1]["scores"] == {"Set5": {"psnr": 30.0, "ssim": 0.8}}


def test_a_perfect_validation_is_json_too(tmp_path: Path) -> None:
    """JSON has no infinite numbers: readers in other languages would refuse the line."""
    history = History(tmp_path, resumed_at=None)
    history.validated(validation(1, math.inf))
    history.validated(validation(2, 40.0))
    history.write(last=True)
    history.close()
    first, second = [strictly_read(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert first["scores"] == {"Set5": {"psnr": "inf", "ssim": 0.8}}
    assert second["scores"] == {"Set5": {"psnr": 40.0, "ssim": 0.8}}
    resumed = History(tmp_path, resumed_at=1)
    resumed.write(last=True)  # its curve, too
    resumed.close()
    assert resumed.records == [first]


def test_what_came_after_the_resumed_state_is_forgotten(tmp_path: Path) -> None:
    history = History(tmp_path, resumed_at=None)
    for steps in (1, 2, 3):
        history.validated(validation(steps, 30.0 + steps))
    history.write()
    history.close()
    resumed = History(tmp_path, resumed_at=2)
    assert [record["steps"] for record in resumed.records] == [1, 2]
    resumed.close()
    anew = History(tmp_path, resumed_at=None)
    assert anew.records == []
    anew.close()


@pytest.mark.parametrize(
    "damaged", [b'{"event": "steps", "st', b"\xff\x00", b"[1]", b"7", b'{"event": "steps"}'], ids=str
)
def test_damaged_lines_are_left_out_with_a_warning(
    tmp_path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    history = History(tmp_path, resumed_at=None)
    for steps in (1, 2):
        history.validated(validation(steps, 30.0 + steps))
    history.write()
    history.close()
    whole = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(whole + damaged)
    resumed = History(tmp_path, resumed_at=2)
    assert [record["steps"] for record in resumed.records] == [1, 2]
    assert caplog.messages == [f"{tmp_path / LOG}: line 3 is damaged and is left out"]
    resumed.write()
    resumed.close()
    assert (tmp_path / LOG).read_bytes() == whole


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = History(tmp_path, resumed_at=None)
    for steps, psnr in ((1, 30.0), (2, 31.0)):
        history.stepped(step(steps, 1 / steps))
        history.validated(validation(steps, psnr))
        history.write()
    history.close()
    events = EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("psnr/Set5")] == [(1, 30.0), (2, 31.0)]
    assert [e.value for e in events.Scalars("loss")] == [1.0, 0.5]


def test_curves_are_drawn_from_records(tmp_path: Path) -> None:
    history = History(tmp_path, resumed_at=None)
    history.write(last=True)
    assert not (tmp_path / CURVES).exists()
    history.stepped(step(1))
    history.validated(validation(1, 30.0))
    history.write(last=True)
    history.close()
    with Image.open(tmp_path / CURVES) as one:
        assert one.size == (900, 700)
        before = one.tobytes()
    more = draw_curves([*history.records, {"event": "steps", "steps": 5, "loss": 0.1}])
    assert more is not None
    assert Image.open(io.BytesIO(more)).tobytes() != before


def test_a_set_that_came_later_has_a_curve_too(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, list[float]] = {}

    def plot(axes: Axes, steps: object, values: object, label: str = "", **style: object) -> None:
        if label:
            drawn[label] = list(values)  # type: ignore[call-overload]

    monkeypatch.setattr(Axes, "plot", plot)
    monkeypatch.setattr(Axes, "legend", lambda axes: None)
    scores = [{}, {"Set5": 30.0}, {"Set14": 27.0, "Set5": 31.0}, {"Set14": 28.0}]
    records = [
        {"event": "validation", "steps": steps, "scores": {name: {"psnr": psnr} for name, psnr in of.items()}}
        for steps, of in enumerate(scores)
    ]
    draw_curves(records)
    assert drawn == {"Set5 (31.000 dB)": [30.0, 31.0], "Set14 (28.000 dB)": [27.0, 28.0]}


def test_a_full_disk_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    history = History(tmp_path, resumed_at=None)
    history.stepped(step(1))
    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING, logger="ripfdn_cli"):
        history.write()
    assert "No space left" in caplog.text
    monkeypatch.undo()
    history.write()
    history.close()
    assert len(list(read_log(tmp_path / LOG))) == 1


def test_a_validation_that_is_made_again_is_one_record(tmp_path: Path) -> None:
    """Of a run that was stopped between its validation and its state."""
    history = History(tmp_path, resumed_at=None)
    for steps, psnr in ((2, 30.0), (4, 31.0)):
        history.validated(validation(steps, psnr))
    history.write()
    history.close()
    resumed = History(tmp_path, resumed_at=4)
    resumed.validated(validation(4, 31.5))
    assert [(r["steps"], r["scores"]["Set5"]["psnr"]) for r in resumed.records] == [(2, 30.0), (4, 31.5)]
    resumed.close()
