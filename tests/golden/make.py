"""Make the golden files: small networks of each scale, and what they give for random pictures.

Run by hand: `python tests/golden/make.py`. The results are computed in float64 by a second implementation,
written from the network's definition and with torch's own bilinear resize, so that an engine is held to the
definition and not to itself.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, interpolate, max_pool2d, pixel_shuffle, relu

from ripfdn_cli.architecture import SCALES, NetworkConfig
from ripfdn_cli.network import RIPFDN, bilinear_start, to_checkpoint

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
            block.attention.expand.weight.mul_(4)
            block.attention.pooled3.weight.mul_(8)
    return network


class Reference:
    """The network in float64, from its definition, on the tensors of a `RIPFDN` by name."""

    def __init__(self, network: RIPFDN) -> None:
        self.config = network.config
        self.tensors = {name: tensor.double() for name, tensor in network.state_dict().items()}

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.tensors[f"{name}.weight"]
        padding = weight.shape[-1] // 2 if stride == 1 else 0
        return conv2d(x, weight, self.tensors[f"{name}.bias"], stride=stride, padding=padding)

    def pcrb(self, name: str, u: Tensor) -> Tensor:
        partial = self.config.partial_channels
        spatial = self.conv(f"{name}.spatial", u[:, :partial])
        return gelu(self.conv(f"{name}.mix", torch.cat((spatial, u[:, partial:]), 1)) + u)

    def esa(self, name: str, v: Tensor) -> Tensor:
        a = self.conv(f"{name}.reduce", v)
        q = max_pool2d(self.conv(f"{name}.stride", a, stride=2), 7, stride=3)
        q = relu(self.conv(f"{name}.pooled1", q))
        q = self.conv(f"{name}.pooled3", relu(self.conv(f"{name}.pooled2", q)))
        up = interpolate(q, size=v.shape[2:], mode="bilinear", align_corners=False)
        return v * torch.sigmoid(self.conv(f"{name}.expand", up + self.conv(f"{name}.skip", a)))

    def block(self, name: str, x: Tensor) -> Tensor:
        r1 = self.pcrb(f"{name}.refine1", x)
        d1 = gelu(self.conv(f"{name}.distill1", x))
        r2 = self.pcrb(f"{name}.refine2", r1)
        d2 = gelu(self.conv(f"{name}.distill2", r1))
        f = self.conv(f"{name}.interact", torch.cat((d1, d2, r2), 1))
        r3 = self.pcrb(f"{name}.refine3", f)
        d3 = gelu(self.conv(f"{name}.distill3", f))
        d4 = gelu(self.conv(f"{name}.distill4", r3))
        v = self.conv(f"{name}.merge", torch.cat((d1, d2, d3, d4), 1))
        scaled = self.tensors[f"{name}.channel_scale"] * self.esa(f"{name}.attention", v)
        return self.conv(f"{name}.project", scaled) + x

    def __call__(self, x: Tensor) -> Tensor:
        shallow = self.conv("shallow", x)
        features = [shallow]
        for index in range(self.config.blocks):
            features.append(self.block(f"blocks.{index}", features[-1]))
        fused = gelu(self.conv("fuse", torch.cat(features[1:], 1)))
        return pixel_shuffle(self.conv("upsample", self.conv("deep", fused) + shallow), self.config.scale)


def golden_pairs(network: RIPFDN) -> dict[str, np.ndarray]:
    """`input_i` (h, w, 3) uint8 and `output_i` (s·h, s·w, 3) float32, for each of SIZES."""
    rng = np.random.default_rng(network.config.scale)
    reference, pairs = Reference(network), {}
    for index, (height, width) in enumerate(SIZES):
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
        with torch.no_grad():
            result = reference(x)[0].permute(1, 2, 0)
        pairs[f"input_{index}"], pairs[f"output_{index}"] = pixels, result.float().numpy()
    return pairs


def main() -> None:
    for scale in SCALES:
        network = golden_network(scale)
        to_checkpoint(network, {"data": "none", "made_by": "tests/golden/make.py"}).save(
            FOLDER / f"small_x{scale}.safetensors"
        )
        np.savez_compressed(FOLDER / f"small_x{scale}.npz", **golden_pairs(network))


if __name__ == "__main__":
    main()
