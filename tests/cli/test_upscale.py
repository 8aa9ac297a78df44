import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.commands import QUICK
from support.sample_pictures import saved, smooth

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli, run_to_exit_code
from ripfdn_cli.errors import (
    InputError,
    OutputError,
    RipfdnError,
    SomeItemsFailedError,
    UnavailableError,
    UsageError,
)


@pytest.fixture
def options(enlarging_weights: dict[int, Path]) -> list[str]:
    return ["--weights", str(enlarging_weights[4]), *QUICK]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(smooth(16, 20)).save(path)
    return path


def invoke(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["upscale", *map(str, arguments)], obj=Console(), input=stdin)


def failure(result: Result) -> RipfdnError:
    assert isinstance(result.exception, RipfdnError), result.exception
    return result.exception


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp", "avif", "ppm", "gif"])
def test_one_picture_in_any_format(picture: Path, tmp_path: Path, options: list[str], suffix: str) -> None:
    result = invoke(picture, "-o", tmp_path / f"b.{suffix}", *options)
    assert result.exit_code == 0, result.exception
    assert result.stdout == ""
    assert size_of(tmp_path / f"b.{suffix}") == (80, 64)


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        (["--scale", "2"], (40, 32)),
        (["--scale", "2.5"], (50, 40)),
        (["--width", "30"], (30, 24)),
        (["--height", "32"], (40, 32)),
        (["--long-side", "60"], (60, 48)),
        (["--fit", "1000x32"], (40, 32)),
        (["--width", "30", "--height", "30"], (30, 30)),
        (["--scale", "0.5"], (10, 8)),
        (["--wrap"], (80, 64)),
    ],
)
def test_any_size(
    picture: Path, tmp_path: Path, options: list[str], flags: list[str], size: tuple[int, int]
) -> None:
    assert invoke(picture, "-o", tmp_path / "b.png", *flags, *options).exit_code == 0
    assert size_of(tmp_path / "b.png") == size


