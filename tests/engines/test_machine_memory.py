from pathlib import Path

import pytest

from ripfdn_cli.engines import machine_memory
from ripfdn_cli.engines.machine_memory import default_memory

GIB = 2**30


@pytest.mark.parametrize(
    ("physical", "limit", "expected"),
    [
        (64 * GIB, None, 4 * GIB),
        (8 * GIB, None, 2 * GIB),
        (64 * GIB, str(2 * GIB), GIB // 2),
        (8 * GIB, "max\n", 2 * GIB),
        (8 * GIB, str(100 * GIB), 2 * GIB),
    ],
)
def test_a_quarter_and_no_more_than_4_gib(
    physical: int, limit: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(machine_memory, "_CONTAINER_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr(machine_memory, "_physical_memory", lambda: physical)
    assert default_memory() == expected


def test_this_machine_has_some() -> None:
    assert 2**28 < machine_memory.machine_memory() < 2**50
