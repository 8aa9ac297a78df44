"""Which functions of a module are called, in what order; the real ones run."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest


def recorded_calls(monkeypatch: pytest.MonkeyPatch, module: ModuleType, names: Sequence[str]) -> list[str]:
    """A list that gets the name of each of `names` in `module` when it is called."""
    called: list[str] = []

    def watch(name: str) -> None:
        real = getattr(module, name)

        def call(*args: Any, **options: Any) -> Any:
            called.append(name)
            return real(*args, **options)

        monkeypatch.setattr(module, name, call)

    for name in names:
        watch(name)
    return called
