"""RIPFDN written a second time, plainly, from its published definition: what the network and its engines are
held to, so that none of them is held to itself.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, gelu, interpolate, max_pool2d, pixel_shuffle, relu

from ripfdn_cli.model.architecture import NetworkConfig


class ReferenceNetwork:
    """Computes in float64, and resizes by torch's own bilinear filter. `tensors` are named as those of
    `RIPFDN`.
    """

    def __init__(self, config: NetworkConfig, tensors: dict[str, Tensor]) -> None:
        self.config = config
        self.tensors = {name: tensor.double() for name, tensor in tensors.items()}

    def __call__(self, x: Tensor) -> Tensor:
        """(N, 3, h, w) in 0..1 → (N, 3, s·h, s·w), both float64."""
        shallow = self._conv("shallow", x)
        features = [shallow]
        for index in range(self.config.blocks):
            features.append(self._block(f"blocks.{index}", features[-1]))
        fused = gelu(self._conv("fuse", torch.cat(features[1:], 1)))
        return pixel_shuffle(self._conv("upsample", self._conv("deep", fused) + shallow), self.config.scale)

    @torch.no_grad()
    def upscale(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(h, w, 3) → (s·h, s·w, 3), 1.0 for white, neither clamped nor rounded."""
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
        result: NDArray[np.float32] = self(x)[0].permute(1, 2, 0).float().numpy()
        return result

    def _conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.tensors[f"{name}.weight"]
        padding = weight.shape[-1] // 2 if stride == 1 else 0
        return conv2d(x, weight, self.tensors[f"{name}.bias"], stride=stride, padding=padding)

    def _pcrb(self, name: str, u: Tensor) -> Tensor:
        partial = self.config.partial_channels
        spatial = self._conv(f"{name}.spatial", u[:, :partial])
        return gelu(self._conv(f"{name}.mix", torch.cat((spatial, u[:, partial:]), 1)) + u)

    def _esa(self, name: str, v: Tensor) -> Tensor:
        a = self._conv(f"{name}.reduce", v)
        q = max_pool2d(self._conv(f"{name}.stride", a, stride=2), 7, stride=3)
        q = relu(self._conv(f"{name}.pooled1", q))
        q = self._conv(f"{name}.pooled3", relu(self._conv(f"{name}.pooled2", q)))
        up = interpolate(q, size=v.shape[2:], mode="bilinear", align_corners=False)
        return v * torch.sigmoid(self._conv(f"{name}.expand", up + self._conv(f"{name}.skip", a)))

    def _block(self, name: str, x: Tensor) -> Tensor:
        r1 = self._pcrb(f"{name}.refine1", x)
        d1 = gelu(self._conv(f"{name}.distill1", x))
        r2 = self._pcrb(f"{name}.refine2", r1)
        d2 = gelu(self._conv(f"{name}.distill2", r1))
        f = self._conv(f"{name}.interact", torch.cat((d1, d2, r2), 1))
        r3 = self._pcrb(f"{name}.refine3", f)
        d3 = gelu(self._conv(f"{name}.distill3", f))
        d4 = gelu(self._conv(f"{name}.distill4", r3))
        v = self._conv(f"{name}.merge", torch.cat((d1, d2, d3, d4), 1))
        scaled = self.tensors[f"{name}.channel_scale"] * self._esa(f"{name}.attention", v)
        return self._conv(f"{name}.project", scaled) + x
