from ripfdn_cli.evaluation.complexity import count_complexity
from ripfdn_cli.model.architecture import NetworkConfig


def test_the_published_network_costs_what_was_published() -> None:
    cost = count_complexity(NetworkConfig())
    assert cost.parameters == 261_868
    assert cost.convolutions == 84
    assert round(cost.macs / 1e9, 2) == 15.52
    assert round(cost.activations / 1e6, 1) == 154.2


def test_the_upsampler_alone_tells_scales_apart() -> None:
    """3·s² outputs of a 3×3 over 52 channels, at the LR size."""
    x2, x3 = (count_complexity(NetworkConfig(scale=scale), height=32, width=48) for scale in (2, 3))
    assert x3.activations - x2.activations == (27 - 12) * 32 * 48
    assert x3.macs - x2.macs == (27 - 12) * 32 * 48 * 52 * 9
    assert x3.parameters - x2.parameters == (27 - 12) * (52 * 9 + 1)
    assert x3.convolutions == x2.convolutions
