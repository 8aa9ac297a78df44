import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from skimage.data import astronaut
from support.commands import NOT_UTF8, QUICK
from support.onnx_networks import nearest

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli
from ripfdn_cli.errors import CheckpointError, InputError, OutputError, RipfdnError, UsageError
from ripfdn_cli.files.storage import Location, publish, read_object
from ripfdn_cli.image_math.metrics import score

PLAIN = (*QUICK, "--precision", "fp32")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["eval", *map(str, arguments)], obj=Console())


def failure(result: Result) -> RipfdnError:
    assert isinstance(result.exception, RipfdnError), result.exception
    return result.exception


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_table_csv_and_report_of_one_run(small_data_set: Path, small_weights: Path, tmp_path: Path) -> None:
    table, page = tmp_path / "scores.csv", tmp_path / "report.html"
    result = invoke(small_data_set, "-w", small_weights, *PLAIN, "--csv", table, "--report", page)
    assert result.exit_code == 0, result.exception
    lines = result.stdout.splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:5]] == [
        "Bicubic (Pillow)",
        "Lanczos (Pillow)",
        "small",
    ]
    assert lines[6] == (
        "Y: 8-bit results, BT.601 luma 16–235 not rounded (the papers', as BasicSR computes it); "
        "4 px cut from each side"
    )
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["method"] for row in rows] == ["Bicubic (Pillow)", "Lanczos (Pillow)", "small"]
    assert f"{float(rows[2]['psnr_Y']):.3f}" in lines[4]
    content = page.read_text()
    assert content.count('type="range"') == 3
    assert f"{float(rows[2]['psnr_Y']):.3f}" in content


@NOT_UTF8
def test_names_that_are_no_utf8_are_written_as_escapes(
    small_data_set: Path, small_weights: Path, tmp_path: Path
) -> None:
    folder = small_data_set.rename(small_data_set.parent / os.fsdecode(b"S\xff"))
    table, page = tmp_path / "scores.csv", tmp_path / "report.html"
    result = invoke(folder, "-w", small_weights, *PLAIN, "--csv", table, "--report", page)
    assert result.exit_code == 0, result.exception
    names = {row["data_set"] for row in csv.DictReader(table.read_text("utf-8").splitlines())}
    assert names == {r"S\udcff"}
    assert r"on S\udcff" in page.read_text("utf-8")
    assert result.stdout.splitlines()[2].startswith(r"| S\udcff ×4 ")


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["table", "json"])
def test_files_are_whole_where_the_reader_of_stdout_has_gone(
    small_data_set: Path, small_weights: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """As with `| head -1`."""
    table, page = tmp_path / "scores.csv", tmp_path / "report.html"
    places = [small_data_set, "-w", small_weights, "--csv", table, "--report", page]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "ripfdn_cli", "eval", *map(str, places), *PLAIN, *options]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writer)
    assert done.returncode == 1
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == 3
    assert page.read_text().rstrip().endswith("</html>")


def test_records_for_programs(small_data_set: Path, small_weights: Path) -> None:
    result = invoke(small_data_set, "-w", small_weights, *PLAIN, "--json", "--protocol", "all")
    bicubic, _, network = records(result)
    assert bicubic["data_set"] == "Small"
    assert set(network["scores"]) == {"Y", "Y8", "RGB"}
    assert network["complexity"]["parameters"] > 1000
    assert [picture["name"] for picture in network["pictures"]] == ["a", "b", "c"]
    assert network["scores"]["Y"]["psnr"] != network["scores"]["Y8"]["psnr"]


