"""Amounts of memory on the command line: 2G, 512M, 1.5GiB."""

import re

import click

_FACTORS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class MemorySize(click.ParamType[int]):
    """Bytes, from a number with an optional K, M, G or T (powers of 1024)."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
        if match is None or (amount := int(float(match[1]) * _FACTORS[match[2].upper()])) < 1:
            self.fail(f"{value!r} is no amount of memory; write it as 2G or 512M", param, ctx)
        return amount
