import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli
from ripfdn_cli.errors import CheckpointError, OutputError, RipfdnError, SomeItemsFailedError
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.weights_store import load_weights, user_folder


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["weights", *arguments], obj=Console())


def failure(result: Result) -> RipfdnError:
    assert isinstance(result.exception, RipfdnError)
    return result.exception


def test_list_names_what_is_shipped() -> None:
    assert re.search(r"^x4 +×4  261,868 parameters", invoke("list").stdout, re.MULTILINE)
    records = [json.loads(line) for line in invoke("list", "--json").stdout.splitlines()]
    scales = {record["name"]: record["scale"] for record in records}
    assert scales.items() >= {"x2": 2, "x3": 3, "x4": 4}.items()


def test_list_goes_on_past_a_damaged_file() -> None:
    user_folder().mkdir(parents=True)
    (user_folder() / "bad.safetensors").write_bytes(b"")
    result = invoke("list")
    assert "x4" in result.stdout
    assert isinstance(failure(result), SomeItemsFailedError)


def test_info_tells_where_weights_come_from() -> None:
    values = json.loads(invoke("info", "x4", "--json").stdout)
    assert values["parameters"] == 261_868
    assert len(values["sha256"]) == 64
    assert "CLIC" in values["provenance"]["data"]
    assert "channels: 52" in invoke("info", "x4").stdout


def test_info_of_an_incomplete_file_is_an_error(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    tensors = {name: array for name, array in small_checkpoint.tensors.items() if name != "fuse.bias"}
    path = tmp_path / "part.safetensors"
    Checkpoint(small_checkpoint.config, tensors).save(path)
    assert "fuse.bias" in str(failure(invoke("info", str(path))))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_export_and_import_round_trip(small_weights: Path, tmp_path: Path, suffix: str) -> None:
    exported, imported = tmp_path / f"out{suffix}", tmp_path / "back.safetensors"
    assert invoke("export", str(small_weights), str(exported)).exit_code == 0
    assert invoke("import", str(exported), str(imported)).exit_code == 0
    before, after = Checkpoint.load(small_weights), Checkpoint.load(imported)
    assert before.config == after.config
    assert all((before.tensors[name] == after.tensors[name]).all() for name in before.tensors)


def test_exported_pth_is_as_the_authors_wrote_theirs(small_weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.pth"
    invoke("export", str(small_weights), str(path))
    loaded = torch.load(path, weights_only=True)
    assert list(loaded) == ["params"]
    assert loaded["params"]["B1.esa.conv_max.weight"].shape == (2, 2, 3, 3)


def test_outputs_are_not_replaced_unasked(small_weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.pth"
    path.write_bytes(b"precious")
    assert isinstance(failure(invoke("export", str(small_weights), str(path))), OutputError)
    assert path.read_bytes() == b"precious"
    assert invoke("export", str(small_weights), str(path), "--overwrite").exit_code == 0


def test_export_to_an_unknown_kind_is_refused(small_weights: Path, tmp_path: Path) -> None:
    result = invoke("export", str(small_weights), str(tmp_path / "out.onnx"))
    assert result.exit_code == 2
    assert "out.onnx" in result.stderr


def test_import_installs_under_a_name_that_is_listed_and_taken(small_weights: Path, tmp_path: Path) -> None:
    exported = tmp_path / "theirs.pth"
    invoke("export", str(small_weights), str(exported))
    assert invoke("import", str(exported)).exit_code == 0
    assert invoke("import", str(small_weights), "--name", "mine").exit_code == 0
    records = [json.loads(line) for line in invoke("list", "--json").stdout.splitlines()]
    assert {"theirs", "mine"} <= {record["name"] for record in records}
    before = Checkpoint.load(small_weights)
    assert load_weights("mine").tensors.keys() == before.tensors.keys()
    assert json.loads(invoke("info", "mine", "--json").stdout)["provenance"] == before.provenance
    assert "mine" in str(failure(invoke("import", str(exported), "--name", "mine")))


def test_import_names_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "text.pth"
    path.write_text("not weights")
    assert isinstance(failure(invoke("import", str(path), str(tmp_path / "o.safetensors"))), CheckpointError)
    assert not (tmp_path / "o.safetensors").exists()


def test_two_weights_are_mixed_into_a_file(bilinear_weights: Path, tmp_path: Path) -> None:
    """And `upscale --strength` makes of a picture what the file makes."""
    first, second, mixture = bilinear_weights, tmp_path / "b.safetensors", tmp_path / "mixture.safetensors"
    start = Checkpoint.load(first)
    bias = {"upsample.bias": start.tensors["upsample.bias"] + np.float32(0.04)}
    replace(start, tensors=start.tensors | bias).save(second)
    result = CliRunner().invoke(
        cli, ["weights", "mix", str(first), str(second), str(mixture), "--strength", "0.5"], obj=Console()
    )
    assert result.exit_code == 0, result.exception
    Image.fromarray(smooth(20, 24)).save(tmp_path / "in.png")
    runs = {
        "file": ["--weights", str(mixture)],
        "strength": ["--weights", str(first), "--weights-to", str(second), "--strength", "0.5"],
        "first": ["--weights", str(first)],
    }
    made = {}
    for name, options in runs.items():
        path = tmp_path / f"{name}.png"
        common = ["--engine", "torch", "--precision", "fp32", "--device", "cpu", "--threads", "1", *options]
        result = CliRunner().invoke(
            cli, ["upscale", str(tmp_path / "in.png"), "-o", str(path), *common], obj=Console()
        )
        assert result.exit_code == 0, result.exception
        made[name] = np.array(Image.open(path)).astype(int)
    assert np.array_equal(made["file"], made["strength"])
    assert np.abs(made["file"] - made["first"]).max() in (5, 6)  # half of 0.04 · 255
