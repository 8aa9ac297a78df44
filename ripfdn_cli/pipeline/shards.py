"""A share of the inputs for each job of an array that knows nothing but its number."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pipeline.find_inputs import Source


@dataclass(frozen=True)
class Shard:
    """Number `number` (from 1) of `count` shares. A picture's share is by a hash (SHA-256) of its path below
    the folder it was found in: the same on every machine, whatever the folder is called there and whichever
    pictures come or go.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From 3/16. Raises UsageError."""
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"`shard` {text} is not a share; write the third of sixteen as 3/16")
        return cls(int(match[1]), int(match[2]))

    @property
    def journal(self) -> str:
        """What its journal is called."""
        return f"{self.number}-of-{self.count}"

    def has(self, source: Source) -> bool:
        """Whether `source` belongs to this share."""
        name = source.below.as_posix().encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(name).digest()
        return int.from_bytes(digest[:8]) % self.count == self.number - 1
