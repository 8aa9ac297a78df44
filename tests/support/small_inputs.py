"""Small networks and pictures made by code, for many tests."""

import numpy as np
import torch
from numpy.typing import NDArray

from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.model.network import RIPFDN


def small_network(scale: int = 4, seed: int = 0) -> RIPFDN:
    """An untrained network of some thousand parameters, the same for the same arguments."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RIPFDN(NetworkConfig(scale=scale, channels=8, blocks=2)).eval()


def photograph(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """(`height`, `width`, 3): smooth shapes, on which interpolations are neither perfect nor useless."""
    rows, columns = np.indices((height, width))
    waves = [128 + 100 * np.sin(rows / (5 + c) + seed) * np.cos(columns / (7 - c)) for c in range(3)]
    return np.stack(waves, axis=-1).clip(0, 255).astype(np.uint8)
