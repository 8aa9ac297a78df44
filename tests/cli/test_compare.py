import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.commands import NOT_UTF8, QUICK
from support.onnx_networks import nearest
from support.small_inputs import photograph
from support.strict_json import strictly_read

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli
from ripfdn_cli.errors import CheckpointError, InputError, OutputError, RipfdnError, UsageError

PLAIN = (*QUICK, "--precision", "fp32")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)], obj=Console())


def failure(result: Result) -> RipfdnError:
    assert isinstance(result.exception, RipfdnError), result.exception
    return result.exception


@pytest.fixture
def lr(tmp_path: Path) -> Path:
    Image.fromarray(photograph(20, 24, seed=3)).save(tmp_path / "lr.png")
    return tmp_path / "lr.png"


def test_own_weights_and_an_onnx_file_stand_on_one_page(
    lr: Path, small_weights: Path, tmp_path: Path
) -> None:
    page, hr = tmp_path / "page.html", tmp_path / "hr.png"
    with Image.open(lr) as image:
        image.resize((96, 80), Image.Resampling.NEAREST).save(hr)
    network = nearest(tmp_path / "other.onnx")
    result = invoke(lr, "-w", small_weights, "-w", network, "--reference", hr, *PLAIN, "-o", page, "--json")
    assert result.exit_code == 0, result.exception
    small, other = [strictly_read(line) for line in result.stdout.splitlines()]
    assert (small["method"], other["method"]) == ("small", "other")
    assert other["scores"]["psnr"] == "inf"  # the reference is what that network makes
    assert small["scores"]["psnr"] < 60
    labels = re.findall(r'data-label="([^"]*)"', page.read_text("utf-8"))
    assert labels[:5] == ["Input (nearest)", "Bicubic (Pillow)", "small", "other", "Reference"]


@NOT_UTF8
def test_a_name_that_is_no_utf8_is_written_as_escapes(lr: Path, small_weights: Path, tmp_path: Path) -> None:
    odd, page = lr.rename(tmp_path / os.fsdecode(b"l\xfe.png")), tmp_path / "page.html"
    result = invoke(odd, "-w", small_weights, *PLAIN, "-o", page)
    assert result.exit_code == 0, result.exception
    assert r"l\udcfe" in page.read_text("utf-8")
    assert result.stdout.startswith(r"l\udcfe.png: small ")


@pytest.mark.parametrize("crop", ["10", "10x10", "0x5+0+0", "10x10+0+-3", "ten"])
def test_a_crop_is_written_as_imagemagick_does(lr: Path, tmp_path: Path, crop: str) -> None:
    result = invoke(lr, "-o", tmp_path / "page.html", "--crop", crop)
    assert result.exit_code == 2
    assert "write it as 256x256+100+80" in result.output


def test_a_crop_is_shown(lr: Path, small_weights: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert invoke(lr, "-w", small_weights, *PLAIN, "--crop", "12x10+3+4", "-o", page).exit_code == 0
    assert "12×10 px, a part of 24×20, ×4" in page.read_text("utf-8")


def test_what_is_wrong_is_told_before_the_work(lr: Path, small_weights: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    refused = failure(invoke(lr, "-w", small_weights, "-o", page))
    assert isinstance(refused, OutputError)
    assert page.read_text() == "mine"
    new = tmp_path / "new.html"
    missing = failure(invoke(lr, lr, "--reference", lr, "-o", new))
    assert isinstance(missing, UsageError)
    assert "1 --reference for 2 pictures" in str(missing)
    assert isinstance(failure(invoke(lr, "-w", tmp_path / "no.onnx", "-o", new)), CheckpointError)
    assert isinstance(
        failure(invoke(tmp_path / "no.png", "-w", small_weights, *PLAIN, "-o", new)), InputError
    )
    assert not new.exists()


def test_a_picture_is_never_replaced_by_the_page(lr: Path, small_weights: Path) -> None:
    before = lr.read_bytes()
    assert invoke(lr, "-w", small_weights, *PLAIN, "-o", lr, "--overwrite").exit_code == 2
    assert lr.read_bytes() == before
