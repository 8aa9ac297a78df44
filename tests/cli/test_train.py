import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors import safe_open
from support.strict_json import strictly_read
from support.training_runs import make_pictures, torch_as_before

from ripfdn_cli.cli.console import Console
from ripfdn_cli.cli.main import cli, run_to_exit_code
from ripfdn_cli.cli.train import _Watcher
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.training.reports import StepReport
from ripfdn_cli.training.settings import FIELDS
from ripfdn_cli.training.state import load_state

__all__ = ["torch_as_before"]

TINY = [
    *("--channels", "8", "--blocks", "1", "--patch", "16", "--batch", "2", "--steps", "4"),
    *("--max-time", "0", "--threads", "1"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


def train(*arguments: str) -> int:
    """The exit code of `ripfdn train` with `arguments`, in this process."""
    console = Console()
    command = ["train", *arguments]
    return run_to_exit_code(
        lambda: cli.main(command, prog_name="ripfdn", standalone_mode=False, obj=console), console
    )


def test_a_run_from_settings_to_weights(
    data: Path, small_data_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "a"
    assert train(str(data), "-o", str(folder), "--val", str(small_data_set), *TINY) == 0
    out, err = capsys.readouterr()
    assert [line.split(",")[0] for line in out.splitlines()] == ["step 0", "step 4"]
    assert "Small" in out
    assert "3 pictures of 0.0 megapixels" in err
    assert Checkpoint.load(folder / "best.safetensors").config.channels == 8
    settings = tomllib.loads((folder / "settings.toml").read_text(encoding="utf-8"))
    assert settings["data"] == [str(data)]
    assert settings["val"] == [str(small_data_set)]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_failed_start_leaves_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    assert train(str(tmp_path / name), "-o", str(tmp_path / "runs" / "a"), *TINY) in (2, 4)
    assert not (tmp_path / "runs").exists()
    (tmp_path / "mine").mkdir()
    assert train(str(tmp_path / name), "-o", str(tmp_path / "mine"), *TINY) in (2, 4)
    assert (tmp_path / "mine").exists()


def test_a_validation_folder_that_is_none_is_told_without_options_of_eval(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(str(data), "-o", str(tmp_path / "a"), "--val", str(data), *TINY) == 4
    message = capsys.readouterr().err
    assert "has no folder HR or LRbicx4" in message
    assert "--hr" not in message


def test_a_run_tells_its_setup_its_place_and_a_warmup_that_it_did_not_finish(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a"
    assert train(str(data), "-o", str(folder), "-v", "--warmup", "9", "--device", "cpu", *TINY) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"training on cpu in (fp32|bf16), 1 threads, 1 of 1 ranks, batches of 2", err)
    assert "ended after 4 steps, within its warm-up of 9; give it more --max-time or --steps" in err
    assert f"the run is in {folder}; its weights are ema.safetensors, last.safetensors\n" in err
    assert train(str(data), "-o", str(tmp_path / "b"), "-q", "--warmup", "4", *TINY) == 0
    assert capsys.readouterr() == ("", "")


def test_json_lines_are_all_there_is_on_stdout(
    data: Path, small_data_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(data), "-o", str(tmp_path / "a"), "--val", str(small_data_set), "--json", *TINY]
    assert train(*arguments) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["event"] for record in records] == ["validation", *["step"] * 4, "validation"]
    assert [record["steps"] for record in records] == [0, 1, 2, 3, 4, 4]
    assert records[1].keys() >= {"loss", "learning_rate", "steps_per_second", "waited", "progress", "seconds"}
    assert records[0]["scores"]["Small"].keys() == {"psnr", "ssim"}


def test_a_perfect_validation_is_json_wherever_it_is_told(
    data: Path, bilinear_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "White" / "HR").mkdir(parents=True)
    Image.new("RGB", (64, 64), "white").save(tmp_path / "White" / "HR" / "a.png")
    tiny = [*TINY, "--channels", "4", "--init-from", str(bilinear_weights), "--val", str(tmp_path / "White")]
    assert train(str(data), "-o", str(tmp_path / "a"), "--json", *tiny) == 0
    told = strictly_read(capsys.readouterr().out.splitlines()[0])
    logged = strictly_read((tmp_path / "a" / "log.jsonl").read_text().splitlines()[0])
    with safe_open(tmp_path / "a" / "best.safetensors", "numpy") as file:
        kept = strictly_read(file.metadata()["ripfdn"])["provenance"]
    for record in (told, logged, kept):
        assert record["scores"]["White"]["psnr"] == "inf"


def test_the_same_command_again_needs_resume_and_then_goes_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(data), "-o", str(tmp_path / "a"), "-q", *TINY]
    assert train(*arguments, "--resume") == 0  # nothing there yet: it begins
    assert train(*arguments) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert train(*arguments, "--resume") == 0
    assert "nothing is left to train" in capsys.readouterr().err
    assert train("-o", str(tmp_path / "a"), "--resume", "-q", "--seed", "5") == 2
    assert "seed was 0, now 5" in capsys.readouterr().err
    assert load_state(tmp_path / "a").position.steps == 4


def test_a_branch_is_a_folder_in_that_of_the_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a"
    stable = [*TINY, "--schedule", "constant", "--warmup", "0"]
    assert train(str(data), "-o", str(folder), "-q", "--branch-decay", "3", *stable) == 2
    assert "has no saved state to branch from" in capsys.readouterr().err
    assert not folder.exists()
    assert train(str(data), "-o", str(folder), "-q", *stable) == 0
    assert train("-o", str(folder), "-q", "--branch-decay", "3") == 0
    branch = Checkpoint.load(folder / "branch-4" / "last.safetensors")
    assert branch.provenance["steps"] == 7
    assert Checkpoint.load(folder / "last.safetensors").provenance["steps"] == 4
    assert train("-o", str(folder), "-q", "--branch-decay", "soon") == 2
    assert "branch-decay 'soon' is not a time" in capsys.readouterr().err


def test_what_is_wrong_costs_no_folder(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a"
    for arguments, message in (
        (["-o", str(folder)], "no folder of pictures is given"),
        ([str(data), "-o", str(folder), "--patch", "x"], "patch 'x' is not a whole number"),
        ([str(data)], "--output is missing"),
        ([str(data), "-o", str(folder), "--learning-rat", "1"], "No such option"),
        ([str(data), "-o", str(folder), "--preset", "quack"], "'quack'"),
        (["-o", str(folder), "--resume"], "no folder of pictures is given"),
    ):
        assert train(*arguments) == 2
        assert message in capsys.readouterr().err
    assert not folder.exists()


def test_unreadable_data_and_weights(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(str(tmp_path / "none"), "-o", str(tmp_path / "a"), *TINY) == 4
    assert "is not a folder" in capsys.readouterr().err
    assert (
        train(str(data), "-o", str(tmp_path / "a"), "--init-from", str(tmp_path / "w.safetensors"), *TINY)
        == 4
    )
    assert train(str(data), "-o", str(tmp_path / "a"), "--val", str(data), *TINY) == 4
    assert "has no folder HR" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert train(str(data), "-o", str(tmp_path / "file" / "a"), *TINY) == 5
    told = capsys.readouterr().err
    assert f"can't write {tmp_path / 'file' / 'a'}: Not a directory; check" in told
    assert train(str(data), "-o", str(tmp_path / "file"), *TINY) == 5
    assert f"{tmp_path / 'file'} is a file, not a folder" in capsys.readouterr().err


def test_printed_settings_are_a_file_for_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("some/data", "--preset", "factsheet", "--batch", "8,16", "--print-config") == 0
    printed = capsys.readouterr().out
    path = tmp_path / "run.toml"
    path.write_text(printed, encoding="utf-8")
    assert train("--config", str(path), "--print-config") == 0
    assert capsys.readouterr().out == printed
    assert tomllib.loads(printed)["batch"] == [8, 16]
    assert tomllib.loads(printed)["data"] == ["some/data"]


def test_pairs_are_shown_and_nothing_is_trained(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "pairs.png"
    command = [str(data), "--degrade", *TINY, "--show-pairs", "5", str(page)]
    assert train(*command) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "5 pairs" in told.err
    with Image.open(page) as sheet:
        assert sheet.size == (8 + 2 * (128 + 8), 8 + 3 * (64 + 8))
    assert list(tmp_path.iterdir()) == [page]
    assert train(*command) == 5
    assert "--overwrite" in capsys.readouterr().err
    assert train(*command, "--overwrite") == 0
    capsys.readouterr()
    assert train(str(data), "--show-pairs", "5", str(tmp_path / "page.html")) == 2
    assert "page.png" in capsys.readouterr().err
    assert train(*command, "-o", str(tmp_path / "a"), "--resume") == 2
    assert "leave out --resume" in capsys.readouterr().err
    assert train(str(data), "-o", str(tmp_path / "a"), "--overwrite", *TINY) == 2
    assert "--overwrite is for --show-pairs" in capsys.readouterr().err


def test_a_degrade_preset_is_short_for_two_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("photos", "--degrade-preset", "phone", "--print-config") == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert (printed["degrade"], printed["degradations"]) == (True, "phone")
    for contradiction in (["--no-degrade"], ["--degradations", "wild"]):
        assert train("photos", "--degrade-preset", "phone", *contradiction, "--print-config") == 2
        assert "leave them out" in capsys.readouterr().err


def test_an_option_that_does_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("photos", "--overshoot", "0", "--print-config") == 0
    assert "--overshoot has no effect without --sharpen\n" in capsys.readouterr().err
    assert train("photos", "--degradations", "phone", "--print-config") == 0
    assert tomllib.loads(capsys.readouterr().out)["degrade"] is True
    assert train("photos", "--degradations", "phone", "--no-degrade", "--print-config") == 2
    assert "--degrade is off; leave one of them out" in capsys.readouterr().err


def test_every_setting_has_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--help") == 0
    text = capsys.readouterr().out
    for name in FIELDS.keys() - {"data"}:
        assert f"--{name.replace('_', '-')}" in text


def test_help_imports_no_torch() -> None:
    code = """
import sys
from ripfdn_cli.cli.main import main
try:
    main(["train", "--print-config"])
except SystemExit:
    print("torch" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "False"


def test_a_rank_without_the_others_is_told(data: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "ripfdn_cli", "train", str(data), "-o", str(tmp_path / "a"), *TINY]
    environment = {**os.environ, "RANK": "0", "WORLD_SIZE": "2"}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "start distributed runs with torchrun" in done.stderr


def test_a_resumed_run_says_how_long_the_rest_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """What was done before costs none of this session's time: 1 % in a fifth of a second leaves ten."""

    class TalkativeConsole(Console):
        def progress(self, **options: Any) -> Any:
            return super().progress(**options, seconds=0)

    console = TalkativeConsole()
    console.configure(quiet=False, verbose=False, json=False)
    with _Watcher(console) as watcher:
        for done in (0.5, 0.51):
            watcher.stepped(StepReport(100, done, 60.0, 0.1, 1e-3, 2.0, 0.0, 16, 2))
            time.sleep(0.2)
    shown = re.search(r"51.0 %, (\d+):(\d+) left", capsys.readouterr().err)
    assert shown
    assert 60 * int(shown[1]) + int(shown[2]) >= 9
