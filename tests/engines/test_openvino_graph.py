from typing import Any

import numpy as np
import pytest
from support.golden_pairs import golden_checkpoint
from support.network_graphs import SIDE, result_of

from ripfdn_cli.model.network import build_network

torch = pytest.importorskip("torch")


def test_converted_graph_is_the_network(plain: Any) -> None:
    pixels = torch.from_numpy(np.random.default_rng(3).random((1, 3, SIDE, SIDE), np.float32))
    with torch.no_grad():
        expected = build_network(golden_checkpoint())(pixels)
    shuffled = torch.nn.functional.pixel_shuffle(torch.from_numpy(result_of(plain)), 4)
    np.testing.assert_allclose(shuffled, expected, rtol=0, atol=5e-6)


def test_the_conversion_folds_the_channel_scale(plain: Any) -> None:
    """Only the gates of the attention are left to multiply by."""
    multiplications = [node for node in plain.get_ordered_ops() if node.get_type_name() == "Multiply"]
    assert len(multiplications) == 2
    for node in multiplications:
        assert "Sigmoid" in {node.input(i).get_source_output().get_node().get_type_name() for i in (0, 1)}
