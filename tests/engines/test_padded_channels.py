"""Channels of zeros leave the network what it is."""

import numpy as np
import pytest
import torch
from support.golden_pairs import golden_checkpoint

from ripfdn_cli.engines.padded_channels import padded
from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import RIPFDN, build_network, to_checkpoint


def random_checkpoint(config: NetworkConfig) -> Checkpoint:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return to_checkpoint(RIPFDN(config), {})


@pytest.mark.parametrize(
    ("config", "channels", "partial"),
    [
        (NetworkConfig(), 64, 16),
        (NetworkConfig(scale=2, channels=60, blocks=2, partial_ratio=0.2), 64, 16),
        (NetworkConfig(scale=3, channels=48, blocks=1, partial_ratio=0.5), 64, 32),
        (NetworkConfig(channels=100, blocks=1), 128, 32),
    ],
)
def test_the_function_stays(config: NetworkConfig, channels: int, partial: int) -> None:
    """In float64, so that nothing but a wrong place can differ."""
    checkpoint = random_checkpoint(config)
    larger = padded(checkpoint)
    assert (larger.config.channels, larger.config.partial_channels) == (channels, partial)
    pixels = torch.rand(1, 3, 21, 26, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = build_network(checkpoint).double()(pixels)
        result = build_network(larger).double()(pixels)
    assert expected.std() > 0.01
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "checkpoint",
    [
        golden_checkpoint(),
        random_checkpoint(NetworkConfig(channels=64, blocks=1)),
        random_checkpoint(NetworkConfig(channels=60, blocks=1, partial_ratio=0.05)),
    ],
    ids=["too small", "right already", "no room for what is not partial"],
)
def test_what_would_not_gain_stays_as_it_is(checkpoint: Checkpoint) -> None:
    assert padded(checkpoint).config == checkpoint.config
