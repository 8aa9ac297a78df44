"""The settings of training as a table for people."""

from dataclasses import Field
from typing import Any

from ripfdn_cli.evaluation.markdown import escaped, markdown_table
from ripfdn_cli.training.settings import FIELDS, STAGED

HEADINGS = ("setting", "default", "values", "what it is")


def settings_table() -> str:
    """Markdown: name, default, range or choices and help of each setting. `*`: one value for each stage;
    `†`: may differ when a run is resumed.
    """
    rows = [
        (_name(name, item), _default(item), _values(item), escaped(item.metadata["help"]))
        for name, item in FIELDS.items()
    ]
    return "\n".join(markdown_table(HEADINGS, rows, words=len(HEADINGS))) + "\n"


def _name(name: str, item: Field[Any]) -> str:
    staged = "*" if name in STAGED or name == "share" else ""
    return f"`{name.replace('_', '-')}`{staged}{'†' if item.metadata['resumable'] else ''}"


def _default(item: Field[Any]) -> str:
    values = item.default if isinstance(item.default, tuple) else (item.default,)
    return ", ".join(_text(value) for value in values) or "–"


def _values(item: Field[Any]) -> str:
    if item.metadata["choices"]:
        more = [".toml file"] if item.metadata["others"] else []
        return ", ".join([*item.metadata["choices"], *more])
    bounds = item.metadata["range"]
    return f"{_text(bounds[0])} to {_text(bounds[1])}" if bounds else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return (f"{value:g}" if isinstance(value, (int, float)) else value) or "–"
