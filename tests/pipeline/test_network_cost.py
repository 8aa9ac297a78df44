"""Costs of networks: in proportion to the pixels that go through them."""

from pathlib import Path

import pytest

from ripfdn_cli.pipeline.devices import Networks, NetworkSettings
from ripfdn_cli.pipeline.network_cost import NetworkCost, NetworkTrials


@pytest.fixture(scope="module")
def networks(enlarging_weights: dict[int, Path]) -> Networks:
    choices = {scale: str(path) for scale, path in enlarging_weights.items()}

    settings = NetworkSettings(weights=choices[2], engine="torch", precision="fp32", threads=1)
    return Networks(choices, settings, "cpu")


def test_nothing_costs_nothing(networks: Networks) -> None:
    assert NetworkTrials().cost(networks, 640, 480, ()) == NetworkCost(0.0, 0)


def test_seconds_go_by_pixels_and_memory_by_the_largest_tile(networks: Networks) -> None:
    trials = NetworkTrials()
    small, large = trials.cost(networks, 100, 80, (2,)), trials.cost(networks, 200, 160, (2,))
    assert small.seconds > 0
    assert large.seconds == pytest.approx(4 * small.seconds)
    assert large.memory > small.memory == networks[2].tile_bytes(networks[2].grid(80, 100))


def test_a_second_network_sees_what_the_first_made(networks: Networks) -> None:
    trials = NetworkTrials()
    first, second = trials.cost(networks, 60, 50, (2,)), trials.cost(networks, 120, 100, (3,))
    both = trials.cost(networks, 60, 50, (2, 3))
    assert both.seconds == pytest.approx(first.seconds + second.seconds)
    assert both.memory == second.memory
