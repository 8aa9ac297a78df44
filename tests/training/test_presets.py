from pathlib import Path

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.presets import resolve_settings
from ripfdn_cli.training.settings import TrainingSettings


def test_the_factsheets_two_stages() -> None:
    """DIV2K + Flickr2K recipe of AVC2_CMHI_SR in the NTIRE 2023 report."""
    settings = resolve_settings("factsheet", None, {})
    assert settings.steps == 1_700_000
    first, second = settings.stages
    assert (first.batch, second.batch) == (64, 256)
    assert first.end * settings.steps == pytest.approx(1_200_000)
    for stage in (first, second):
        assert (stage.patch, stage.loss, stage.fft, stage.learning_rate) == (64, "l1", 0.0, 5e-4)
    assert (settings.optimizer, settings.scale, settings.channels, settings.blocks) == ("adam", 4, 52, 4)


def test_quick_ends_on_larger_patches_with_mse() -> None:
    first, second = resolve_settings("quick", None, {}).stages
    assert (first.loss, first.fft, second.loss) == ("l1", 0.05, "mse")
    assert second.patch > first.patch
    assert second.start == pytest.approx(0.75)


def test_flags_come_after_the_file_and_the_file_after_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('preset = "factsheet"\nbatch = 8\nema = 0.9\n')
    settings = resolve_settings(None, path, {"ema": "0.5"})
    assert (settings.batch, settings.ema, settings.steps) == ((8,), 0.5, 1_700_000)


def test_steps_without_a_time_limit_are_not_cut_short_by_the_presets(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("steps = 5000\n")
    for config, flags, expected in (
        (None, {"steps": "90000"}, (90000, 0.0)),
        (path, {}, (5000, 0.0)),
        (path, {"max_time": "2h"}, (5000, 7200.0)),
        (None, {"steps": 7, "max_time": "25m"}, (7, 1500.0)),
        (None, {"steps": 0}, (0, 3600.0)),
        (None, {}, (0, 3600.0)),
    ):
        settings = resolve_settings(None, config, flags)
        assert (settings.steps, settings.max_time) == expected
    path.write_text('steps = 5000\nmax-time = "1h"\n')
    assert resolve_settings(None, path, {}).max_time == 3600.0


def test_named_degradations_turn_degrading_on(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('degradations = "web"\n')
    for config, flags, expected in (
        (None, {"degradations": "phone"}, (True, "phone")),
        (path, {}, (True, "web")),
        (path, {"degrade": False}, (False, "web")),
        (path, {"degradations": "scan"}, (True, "scan")),
    ):
        settings = resolve_settings(None, config, flags)
        assert (settings.degrade, settings.degradations) == expected
    path.write_text("degrade = false\n")
    assert resolve_settings(None, path, {"degradations": "mild"}).degrade
    with pytest.raises(UsageError, match=r"`degradations` .* `degrade` is off; leave one of them out"):
        resolve_settings(None, path, {"degradations": "web", "degrade": False})


def test_settings_without_a_preset_are_not_said_to_be_of_one(tmp_path: Path) -> None:
    own = TrainingSettings(data=("photos",), steps=10, fft=(0.2,))
    assert (own.preset, own.as_published()["preset"]) == ("", "none")
    path = tmp_path / "settings.toml"
    path.write_text(own.to_toml())
    assert resolve_settings(None, path, {}) == own
    quick = resolve_settings("quick", changes={"data": "photos", "max-time": "1h"})
    assert quick.as_published()["preset"] == "quick"
    assert (quick.data, quick.max_time, quick.patch, quick.loss) == (
        ("photos",),
        3600.0,
        (48, 64),
        ("l1", "mse"),
    )
    path.write_text('preset = "none"\n')
    with pytest.raises(UsageError, match="`preset` 'none' is not one of factsheet, quick"):
        resolve_settings(None, path)
