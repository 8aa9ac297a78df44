import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli
from ripfdn_cli.errors import OutputError, UsageError


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)], obj=Console())


def test_files_are_named_after_weights_and_form(small_weights: Path) -> None:
    result = invoke("--weights", small_weights, "--to", "openvino", "--tile", "16x20", "--half")
    assert result.exit_code == 0
    assert "wrote small_16x20_fp16.xml (×4;" in result.stderr
    assert result.stdout == ""
    assert sorted(path.name for path in Path().iterdir()) == ["small_16x20_fp16.bin", "small_16x20_fp16.xml"]


def test_the_suffix_says_what_to_write(small_weights: Path) -> None:
    result = invoke("--weights", small_weights, "-o", "a.pt", "--json")
    record = json.loads(result.stdout)
    assert (record["target"], record["files"], record["scale"]) == ("torchscript", ["a.pt"], 4)
    assert (record["tile"], record["half"], record["opset"]) == (None, False, None)
    assert 0 <= record["largest_difference"] < 1e-5
    assert Path("a.pt").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "`target` (onnx, openvino, torchscript or ncnn)"),
        (["-o", "a.zip"], "a.zip does not end in the suffix"),
        (["-o", "a.pt", "--to", "onnx"], "does not end in .onnx"),
        (["--to", "openvino", "--opset", "17"], "`opset` 17 is for ONNX only"),
        (["--to", "onnx", "--opset", "3"], "`opset` 3 is not between"),
        (["--to", "onnx", "--tile", "8x300"], "`tile` 8x300: a side is shorter than"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


@pytest.mark.parametrize("tile", ["a", "16x", "16x16x3", "-5x20"])
def test_a_tile_that_is_none_is_refused(tile: str) -> None:
    result = invoke("--to", "onnx", "--tile", tile)
    assert result.exit_code == 2
    assert "is not a tile; write its height and width in px" in result.stderr


def test_existing_files_are_kept(small_weights: Path) -> None:
    Path("a.pt").write_bytes(b"precious")
    assert isinstance(invoke("--weights", small_weights, "-o", "a.pt").exception, OutputError)
    assert Path("a.pt").read_bytes() == b"precious"
    assert invoke("--weights", small_weights, "-o", "a.pt", "--overwrite").exit_code == 0
    assert Path("a.pt").read_bytes() != b"precious"
