"""Arguments from Python programs, where no type checker may have looked: of the right type, or a UsageError
that names them.
"""

import os
from collections.abc import Iterable
from operator import index
from typing import Any

from ripfdn_cli.errors import UsageError


def whole_number(name: str, value: Any, unit: str = "") -> int:
    """`value`, a whole number of any type, NumPy's too, but no bool; `unit`, such as " of pixels", is for the
    message.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)
    except TypeError as error:
        raise UsageError(f"`{name}` {value!r} is not a whole number{unit}") from error


def number(name: str, value: Any) -> float:
    """`value`, a number of any type, NumPy's too, but no bool."""
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"`{name}` {value!r} is not a number") from error


def switch(name: str, value: Any) -> bool:
    """`value`, a bool, NumPy's too."""
    if isinstance(value, bool):
        return value
    if str(getattr(value, "dtype", "")) == "bool" and value.ndim == 0:
        return bool(value)
    raise UsageError(f"`{name}` {value!r} is neither True nor False")


def text(name: str, value: Any) -> str:
    """`value`, a str."""
    if not isinstance(value, str):
        raise UsageError(f"`{name}` {value!r} is not a str")
    return value


def place(name: str, value: Any) -> str:
    """`value`, a path or a URL, as text."""
    if _is_path_of_store(value):
        return str(value)
    found = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(found, str):
        raise UsageError(f"`{name}` {value!r} is not a path; pass a str or a Path")
    return found


def several(name: str, value: Any) -> list[Any]:
    """`value`, a sequence or one str or path, as a list."""
    if isinstance(value, str | os.PathLike) or _is_path_of_store(value):
        return [value]
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise UsageError(f"`{name}` {value!r} is neither a str nor a sequence of them")
    return list(value)


def _is_path_of_store(value: Any) -> bool:
    """Of universal_pathlib, whose paths are no os.PathLike outside the file system."""
    return not isinstance(value, os.PathLike) and hasattr(value, "joinpath")
