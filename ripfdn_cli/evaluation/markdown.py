"""Markdown tables, aligned so that they read well as plain text."""

import unicodedata
from collections.abc import Sequence


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> list[str]:
    """The lines of a table: the first `words` columns are aligned to the left, the others, numbers, to the
    right.
    """
    widths = [max(map(_width, texts)) for texts in zip(headings, *rows, strict=True)]
    rule = ["-" * width if i < words else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return [_line(texts, widths, words) for texts in (headings, rule, *rows)]


def escaped(text: str) -> str:
    """A name that can't end a cell or a line."""
    return " ".join(text.replace("|", "\\|").split())


def _line(texts: Sequence[str], widths: Sequence[int], words: int) -> str:
    padded = []
    for i, (text, width) in enumerate(zip(texts, widths, strict=True)):
        space = " " * (width - _width(text))
        padded.append(text + space if i < words else space + text)
    return f"| {' | '.join(padded)} |"


def _width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
