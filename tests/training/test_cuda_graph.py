"""The CUDA graph itself; what it captures is tested on any machine in test_learner.py."""

from pathlib import Path

import pytest
import torch
from support.training_runs import Watcher, make_pictures, run_training, tiny_settings

from ripfdn_cli.training.cuda_graph import CapturedStep
from ripfdn_cli.training.learner import Learner, start_network
from ripfdn_cli.training.patches import PackedPictures, Request
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.sources import open_source

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("compiled", ["off", "on"])
def test_a_captured_step_is_a_step(tmp_path: Path, precision: str, compiled: str) -> None:
    settings = tiny_settings(make_pictures(tmp_path), precision=precision, compile=compiled, device="cuda")
    stage = settings.stages[0]
    source = open_source(settings, [], CUDA, Watcher()).source
    assert isinstance(source, PackedPictures)
    plain, captured = (Learner(start_network(settings)[0], settings, CUDA, Ranks()) for _ in range(2))
    step = CapturedStep(captured, source, stage)
    tolerance = 1e-4 if precision == "fp32" else 2e-2
    for index in range(5):
        request = Request(index, stage.patch, stage.batch, 0, stage.batch)
        expected = plain.gradients([(*source.patches(request), 1.0, True)], stage)
        plain.set_rates(1e-3, 0.9)
        plain.update()
        loss = step.run(source.drawn(request), 1e-3, 0.9)
        torch.testing.assert_close(loss, expected, rtol=tolerance, atol=0)
    for name, tensor in plain.state().items():
        if name.startswith(("network.", "average.")):
            torch.testing.assert_close(
                captured.state()[name], tensor, rtol=tolerance, atol=tolerance, msg=name
            )


def test_a_run_with_capture_learns_what_one_without_learns(tmp_path: Path) -> None:
    data = make_pictures(tmp_path / "data")
    last = []
    for capture in ("on", "off"):
        settings = tiny_settings(
            data, device="cuda", capture=capture, patch="16,18", steps=60, precision="fp32"
        )
        last.append(run_training(settings, tmp_path / capture).steps[-1].loss)
    assert last[0] == pytest.approx(last[1], rel=0.02)


def test_a_captured_run_can_be_stopped_and_resumed(tmp_path: Path) -> None:
    settings = tiny_settings(make_pictures(tmp_path / "data"), device="cuda", capture="on", steps=80)
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "run", Watcher(stop_after=40))
    watcher = run_training(settings, tmp_path / "run", resume=True)
    assert [report.steps for report in watcher.steps] == [60, 80]
