import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.degradation_recipes import Blur, Save
from ripfdn_cli.training.presets import PRESETS, resolve_settings
from ripfdn_cli.training.settings import FIELDS, TrainingSettings, recipe_of


@pytest.mark.parametrize("preset", PRESETS)
def test_printed_settings_give_the_same_settings(preset: str, tmp_path: Path) -> None:
    settings = resolve_settings(preset, None, {"data": ['it\'s "here"', "ü\\n"], "fft": "0.1", "clip": 0.5})
    path = tmp_path / "settings.toml"
    path.write_text(settings.to_toml(), encoding="utf-8")
    assert resolve_settings(None, path, {}) == settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rat": 1}, "unknown setting 'learning_rat'; did you mean 'learning_rate'?"),
        ({"loss": "l3"}, "`loss` 'l3' is not one of l1, mse, charbonnier"),
        ({"batch": "many"}, "`batch` 'many' is not a whole number"),
        ({"batch": 0}, "`batch` 0 is out of range"),
        ({"patch": "16.5"}, "`patch` '16.5' is not a whole number"),
        ({"patch": 12}, "`patch` 12 is out of range"),
        ({"patch": "48,64,80"}, "`patch` has 3 values for 2 stages"),
        ({"max_time": "soon"}, "`max_time` 'soon' is not a time"),
        ({"validate_every": "0s"}, "`validate_every` '0s' is not an interval"),
        ({"scale": 5}, "scale 5 is not one of"),
        ({"deterministic": "yes"}, "`deterministic` 'yes' is not true or false"),
        ({"batch": True}, "`batch` True is not a whole number"),
        ({"max_time": 0}, "neither `steps` nor `max_time`"),
        ({"betas": "0.9"}, "`betas` takes two values"),
        ({"start": "random", "init_from": "x4"}, "contradict"),
        ({"data": ["a", "b"], "lr_folder": ["c"]}, "names 1 folders for 2 of pictures"),
        (
            {"data": ["a"], "lr_folder": ["b"], "degrade": True},
            "`lr_folder` and `degrade` exclude each other",
        ),
        ({"data": ["a"], "lr_folder": ["b"], "shrink": 0.5}, "`lr_folder` and `shrink` exclude each other"),
        (
            {"patch": "32,64", "ms_ssim": "0.1,0"},
            "`ms_ssim` needs patches of 176 HR px, and `patch` 32 has 128; raise it to 44",
        ),
        ({"learning_rate": "nan"}, "`learning_rate` nan is not a finite number"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        resolve_settings("quick", None, values)


def test_every_setting_has_a_line_of_help() -> None:
    assert all(item.metadata["help"].endswith(".") for item in FIELDS.values())


def test_every_value_in_a_table_of_ranges_or_choices_is_checked() -> None:
    for name, item in FIELDS.items():
        wrong = "nonsense" if item.metadata["choices"] else None
        if item.metadata["range"] is not None:
            wrong = item.metadata["range"][1] * 2 + 1
        if wrong is not None:
            with pytest.raises(UsageError, match=f"`{name}`"):
                resolve_settings("quick", None, {name: wrong})


@pytest.mark.parametrize("wrong", ["nan", "inf", "-inf"])
def test_no_number_may_be_infinite_or_none(tmp_path: Path, wrong: str) -> None:
    """By an option, by a file or in Python."""
    numbers = [name for name, item in FIELDS.items() if re.search("int|float", str(item.type))]
    assert len(numbers) > 35
    path = tmp_path / "settings.toml"
    for name in (*numbers, "validate_every", "save_every"):
        for value in (wrong, float(wrong)):
            with pytest.raises(UsageError, match=f"`{name}`"):
                resolve_settings("quick", None, {name: value})
        path.write_text(f"{name} = {wrong}\n")
        with pytest.raises(UsageError, match=f"`{name}`"):
            resolve_settings("quick", path)
        given: Any = (float(wrong),) if isinstance(FIELDS[name].default, tuple) else float(wrong)
        if name not in ("validate_every", "save_every"):
            with pytest.raises(UsageError, match=f"`{name}`"):
                TrainingSettings(**{"steps": 1, name: given})


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("batch = = 3")
    with pytest.raises(UsageError, match="are not TOML"):
        resolve_settings(None, path, {})
    with pytest.raises(UsageError, match="can't read settings"):
        resolve_settings(None, tmp_path / "none.toml", {})


def test_toml_is_toml() -> None:
    text = resolve_settings("quick", None, {"learning_rate": "1e-05"}).to_toml()
    assert tomllib.loads(text)["learning_rate"] == [1e-5]


def test_one_value_stands_for_all_stages() -> None:
    settings = TrainingSettings(steps=10, share=(1, 1, 2), patch=(16, 24, 32), batch=(4,))
    assert [(stage.patch, stage.batch, stage.start, stage.end) for stage in settings.stages] == [
        (16, 4, 0.0, 0.25),
        (24, 4, 0.25, 0.5),
        (32, 4, 0.5, 1.0),
    ]


STEPS = '[[step]]\nkind = "blur"\nsigma = [0.1, 0.8]\n'


def test_degradations_of_a_file_become_part_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(STEPS, encoding="utf-8")
    settings = resolve_settings("quick", None, {"degradations": str(tmp_path / "mine.toml")})
    (tmp_path / "mine.toml").unlink()
    (tmp_path / "run.toml").write_text(settings.to_toml(), encoding="utf-8")
    again = resolve_settings(None, tmp_path / "run.toml", {})
    assert again == settings
    assert recipe_of(again.degradations).steps == (Blur(sigma=(0.1, 0.8)),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STEPS + "[[step]]", "mine.toml: step 2: kind None is not one of blur, ringing"),
        (STEPS.replace("blur", "blurr"), "kind 'blurr' is not one of .*; did you mean 'blur'"),
        (STEPS.replace("sigma", "sigmas"), r"step 1 \(blur\): unknown key 'sigmas'; did you mean 'sigma'"),
        ('[[step]]\nkind = "blur"', r"step 1 \(blur\): sigma is missing"),
        (STEPS.replace("0.1", "0.9"), r"sigma \[0.9, 0.8\] is not a range"),
        (STEPS.replace("0.8", "80"), r"sigma \[0.1, 80\] is out of range: 0 to 20"),
        (STEPS.replace("0.8", "nan"), "is out of range"),
        (STEPS.replace("0.8", "true"), "is not a number or a range"),
        (STEPS + "chance = 2", "chance 2 is out of range: 0 to 1"),
        (STEPS + "chance = [0, 1]", "chance .* is not a number"),
        ('[[step]]\nkind = "save"\nquality = 50\nformats = "GIF"', "formats 'GIF' is not one of JPEG, WEBP"),
        ('[[step]]\nkind = "save"\nquality = 50\nformats = []', "formats is empty"),
        ("untouched = 0.1", "there is no ..step"),
        ("step = 3", "there is no ..step"),
        ("untouch = 1\n" + STEPS, "unknown key 'untouch'; did you mean 'untouched'"),
        ("[[step", "not TOML"),
    ],
)
def test_what_is_wrong_with_steps_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        resolve_settings("quick", None, {"degradations": str(tmp_path / "mine.toml")})
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_degradations_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'phon' is not one of mild, .*; did you mean 'phone'"):
        resolve_settings("quick", None, {"degradations": "phon"})
    with pytest.raises(UsageError, match=r"can't read degradations .*none.toml: No such file"):
        resolve_settings("quick", None, {"degradations": str(tmp_path / "none.toml")})


