"""What networks cost on this machine, from a trial of each."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ripfdn_cli.pipeline.devices import Networks

_TRIAL_SIDE = 128


@dataclass(frozen=True)
class NetworkCost:
    """`seconds` of one device for one picture, and `memory` in bytes for its largest tile."""

    seconds: float = 0.0
    memory: int = 0


class NetworkTrials:
    """Tries each network once, when it is first asked for."""

    def __init__(self) -> None:
        self._rates: dict[int, float] = {}

    def cost(self, networks: Networks, width: int, height: int, scales: Sequence[int]) -> NetworkCost:
        """What a picture of `width` × `height` px costs that goes through the networks of `scales` in turn.

        Raises NetworkUnavailableError, OutOfMemoryError.
        """
        seconds, tile = 0.0, 0
        for number, scale in enumerate(scales):
            growth = prod(scales[:number])
            grid = networks[scale].grid(height * growth, width * growth)
            seconds += grid.computed_pixels * self._rate(networks, scale)
            tile = max(tile, networks[scale].tile_bytes(grid))
        return NetworkCost(seconds, tile)

    def _rate(self, networks: Networks, scale: int) -> float:
        """Seconds per input pixel."""
        if scale not in self._rates:
            trial = np.zeros((_TRIAL_SIDE, _TRIAL_SIDE, 3), np.uint8)
            networks[scale].upscale(trial)  # compiles, allocates
            started = time.perf_counter()
            networks[scale].upscale(trial)
            pixels = networks[scale].grid(*trial.shape[:2]).computed_pixels
            self._rates[scale] = (time.perf_counter() - started) / pixels
        return self._rates[scale]
