"""Write the table of settings in docs/training.md anew, from what the settings say of themselves.

python scripts/training_settings.py
"""

from pathlib import Path

from ripfdn_cli.training.settings_table import settings_table

GUIDE = Path(__file__).parents[1] / "docs" / "training.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"


def main() -> None:
    before, rest = GUIDE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    GUIDE.write_text(f"{before}{BEGIN}{settings_table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