def test_weights_are_compared_with_the_first(
    small_data_set: Path, small_weights: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    shutil.copy(small_weights, other)
    arguments = (small_data_set, "-w", small_weights, "-w", other, *PLAIN)
    lines = invoke(*arguments).stdout.splitlines()
    start = lines.index("", 2) + 1
    assert [cell.strip() for cell in lines[start + 2].split("|")[1:6]] == [
        *("Small ×4", "other", "small", "0.000", "–"),
    ]
    assert any("Fewer than 5 pictures" in line for line in lines)
    _, _, first, second = records(invoke(*arguments, "--json"))
    assert first["difference"] is None
    assert second["difference"]["against"] == "small"
    assert second["difference"]["intervals"]["Y"]["psnr"]["mean"] == 0


def test_engines_are_compared(small_data_set: Path, small_weights: Path) -> None:
    pytest.importorskip("openvino")
    result = invoke(small_data_set, "-w", small_weights, *PLAIN, "--engine", "openvino", "--json")
    torch, openvino = records(result)[2:]
    assert [torch["method"], openvino["method"]] == ["small (torch fp32)", "small (openvino fp32)"]
    assert torch["scores"]["Y"]["psnr"] == pytest.approx(openvino["scores"]["Y"]["psnr"], abs=0.01)


def test_two_folders_are_a_set_and_lr_alone_has_no_scores(small_data_set: Path, small_weights: Path) -> None:
    hr, lr = small_data_set / "HR", small_data_set / "LRbicx4"
    common = ("-w", small_weights, *PLAIN, "--json")
    both = records(invoke("--hr", hr, "--lr", lr, *common))
    alone = records(invoke("--lr", lr, *common))
    as_set = records(invoke(small_data_set, *common))
    assert [record["scores"] for record in both] == [record["scores"] for record in as_set]
    assert both[0]["data_set"] == "Small"
    assert all(record["scores"] == {} and record["seconds"] > 0 for record in alone)


def test_sets_of_one_name_are_told_apart(small_data_set: Path, small_weights: Path) -> None:
    names = [
        r["data_set"] for r in records(invoke(*[small_data_set] * 2, "-w", small_weights, *PLAIN, "--json"))
    ]
    assert names == ["Small"] * 3 + ["Small (2)"] * 3


def test_lr_pictures_are_made_where_there_are_none(small_data_set: Path, small_weights: Path) -> None:
    with_lr = records(invoke(small_data_set, "-w", small_weights, *PLAIN, "--json"))
    made = records(invoke("--hr", small_data_set / "HR", "-w", small_weights, *PLAIN, "--json"))
    assert [record["scores"] for record in made] == [record["scores"] for record in with_lr]


def test_outputs_are_checked_before_the_work(
    small_data_set: Path, small_weights: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there.html"
    there.write_text("mine")
    arguments = (small_data_set, "-w", small_weights, *PLAIN, "--report")
    refused = invoke(*arguments, there)
    assert isinstance(failure(refused), OutputError)
    assert "`overwrite`" in str(failure(refused))
    assert refused.stdout == ""
    assert there.read_text() == "mine"
    assert "no such folder" in str(failure(invoke(*arguments, tmp_path / "nowhere" / "report.html")))
    not_a_folder = tmp_path / "there.html" / "scores.csv"
    assert isinstance(failure(invoke(small_data_set, "--csv", not_a_folder)), OutputError)
    assert isinstance(failure(invoke(small_data_set, "--csv", tmp_path)), OutputError)
    assert invoke(*arguments, there, "--overwrite").exit_code == 0
    assert there.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        ((), UsageError, "no data set"),
        (("nowhere",), InputError, "nowhere is not a folder"),
        (("--hr", "nowhere"), InputError, "nowhere is not a folder"),
        ((".", "-w", "x9"), CheckpointError, "no weights named x9"),
        ((".", "--csv", "one.html", "--report", "./one.html"), UsageError, "both name one.html"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: tuple[str, ...], kind: type, reason: str) -> None:
    error = failure(invoke(*arguments))
    assert isinstance(error, kind)
    assert reason in str(error)
    assert "\n" not in str(error)


def test_a_damaged_picture_stops_the_run_before_anything_is_written(
    small_data_set: Path, small_weights: Path, tmp_path: Path
) -> None:
    (small_data_set / "LRbicx4" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    table = tmp_path / "scores.csv"
    error = failure(invoke(small_data_set, "-w", small_weights, *PLAIN, "--csv", table))
    assert isinstance(error, InputError)
    assert "c.png" in str(error)
    assert not table.exists()


def test_an_unknown_protocol_is_refused(small_data_set: Path) -> None:
    result = invoke(small_data_set, "--protocol", "Z")
    assert result.exit_code != 0
    assert "Y8" in str(result.exception) + result.output


RELEASED = {
    # Y-PSNR, its SSIM, PSNR of luma rounded to 8 bit, RGB-PSNR
    "Set5": (32.303, 0.8957, 32.283, 30.378),
    "Set14": (28.677, 0.7824, 28.667, 26.863),
    "BSD100": (27.598, 0.7363, 27.589, 26.254),
}


@pytest.mark.reference
@pytest.mark.parametrize(
    "name",
    ["Set5", pytest.param("Set14", marks=pytest.mark.slow), pytest.param("BSD100", marks=pytest.mark.slow)],
)
def test_the_released_checkpoint_scores_as_was_measured_before(name: str, shared: Path) -> None:
    weights = shared / "reference" / "team23_RIPFDN.pth"
    result = invoke(shared / "data" / "benchmarks" / name, "-w", weights, "--protocol", "all", "--json")
    scores = records(result)[2]["scores"]
    psnr, ssim, rounded, rgb = RELEASED[name]
    assert scores["Y"]["psnr"] == pytest.approx(psnr, abs=0.01)
    assert scores["Y"]["ssim"] == pytest.approx(ssim, abs=0.0005)
    assert scores["Y8"]["psnr"] == pytest.approx(rounded, abs=0.01)
    assert scores["RGB"]["psnr"] == pytest.approx(rgb, abs=0.01)


def test_the_default_weights_beat_bicubic(tmp_path: Path) -> None:
    (tmp_path / "HR").mkdir()
    Image.fromarray(astronaut()[:128, 140:280]).save(tmp_path / "HR" / "astronaut.png")
    bicubic, _, network = records(invoke(tmp_path, *PLAIN, "--json"))
    assert network["weights"] == "x4"
    assert network["scores"]["Y"]["psnr"] > bicubic["scores"]["Y"]["psnr"] + 1


def test_a_data_set_may_lie_in_a_store_and_the_table_go_there(
    small_data_set: Path, small_weights: Path, tmp_path: Path, store: Location
) -> None:
    for path in small_data_set.rglob("*.png"):
        name = path.relative_to(small_data_set.parent).as_posix()
        publish(store / name, path.read_bytes(), overwrite=True)
    table, remote = tmp_path / "scores.csv", store / "scores.csv"
    local = invoke(small_data_set, "-w", small_weights, *PLAIN, "--csv", table)
    arguments = (store / small_data_set.name, "-w", small_weights, *PLAIN, "--csv", remote)
    result = invoke(*arguments)
    assert result.exit_code == local.exit_code == 0, result.exception
    names = ("data_set", "method", "psnr_Y", "ssim_Y")
    rows = [
        [[row[name] for name in names] for row in csv.DictReader(content.splitlines())]
        for content in (table.read_text(), read_object(remote, 10**6).decode())
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3
    assert "exists already" in str(failure(invoke(*arguments)))
    assert isinstance(failure(invoke(store / "none", "-w", small_weights, *PLAIN)), InputError)


def test_a_network_of_others_is_scored_beside_weights(
    small_data_set: Path, small_weights: Path, tmp_path: Path
) -> None:
    """One that repeats pixels, which Pillow does, too."""
    page, network = tmp_path / "report.html", nearest(tmp_path / "other.onnx")
    result = invoke(small_data_set, "-w", small_weights, "-w", network, *PLAIN, "--json", "--report", page)
    own, other = records(result)[2:]
    assert (own["method"], other["method"]) == ("small", "other")
    assert other["precision"] == "fp32"
    assert other["sha256"] == hashlib.sha256(network.read_bytes()).hexdigest()
    assert other["complexity"] is None
    for picture in other["pictures"]:
        with Image.open(small_data_set / "LRbicx4" / f"{picture['name']}.png") as lr:
            repeated = np.array(lr.resize((4 * lr.width, 4 * lr.height), Image.Resampling.NEAREST))
        with Image.open(small_data_set / "HR" / f"{picture['name']}.png") as hr:
            expected = score(repeated, np.array(hr), scale=4).psnr
        assert picture["scores"]["Y"]["psnr"] == pytest.approx(expected, abs=1e-9)
    assert "other" in page.read_text("utf-8")


def test_a_file_that_is_no_network_is_told(small_data_set: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    assert "can't be read as ONNX" in str(failure(invoke(small_data_set, "-w", tmp_path / "bad.onnx")))
