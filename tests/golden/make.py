"""Make the golden files: small networks of each scale, and what they give for random pictures.

Run by hand: `PYTHONPATH=tests python tests/golden/make.py`. The results are those of `ReferenceNetwork`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from support.reference_network import ReferenceNetwork

from ripfdn_cli.model.architecture import SCALES, NetworkConfig
from ripfdn_cli.model.network import RIPFDN, DistillationBlock, bilinear_start, to_checkpoint

FOLDER = Path(__file__).parent
SIZES = ((15, 15), (16, 31))
"""Height and width of the pictures: the smallest there is, and one that fits no grid."""


def golden_network(scale: int) -> RIPFDN:
    """Bilinear upscaling, off by a few levels that every part of the network has a hand in."""
    torch.manual_seed(scale)
    network = RIPFDN(NetworkConfig(scale=scale, channels=8, blocks=2))
    bilinear_start(network)
    with torch.no_grad():
        network.deep.weight.mul_(25)
        for block in network.blocks:
            assert isinstance(block, DistillationBlock)
            block.attention.expand.weight.mul_(4)
            block.attention.pooled3.weight.mul_(8)
    return network


def golden_pairs(network: RIPFDN) -> dict[str, np.ndarray]:
    """`input_i` (h, w, 3) uint8 and `output_i` (s·h, s·w, 3) float32, for each of SIZES."""
    rng = np.random.default_rng(network.config.scale)
    reference, pairs = ReferenceNetwork(network.config, network.state_dict()), {}
    for index, (height, width) in enumerate(SIZES):
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        pairs[f"input_{index}"], pairs[f"output_{index}"] = pixels, reference.upscale(pixels)
    return pairs


def main() -> None:
    for scale in SCALES:
        network = golden_network(scale)
        to_checkpoint(network, {"data": "none", "made_by": "tests/golden/make.py"}).save(
            FOLDER / f"small_x{scale}.safetensors"
        )
        pairs: dict[str, Any] = dict(golden_pairs(network))
        np.savez_compressed(FOLDER / f"small_x{scale}.npz", **pairs)


if __name__ == "__main__":
    main()
