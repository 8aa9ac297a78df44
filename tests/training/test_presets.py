from pathlib import Path

import pytest

from ripfdn_cli.training.presets import resolve_settings


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
