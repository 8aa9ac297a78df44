from fractions import Fraction
from typing import Any

import click
import pytest

from ripfdn_cli.cli.sizes import MemorySize, PixelCount, Rectangle, Scale, TileSize


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (MemorySize(), "2G", 2 * 1024**3),
        (MemorySize(), "512 MiB", 512 * 1024**2),
        (MemorySize(), "1.5k", 1536),
        (MemorySize(), "7", 7),
        (PixelCount(), "500M", 500_000_000),
        (PixelCount(), "1.5GP", 1_500_000_000),
        (Scale(), "2.5", Fraction(5, 2)),
        (Scale(), "0.1", Fraction(1, 10)),
        (Rectangle(), "1920x1080", (1920, 1080)),
        (Rectangle(), "3×2", (3, 2)),
        (TileSize(), "auto", "auto"),
        (TileSize(), "none", None),
        (TileSize(), "256", 256),
    ],
)
def test_amounts(kind: Any, text: str, expected: object) -> None:
    assert kind.convert(text, None, None) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((MemorySize(), text) for text in ("", "0", "-1", "2X", "1e9", "0.1", "G")),
        *((PixelCount(), text) for text in ("0", "5T", "many")),
        *((Scale(), text) for text in ("0", "0.0", "-2", "1e3", "4/3", "inf", "12345")),
        *((Rectangle(), text) for text in ("0x5", "5x0", "5", "5x", "5 x 5", "1.5x2")),
        *((TileSize(), text) for text in ("", "-5", "all", "12.5")),
    ],
)
def test_other_texts_are_refused_with_themselves(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert repr(text) in caught.value.message
