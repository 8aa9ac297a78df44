from typing import Any

import pytest
from support.golden_pairs import golden_checkpoint
from support.network_graphs import PICTURE, result_of

from ripfdn_cli.engines.openvino_graph import from_bytes, network_bytes
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network
from ripfdn_cli.model.weights_store import load_weights

torch = pytest.importorskip("torch")


def difference(model: Any, checkpoint: Checkpoint) -> Any:
    """Of `model`'s result and torch's, on the picture of `result_of`."""
    with torch.no_grad():
        expected = build_network(checkpoint)(torch.from_numpy(PICTURE))
    return torch.nn.functional.pixel_shuffle(torch.from_numpy(result_of(model)), 4) - expected


def test_converted_graph_is_the_network(plain: Any) -> None:
    assert difference(plain, golden_checkpoint()).abs().max() < 5e-6


def test_the_conversion_folds_the_channel_scale(plain: Any) -> None:
    """Only the gates of the attention are left to multiply by."""
    multiplications = [node for node in plain.get_ordered_ops() if node.get_type_name() == "Multiply"]
    assert len(multiplications) == 2
    for node in multiplications:
        assert "Sigmoid" in {node.input(i).get_source_output().get_node().get_type_name() for i in (0, 1)}


@pytest.mark.parametrize(("amx", "channels"), [(True, 64), (False, 52)])
def test_channels_are_padded_in_bf16_for_amx_alone(amx: bool, channels: int) -> None:
    """Without AMX, zeros cost 8 % of the time."""
    model = from_bytes(network_bytes(load_weights("x4"), rewritten=True, precision="bf16", amx=amx))
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    widths = {node.output(0).get_partial_shape()[1].get_length() for node in convolutions}
    assert max(widths) == channels
    assert 0 < difference(model, load_weights("x4")).square().mean().sqrt() < 0.003, "weights have eight bits"
