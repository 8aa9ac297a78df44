from pathlib import Path

from ripfdn_cli.training.settings import FIELDS
from ripfdn_cli.training.settings_table import settings_table


def test_the_guide_lists_the_settings_as_they_are() -> None:
    """Written by scripts/training_settings.py."""
    guide = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    table = settings_table()
    assert f"<!-- settings -->\n{table}<!-- end of settings -->" in guide
    lines = {line.split("|")[1].strip(" `*†"): line for line in table.splitlines()[2:]}
    assert lines.keys() == {name.replace("_", "-") for name in FIELDS}
    assert "| 0 to 0.999999 |" in " ".join(lines["ema"].split())
    assert "adam, adamw, soap" in lines["optimizer"]
