"""Amounts on the command line: memory (2G), pixels (500M), scales (2.5), rectangles (1920x1080), tiles."""

import re
from fractions import Fraction
from typing import TypeVar

import click

_STEPS = ("", "K", "M", "G", "T")

T = TypeVar("T")


class Amount(click.ParamType[T]):
    """A type that help pages call by its `name`, as it is written."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The type's name."""
        return self.name


class Count(click.IntRange):
    """A whole number of at least `min`, called N in help pages."""

    name = "n"


class MemorySize(Amount[int]):
    """Bytes, from a number with an optional K, M, G or T (powers of 1024)."""

    name = "BYTES"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes, at least 1: "2G" → 2147483648. Fails for anything else."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
        if match is None or (amount := int(float(match[1]) * 1024 ** _STEPS.index(match[2].upper()))) < 1:
            self.fail(f"{value!r} is not an amount of memory; write it as 2G or 512M", param, ctx)
        return amount


class PixelCount(Amount[int]):
    """Pixels, from a number with an optional K, M or G (powers of 1000)."""

    name = "PIXELS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Pixels, at least 1: "500M" → 500000000. Fails for anything else."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)P?", str(value).strip(), re.IGNORECASE)
        if match is None or (amount := int(float(match[1]) * 1000 ** _STEPS.index(match[2].upper()))) < 1:
            self.fail(f"{value!r} is not a number of pixels; write it as 500M", param, ctx)
        return amount


class Scale(Amount[Fraction]):
    """A factor such as 2 or 2.5, exactly as it is written."""

    name = "FACTOR"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """The factor, over 0. Fails for anything else."""
        if isinstance(value, Fraction):
            return value
        if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", str(value)) or (scale := Fraction(str(value))) == 0:
            self.fail(f"{value!r} is not a supported scale; write it as 2 or 2.5", param, ctx)
        return scale


class Rectangle(Amount["tuple[int, int]"]):
    """Width and height in px, as 1920x1080."""

    name = "WxH"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """(width, height) in px, both at least 1. Fails for anything else."""
        match = re.fullmatch(r"(\d+)[x×](\d+)", str(value), re.IGNORECASE)
        if match is None or not (int(match[1]) and int(match[2])):
            self.fail(f"{value!r} is not a width and height; write them as 1920x1080", param, ctx)
        return int(match[1]), int(match[2])


class TileSize(Amount["int | str | None"]):
    """auto, none, or the inner side of a tile in px."""

    name = "auto|none|N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str | None:
        """`auto`, None for none, or px. Fails for anything else."""
        if value == "auto" or isinstance(value, int):
            return value
        if value == "none":
            return None
        if not str(value).isdecimal():
            self.fail(f"{value!r} is not auto, none or a number of pixels", param, ctx)
        return int(str(value))
