"""The converted graph of a small network."""

from typing import Any

import pytest
from support.golden_pairs import golden_checkpoint

from ripfdn_cli.engines.openvino_graph import converted_graph, from_bytes, to_bytes


@pytest.fixture(scope="module")
def converted() -> bytes:
    """The graph as it is converted, with no rewrites."""
    return to_bytes(converted_graph(golden_checkpoint(), rewritten=False))


@pytest.fixture
def plain(converted: bytes) -> Any:
    return from_bytes(converted)
