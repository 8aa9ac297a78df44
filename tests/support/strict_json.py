"""JSON as its standard has it (RFC 8259): Python's own reader takes Infinity and NaN for numbers."""

import json
from typing import Any, NoReturn


def strictly_read(text: str | bytes) -> Any:
    """The value of `text`. Raises ValueError for what readers of other languages refuse."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)