def test_json_has_a_record_for_each_picture_and_a_summary(tmp_path: Path, options: list[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(smooth(16, 20)).save(folder / name)
    (folder / "bad.png").write_bytes(b"no picture")
    result = invoke(folder, "-o", tmp_path / "out", "--json", *options)
    assert isinstance(failure(result), SomeItemsFailedError)
    assert str(result.exception) == "1 of 3 pictures failed, each listed above"
    *records, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["status"] for record in records] == ["done", "done", "failed"]
    assert records[2]["exit_code"] == 4
    assert "bad.png" in records[2]["error"]
    assert "bad.png" in result.stderr
    assert summary.pop("seconds") > 0
    assert summary == {"summary": True, "done": 2, "skipped": 0, "failed": 1}


def test_one_bad_picture_ends_with_its_own_error(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    error = failure(invoke(tmp_path / "a.png", "-o", tmp_path / "b.png", *options))
    assert isinstance(error, InputError)
    assert not (tmp_path / "b.png").exists()


def test_a_file_that_is_there_is_kept(picture: Path, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "b.png").write_bytes(b"mine")
    error = failure(invoke(picture, "-o", tmp_path / "b.png", *options))
    assert isinstance(error, OutputError)
    assert (tmp_path / "b.png").read_bytes() == b"mine"
    assert invoke(picture, "-o", tmp_path / "b.png", "--overwrite", *options).exit_code == 0


def test_pipes_in_and_out(picture: Path, options: list[str]) -> None:
    result = invoke("-", "-o", "-", *options, stdin=picture.read_bytes())
    assert result.exit_code == 0, result.exception
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert (image.format, image.size) == ("PNG", (80, 64))


def test_a_pipe_and_a_file(picture: Path, tmp_path: Path, options: list[str]) -> None:
    result = invoke(picture, "-o", "-", "--format", "jpeg", *options)
    assert result.stdout_bytes.startswith(b"\xff\xd8")
    result = invoke("-", "-o", tmp_path / "c.webp", "--json", *options, stdin=picture.read_bytes())
    assert result.exit_code == 0, result.exception
    assert size_of(tmp_path / "c.webp") == (80, 64)
    record, summary = map(json.loads, result.stdout.splitlines())
    assert (record["input"], record["output"]) == ("-", str(tmp_path / "c.webp"))
    assert (summary["summary"], summary["done"], summary["failed"]) == (True, 1, 0)


def test_what_fails_from_a_pipe_has_its_record(tmp_path: Path, options: list[str]) -> None:
    result = invoke("-", "-o", tmp_path / "c.png", "--json", *options, stdin=b"no picture")
    assert isinstance(failure(result), InputError)
    record = json.loads(result.stdout)
    assert (record["input"], record["status"], record["exit_code"]) == ("-", "failed", 4)


@pytest.mark.parametrize("option", ["--dry-run", "--skip-existing", "--include=*.png", "--exclude=*.jpg"])
@pytest.mark.parametrize("output", ["a.png", "-"])
def test_what_a_pipe_can_not_heed_is_refused(
    picture: Path, options: list[str], option: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    before = picture.read_bytes()
    result = invoke("-", "-o", output, option, "--overwrite", *options, stdin=before)
    assert isinstance(failure(result), UsageError)
    assert f"{option.partition('=')[0]} is for files" in str(failure(result))
    assert result.stdout_bytes == b""
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "a.png", "-o", "-"], "a pipe takes one picture"),
        (["a.png", "-o", "-", "--json"], "both write to stdout"),
        (["-", "-o", "out/"], "name the file to write"),
        (["a.png", "-o", "b.png", "--scale", "2", "--width", "9"], "contradict each other"),
        (["a.png", "-o", "b.png", "--exact", "--halo", "9"], "`exact` sets the halo"),
        (["a.png", "-o", "b.png", "--quality", "9"], "`quality` does not apply to PNG"),
        (["a.png", "-o", "b.jpg", "--lossless"], "JPEG can't be lossless"),
        (["a.png", "-o", "b.jpg", "--depth", "16"], "JPEG does not support 16 bits"),
        (["a.png", "-o", "b.png", "--format", "psd"], "'psd' is not a picture format"),
        (["a.png", "-o", "b.xyz"], ".xyz is not a picture format"),
        (["a.png", "-o", "b.png", "--background", "reddish"], "is not a colour"),
        (["a.png", "-o", "b.png", "--device", "cpu,,cpu"], "a name is empty or given twice"),
        (["a.png", "-o", "b_{size}.png"], "is not one of"),
    ],
)
def test_wrong_usage_is_said_and_nothing_is_written(
    picture: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(picture.parent)
    error = failure(invoke(*arguments, stdin=b""))
    assert isinstance(error, UsageError)
    assert message in str(error)
    assert [path.name for path in picture.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--memory", "lots"),
        ("--scale", "0"),
        ("--scale", "-2"),
        ("--scale", "1e9"),
        ("--fit", "100"),
        ("--max-pixels", "-1"),
        ("--tile", "big"),
        ("--quality", "101"),
    ],
)
def test_values_that_make_no_sense_exit_2(picture: Path, flag: str, value: str) -> None:
    result = invoke(picture, "-o", "b.png", flag, value)
    assert result.exit_code == 2
    assert flag in result.stderr


def test_a_dry_run_says_what_and_writes_nothing(tmp_path: Path, options: list[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(smooth(32, 40)).save(folder / f"{number}.png")
    (folder / "bad.png").write_bytes(b"no picture")
    arguments: list[str | Path] = [folder, "-o", tmp_path / "out", "--scale", "2", "--dry-run", *options]
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    *records, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["status"] for record in records] == ["planned"] * 3 + ["failed"]
    assert (records[0]["output_width"], records[0]["output_height"]) == (80, 64)
    assert (summary["planned"], summary["failed"]) == (3, 1)
    assert summary["seconds"] == pytest.approx(sum(record["seconds"] for record in records[:3]), abs=0.02)
    assert summary["disk"] == sum(record["disk"] for record in records[:3])
    assert summary["memory"] > 32 * 40 * 16 * 3
    assert not (tmp_path / "out").exists()
    assert "3 to do, 0 done already, 1 can't be done" in invoke(*arguments).stdout


def test_include_and_exclude_and_format(tmp_path: Path, options: list[str]) -> None:
    folder = tmp_path / "in"
    (folder / "raw").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "raw/c.png"):
        Image.fromarray(smooth(16, 20)).save(folder / name)
    flags = ["--include", "*.png", "--exclude", "raw/*", "--format", "webp"]
    assert invoke(folder, "-o", tmp_path / "out", *flags, *options).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").rglob("[!.]*")) == ["a.webp"]


