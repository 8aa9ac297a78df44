"""Settings that would be ignored are told, and only those."""

from pathlib import Path
from typing import Any

import pytest

from ripfdn_cli.training.presets import resolve_settings, resumed_settings


@pytest.mark.parametrize(
    ("given", "needed", "told"),
    [
        ({"overshoot": "0"}, {"sharpen": "0,0.8"}, "`overshoot` has no effect without `sharpen`"),
        ({"decay_share": 0.5}, {"schedule": "wsd"}, "`decay_share` has no effect without `schedule` wsd"),
        ({"gan_loss": "bce"}, {"gan": 0.1}, "`gan_loss` has no effect without `gan` or `gan_features`"),
        ({"gan_ramp": 9}, {"gan_features": 1}, "`gan_ramp` has no effect without `gan` or `gan_features`"),
        ({"gan_rate": 2}, {"gan": "0,1"}, "`gan_rate` has no effect without `gan` or `gan_features`"),
        ({"gan_channels": 8}, {"gan": 1}, "`gan_channels` has no effect without `gan` or `gan_features`"),
        ({"shrink_above": 2}, {"shrink": 0.5}, "`shrink_above` has no effect without `shrink`"),
        ({"teacher_share": 1}, {"teacher": "x4"}, "`teacher_share` has no effect without `teacher`"),
        (
            {"teacher_ensemble": "off"},
            {"teacher": "x4"},
            "`teacher_ensemble` has no effect without `teacher`",
        ),
        (
            {"teacher_precision": "bf16"},
            {"teacher": "x4"},
            "`teacher_precision` has no effect without `teacher`",
        ),
        (
            {"crops": 9},
            {"teacher": "x4", "degrade": True, "teacher_sees": "degraded"},
            "`crops` has no effect without `teacher_sees` degraded",
        ),
        (
            {"crop": 99},
            {"teacher": "x4", "degrade": True, "teacher_sees": "degraded"},
            "`crop` has no effect without `teacher_sees` degraded",
        ),
    ],
    ids=str,
)
def test_a_setting_without_what_it_needs_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, given: dict[str, Any], needed: dict[str, Any], told: str
) -> None:
    config = tmp_path / "run.toml"
    config.write_text("".join(f"{name} = {value!r}\n" for name, value in given.items()))
    resolve_settings(None, None, given)
    resolve_settings(None, config, {})
    assert caplog.messages == [told] * 2
    caplog.clear()
    resolve_settings(None, None, given | needed)
    resolve_settings(None, config, needed)
    assert caplog.messages == []


def test_a_file_of_all_settings_warns_of_none_of_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(resolve_settings("factsheet", None, {"batch": 8}).to_toml())
    resolve_settings(None, config, {"seed": 3})
    assert caplog.messages == []
    config.write_text('degrade = false\ndegradations = "phone"\n')
    assert not resolve_settings(None, config, {}).degrade
    assert caplog.messages == ["`degradations` has no effect without `degrade`"]


def test_a_run_that_goes_on_is_told_of_what_is_new(caplog: pytest.LogCaptureFixture) -> None:
    saved = resolve_settings(None, None, {"overshoot": 0.5})
    caplog.clear()
    resumed_settings(saved, {"max_time": "2h"})
    assert caplog.messages == []
    resumed_settings(saved, {"decay_share": "0.4"})
    assert caplog.messages == ["`decay_share` has no effect without `schedule` wsd"]
