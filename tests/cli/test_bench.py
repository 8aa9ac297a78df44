import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ripfdn_cli.cli.bench import table
from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli
from ripfdn_cli.errors import CheckpointError, UnavailableError, UsageError
from ripfdn_cli.evaluation.speed import SizeSpeed, Speed

pytestmark = pytest.mark.any_precision


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)], obj=Console())


def test_records_of_each_engine_that_is_there(small_weights: Path) -> None:
    result = invoke(
        *("--weights", small_weights, "--device", "cpu", "--threads", "1", "--precision", "fp32"),
        *("--size", "20x16", "--size", "32x32", "--json"),
    )
    assert result.exit_code == 0, result.exception
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["engine"] for record in records] == ["openvino", "torch"]
    for record in records:
        assert record["psnr"] == "inf" or record["psnr"] > 120
        assert record["shift"] < 0.001
        assert record["rms"] < 0.1
        assert [(size["width"], size["height"]) for size in record["sizes"]] == [(20, 16), (32, 32)]
        for size in record["sizes"]:
            assert 0 < size["matrix_share"] < 1.5
            pixels = size["width"] * size["height"]
            assert size["megapixels_per_second"] == pytest.approx(pixels / size["seconds"] / 1e6)
        assert 0 < record["start"] < 300
        assert record["matrix_rate"] > 1e8


def test_table_has_a_row_for_each_size() -> None:
    sizes = (SizeSpeed(256, 128, 0.5, 0.25), SizeSpeed(1920, 1080, 12.0, 0.5))
    lines = table([Speed("openvino", "fp32", "cpu", 0.75, 3 * 2**20, 130.04, 0.0214, 0.186, 1e11, sizes)])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(line) for line in lines}) == 1
    assert cells[2][:7] == ["openvino cpu", "fp32", "0.75", "3", "130.0", "0.021", "0.186"]
    assert cells[2][7:] == ["256×128", "500.0", "0.066", "25%"]
    assert cells[3][7:] == ["1920×1080", "12000.0", "0.173", "50%"]


def test_nothing_available_is_an_error(small_weights: Path) -> None:
    result = invoke("--weights", small_weights, "--device", "cpu", "--precision", "fp16")
    assert isinstance(result.exception, UnavailableError)
    assert "-v" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--engine", "abacus"), SystemExit, "'abacus' is not one of all, openvino, torch"),
        (("--precision", "int8"), SystemExit, "'int8' is not one of all, fp32"),
        (("--weights", "nowhere.safetensors"), CheckpointError, "does not exist"),
        (
            ("--size", "64x64", "--size", "5x5"),
            UsageError,
            "--size 5x5: a side is shorter than the minimum of 15 px",
        ),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], error: type[BaseException], message: str) -> None:
    result = invoke("--device", "cpu", *arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception) + " ".join(result.stderr.split())


def test_a_size_that_is_none_is_refused() -> None:
    assert invoke("--size", "0x16").exit_code == 2