def test_the_network_is_chosen_by_size(
    picture: Path, tmp_path: Path, enlarging_weights: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With x2, x3 and x4 installed, the next larger one runs."""
    folder = tmp_path / "data" / "ripfdn" / "weights"
    folder.mkdir(parents=True)
    for path in enlarging_weights.values():
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    passes = {}
    for scale in ("1.5", "2", "2.1", "3.7", "5"):
        output = tmp_path / f"{scale}.png"
        result = invoke(
            picture, "-o", output, "--scale", scale, "--engine", "torch", "--device", "cpu", "--json"
        )
        passes[scale] = json.loads(result.stdout.splitlines()[0])["passes"]
    assert passes == {"1.5": [2], "2": [2], "2.1": [3], "3.7": [4], "5": [2, 3]}


def test_an_extra_that_is_missing_is_named_with_its_pip_line(
    picture: Path, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for plugin in ("pillow_jxl", "pillow_heif"):
        monkeypatch.setitem(sys.modules, plugin, None)
    for suffix, extra in (("jxl", "jxl"), ("heic", "heic")):
        error = failure(invoke(picture, "-o", tmp_path / f"b.{suffix}", *options))
        assert isinstance(error, UnavailableError)
        assert f'pip install "ripfdn-cli[{extra}]"' in str(error)
    for name, signature in (
        ("a.jxl", b"\xff\x0a" + bytes(20)),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(20)),
    ):
        (tmp_path / name).write_bytes(signature)
        error = failure(invoke(tmp_path / name, "-o", tmp_path / "b.png", *options))
        assert "pip install" in str(error)


def test_messages_stay_on_one_line_whatever_files_are_called(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / os.fsdecode(b"a\nb\x1b[31m\xff.png")
    path.write_bytes(b"no picture")
    console = Console()
    arguments = ["upscale", str(path), "-o", str(tmp_path / "b.png"), *options]
    assert run_to_exit_code(lambda: cli.main(arguments, standalone_mode=False, obj=console), console) == 4
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "\x1b[31m" not in message
    assert r"a\nb\x1b[31m" in message


def test_environment_variables_set_options(
    picture: Path, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIPFDN_UPSCALE_SCALE", "2")
    monkeypatch.setenv("RIPFDN_UPSCALE_FORMAT", "bmp")
    assert invoke(picture, "-o", f"{tmp_path / 'out'}/", *options).exit_code == 0
    assert size_of(tmp_path / "out" / f"{picture.stem}.bmp") == (40, 32)


def test_decoders_say_nothing(tmp_path: Path, options: list[str]) -> None:
    """Damaged EXIF makes Pillow warn; the command speaks for itself."""
    content = saved(
        Image.fromarray(smooth(16, 16)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(9)
    )
    (tmp_path / "a.jpg").write_bytes(content)
    code = [sys.executable, "-W", "default", "-m", "ripfdn_cli", "upscale", str(tmp_path / "a.jpg"), "-q"]
    process = subprocess.run([*code, "-o", str(tmp_path / "b.jpg"), *options], capture_output=True, text=True)
    assert process.returncode == 0
    lines = process.stderr.splitlines()
    assert [line for line in lines if "UserWarning" in line] == []
    assert size_of(tmp_path / "b.jpg") == (64, 64)
    assert np.asarray(Image.open(tmp_path / "b.jpg")).any()


def test_an_output_that_cannot_be_written_is_told_before_the_work(picture: Path, tmp_path: Path) -> None:
    """Even weights that aren't there come later."""
    (tmp_path / "file").write_text("")
    error = failure(invoke(picture, "-o", tmp_path / "file" / "deep" / "out.png", "--engine", "openvino"))
    assert isinstance(error, OutputError)
    assert str(tmp_path / "file") in str(error)


def test_a_dry_run_of_one_picture_ends_as_its_run_would(tmp_path: Path, options: list[str]) -> None:
    Image.fromarray(smooth(32, 40)).save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for name, size in (("bad.png", "2"), ("a.png", "1000"), ("missing.png", "2")):
        arguments: list[str | Path] = [tmp_path / name, "-o", tmp_path / "out.png", "--scale", size, *options]
        real, dry = invoke(*arguments), invoke(*arguments, "--dry-run")
        assert type(dry.exception) is type(real.exception)
        assert str(dry.exception) == str(real.exception)
        assert dry.exception is not None


def test_warnings_of_options_are_the_consoles(picture: Path, tmp_path: Path) -> None:
    arguments = ("upscale", picture, "-o", tmp_path / "b.png", "--exact", "--precision", "bf16", "--dry-run")
    command = [sys.executable, "-m", "ripfdn_cli", *map(str, arguments)]
    # A processor without bf16 refuses it after that.
    result = subprocess.run(command, capture_output=True, check=False, text=True)
    assert "ripfdn: warning: with --precision bf16, tiles match" in result.stderr
