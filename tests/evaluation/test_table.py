import csv
import json
import math

import pytest

from ripfdn_cli.evaluation.benchmark import Method, Network, PictureResult, Row
from ripfdn_cli.evaluation.complexity import Complexity
from ripfdn_cli.evaluation.differences import differences
from ripfdn_cli.evaluation.table import (
    csv_table,
    difference_notes,
    difference_table,
    notes,
    record,
    text_table,
)
from ripfdn_cli.image_math.metrics import NTIRE, PAPERS, Score

COST = Complexity(parameters=261_868, convolutions=84, macs=15_515_352_528, activations=154_193_040)
NETWORK = Network("x4.safetensors", "ab" * 32, "torch", "fp32", "cpu", COST)


def row(name: str, psnrs: list[float], network: Network | None = None, memory: int | None = None) -> Row:
    pictures = tuple(
        PictureResult(f"p{i}", 12, 8, 0.01 * (i + 1), {"Y": Score(psnr, 0.8), "RGB": Score(psnr - 2, 0.7)})
        for i, psnr in enumerate(psnrs)
    )
    return Row("Set5", Method(name, 4, lambda pixels: pixels, network), pictures, memory)


ROWS = [row("Bicubic (Pillow)", [28.0, 29.0]), row("x4", [32.0, 33.0], NETWORK, 72 * 2**20)]


def cells(line: str) -> list[str]:
    return [text.strip() for text in line.strip("|").split("|")]


def test_text_table_has_ntires_columns() -> None:
    headings, rule, bicubic, network = text_table(ROWS, [PAPERS])
    assert cells(headings) == [
        *("Data set", "Method", "Engine", "PSNR Y [dB]", "SSIM Y", "Time [ms]"),
        *("Params [M]", "MACs [G]", "Acts [M]", "Memory [MiB]", "Convs"),
    ]
    assert cells(bicubic)[:6] == ["Set5 ×4", "Bicubic (Pillow)", "Pillow cpu", "28.500", "0.8000", "15.0"]
    assert cells(bicubic)[6:] == ["–"] * 5
    assert cells(network)[2:4] == ["torch fp32 cpu", "32.500"]
    assert cells(network)[6:] == ["0.262", "15.52", "154.2", "72", "84"]
    assert len({len(line) for line in (headings, rule, bicubic, network)}) == 1
    assert set(rule) == set("|-: ")


def test_a_name_cannot_break_the_table() -> None:
    lines = text_table([row("a|b", [30.0]), row("日本", [30.0])], [PAPERS])
    assert "a\\|b" in lines[2]
    assert lines[3].count("|") == lines[0].count("|")


def test_every_protocol_has_its_columns_and_its_line() -> None:
    (headings, *_) = text_table(ROWS, [PAPERS, NTIRE])
    assert [text for text in cells(headings) if "PSNR" in text or "SSIM" in text] == [
        *("PSNR Y [dB]", "SSIM Y"),
        *("PSNR RGB [dB]", "SSIM RGB"),
    ]
    lines = notes(ROWS, [PAPERS, NTIRE])
    assert lines[:2] == [PAPERS.text(4), NTIRE.text(4)]
    assert any("256×256" in line for line in lines)


def test_csv_holds_exact_values_under_named_columns() -> None:
    bicubic, network = csv.DictReader(csv_table(ROWS, [PAPERS, NTIRE]).splitlines())
    assert float(network["psnr_Y"]) == 32.5
    assert float(network["psnr_RGB"]) == 30.5
    assert int(network["parameters"]) == 261_868
    assert int(network["memory"]) == 72 * 2**20
    assert (network["sha256"], network["pictures"]) == ("ab" * 32, "2")
    assert PAPERS.text(4) in network["protocols"]
    assert bicubic["macs"] == bicubic["weights"] == ""