def test_ms_ssim_may_be_had_in_the_stages_that_are_large_enough() -> None:
    stages = resolve_settings("quick", None, {"patch": "32,44", "ms_ssim": "0,0.1"}).stages
    assert [stage.ms_ssim for stage in stages] == [0.0, 0.1]


def test_published_settings_tell_names_and_no_folders() -> None:
    paths = {
        "data": ["/home/someone/photos/", "more"],
        "val": ["/data/Set5"],
        "init_from": "/home/someone/start.safetensors",
        "teacher": "x4",
    }
    settings = resolve_settings("quick", None, paths)
    published = settings.as_published()
    assert {name: published[name] for name in paths} == {
        "data": ["photos", "more"],
        "val": ["Set5"],
        "init_from": "start.safetensors",
        "teacher": "x4",
    }
    assert {n: v for n, v in published.items() if n not in paths} == {
        n: v for n, v in settings.as_dict().items() if n not in paths
    }
    assert resolve_settings("quick", None, {}).as_published()["init_from"] == ""


@pytest.mark.parametrize("name", ["data", "val", "teacher", "init_from"])
def test_names_that_are_no_utf8_are_refused_at_once(name: str) -> None:
    """They failed after the pictures were prepared, when settings.toml was written."""
    with pytest.raises(UsageError, match=rf"`{name}` 'ph\\udcff' is not UTF-8.*rename"):
        resolve_settings("quick", None, {name: os.fsdecode(b"ph\xff")})


@pytest.mark.parametrize(
    "text",
    [
        'step = [{kind = "blur", sigma = 1.0}, {kind = "save", quality = [40, 90]}]',
        '[[step]]\nkind = "blur"\nsigma = 1.0\n[[step]]\nkind = "save"\nquality = [40, 90]\n',
    ],
    ids=["inline", "tables"],
)
def test_a_recipe_may_be_written_in_any_way_of_toml(tmp_path: Path, text: str) -> None:
    (tmp_path / "rec.toml").write_text(text)
    settings = resolve_settings("quick", None, {"degradations": str(tmp_path / "rec.toml")})
    assert recipe_of(settings.degradations).steps == (Blur(sigma=(1.0, 1.0)), Save(quality=(40.0, 90.0)))
    (tmp_path / "settings.toml").write_text(settings.to_toml())
    assert resolve_settings(None, tmp_path / "settings.toml", {}) == settings
