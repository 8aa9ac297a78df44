from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.numpy import save

from ripfdn_cli.errors import CheckpointError, NonFiniteResultError
from ripfdn_cli.model import checkpoint
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.training.schedule import Position
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.training.state import (
    PREVIOUS,
    STATE,
    Moment,
    RunState,
    generator_states,
    has_state,
    load_state,
    save_state,
)

CPU = torch.device("cpu")


def state(steps: int = 7) -> RunState:
    tensors = {"network.a": torch.randn(3, 4), "optimizer.step.a": torch.tensor(3.0), **generator_states(CPU)}
    settings = TrainingSettings(steps=10, share=(2.0, 1.0), init_from="wärme")
    return RunState(settings, Position(steps, 12.5, 0.1 + 0.2), tensors, 31.25, 2.5, {"start": "bilinear"})


def test_round_trip_to_the_bit(tmp_path: Path) -> None:
    saved = replace(state(), validated=Moment(4, 9.5), saved=Moment(6, 11.0))
    save_state(tmp_path, saved)
    loaded = load_state(tmp_path)
    assert replace(loaded, tensors={}) == replace(saved, tensors={})
    assert loaded.tensors.keys() == saved.tensors.keys()
    for name, tensor in saved.tensors.items():
        assert torch.equal(loaded.tensors[name], tensor)
        assert loaded.tensors[name].dtype == tensor.dtype


def test_a_state_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Without where it was last validated and saved."""
    saved = replace(state(), validated=Moment(4, 9.5), saved=Moment(6, 11.0))
    metadata, arrays = checkpoint.parse_safetensors(saved.to_bytes(), tmp_path)
    del metadata["validated"], metadata["saved"]
    (tmp_path / STATE).write_bytes(save(arrays, metadata))
    loaded = load_state(tmp_path)
    assert (loaded.validated, loaded.saved) == (None, None)
    assert loaded.position == saved.position


def test_the_state_before_is_kept(tmp_path: Path) -> None:
    for steps in (1, 2, 3):
        save_state(tmp_path, state(steps))
    assert load_state(tmp_path).position.steps == 3
    (tmp_path / STATE).unlink()
    assert has_state(tmp_path)
    assert load_state(tmp_path).position.steps == 2
    (tmp_path / PREVIOUS).unlink()
    assert not has_state(tmp_path)


def test_a_state_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    bad = state(2)
    bad.tensors["network.a"][1, 2] = float("inf")
    with pytest.raises(NonFiniteResultError, match=r"network.a is not finite after step 2"):
        save_state(tmp_path, bad)
    assert load_state(tmp_path).position.steps == 1


def test_a_state_may_be_larger_than_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A discriminator and its optimizer are."""
    monkeypatch.setattr(checkpoint, "_LARGEST_FILE", 4096)
    saved = state()
    saved.tensors["adversary.a"] = torch.randn(64, 64)
    save_state(tmp_path, saved)
    with pytest.raises(CheckpointError, match="is over 0 MiB"):
        checkpoint.read_bounded(tmp_path / STATE)
    assert torch.equal(load_state(tmp_path).tensors["adversary.a"], saved.tensors["adversary.a"])


@pytest.mark.parametrize("content", [b"", b"no state", b"\x80\x04cos\nsystem\n", None])
def test_what_is_no_state(tmp_path: Path, content: bytes | None, small_checkpoint: Checkpoint) -> None:
    (tmp_path / STATE).write_bytes(small_checkpoint.to_bytes() if content is None else content)
    with pytest.raises(CheckpointError):
        load_state(tmp_path)