def test_a_record_is_json_with_every_picture() -> None:
    values = json.loads(json.dumps(record(ROWS[1], [PAPERS]), allow_nan=False))
    assert values["scores"] == {"Y": {"psnr": 32.5, "ssim": 0.8}}
    assert values["protocols"] == {"Y": PAPERS.text(4)}
    assert values["seconds"] == pytest.approx(0.015)
    assert values["complexity"]["macs"] == 15_515_352_528
    assert values["pictures"][1]["name"] == "p1"
    assert values["pictures"][1]["scores"]["Y"]["psnr"] == 33.0


def test_an_infinite_psnr_is_still_json() -> None:
    values = json.loads(json.dumps(record(row("perfect", [math.inf, 30.0]), [PAPERS]), allow_nan=False))
    assert values["scores"]["Y"]["psnr"] == "inf"
    assert "inf" in text_table([row("perfect", [math.inf])], [PAPERS])[2]


def test_without_scores_the_cells_stay_empty() -> None:
    picture = PictureResult("p", 12, 8, 0.5, {})
    unscored = Row("photos", Method("x4", 4, lambda pixels: pixels, NETWORK), (picture,), None)
    line = cells(text_table([unscored], [PAPERS])[2])
    assert line[3:6] == ["–", "–", "500.0"]
    assert record(unscored, [PAPERS])["scores"] == {}
    (values,) = csv.DictReader(csv_table([unscored], [PAPERS]).splitlines())
    assert values["psnr_Y"] == ""


COMPARED = [
    row("Bicubic (Pillow)", [28.0] * 6),
    row("x4", [32.0, 33.0, 31.0, 30.0, 35.0, 34.0], NETWORK),
    row("better", [32.5, 33.5, 31.5, 30.5, 35.5, 34.5], NETWORK),
    row("alike", [32.1, 32.9, 31.1, 29.9, 35.1, 33.9], NETWORK),
]


def test_networks_are_compared_with_the_first_in_a_table_of_its_own() -> None:
    headings, _, better, alike = difference_table(COMPARED, [PAPERS])
    names = ["Data set", "Method", "minus", "PSNR Y [dB]", "95 % interval", "SSIM Y", "95 % interval"]
    assert cells(headings) == names
    assert cells(better)[:5] == ["Set5 ×4", "better", "x4", "+0.500", "+0.500 to +0.500"]
    assert cells(better)[5:] == ["0.0000", "0.0000 to 0.0000"]
    assert cells(alike)[3] == "0.000"
    low, high = cells(alike)[4].split(" to ")
    assert low == "−" + high[1:]
    assert low == "−0.100"
    assert difference_table(COMPARED[:2], [PAPERS]) == difference_notes(COMPARED[:2], [PAPERS]) == []


def test_few_pictures_have_a_mean_and_no_interval() -> None:
    rows = [row("x4", [30.0, 31.0], NETWORK), row("b", [30.5, 31.0], NETWORK)]
    assert cells(difference_table(rows, [PAPERS])[2])[3:5] == ["+0.250", "–"]
    assert any("Fewer than 5 pictures" in line for line in difference_notes(rows, [PAPERS]))
    assert not any("Fewer" in line for line in difference_notes(COMPARED, [PAPERS]))


def test_csv_and_records_hold_the_differences() -> None:
    _, first, better, _ = csv.DictReader(csv_table(COMPARED, [PAPERS, NTIRE]).splitlines())
    assert (first["against"], first["psnr_Y_difference"]) == ("", "")
    assert better["against"] == "x4"
    values = [float(better[f"psnr_RGB_{name}"]) for name in ("difference", "low", "high")]
    assert values == pytest.approx([0.5] * 3)
    difference = differences(COMPARED, [PAPERS])[2]
    values = json.loads(json.dumps(record(COMPARED[2], [PAPERS], difference), allow_nan=False))
    assert values["difference"]["against"] == "x4"
    assert values["difference"]["intervals"]["Y"]["psnr"]["low"] == pytest.approx(0.5)
    assert record(COMPARED[1], [PAPERS])["difference"] is None
