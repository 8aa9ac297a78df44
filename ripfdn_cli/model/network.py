"""RIPFDN, the Residual Interactive Partial Feature Distillation Network, in one file.

By team AVC2_CMHI_SR in the NTIRE 2023 efficient super-resolution challenge (Ao Li, Lei Luo, Kangjun Jin).
This is the network as the authors' released checkpoint was trained. The figure in their factsheet differs:
there the PCRB lacks its 1×1, the third distillation is taken after the third PCRB, and the interaction's
place has no activation.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ripfdn_cli.errors import CheckpointError
from ripfdn_cli.model.architecture import SMALLEST_SIDE, NetworkConfig, attention_geometry
from ripfdn_cli.model.checkpoint import Checkpoint

START_SCALE = 0.1
"""By how much the bilinear start damps what is not interpolation."""


class PartialResidualBlock(nn.Module):
    """PCRB: a 3×3 on the first channels only, a 1×1 on all, a residual, GELU."""

    def __init__(self, channels: int, partial: int) -> None:
        super().__init__()
        self.split = [partial, channels - partial]
        self.spatial = nn.Conv2d(partial, partial, 3, padding=1)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape."""
        seen, kept = torch.split(x, self.split, dim=1)
        mixed = self.mix(torch.cat((self.spatial(seen), kept), dim=1))
        return functional.gelu(mixed + x)


class SpatialAttention(nn.Module):
    """ESA, enhanced spatial attention: a gate computed on a map six times coarser."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.stride = nn.Conv2d(reduced, reduced, 3, stride=2)
        self.pooled1 = nn.Conv2d(reduced, reduced, 3, padding=1)
        self.pooled2 = nn.Conv2d(reduced, reduced, 3, padding=1)
        self.pooled3 = nn.Conv2d(reduced, reduced, 3, padding=1)
        self.skip = nn.Conv2d(reduced, reduced, 1)
        self.expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape; `rows` and `columns` are ESA's interpolation matrices."""
        reduced = self.reduce(x)
        pooled = functional.max_pool2d(self.stride(reduced), kernel_size=7, stride=3)  # (N, e, n_h, n_w)
        pooled = functional.relu(self.pooled1(pooled))
        pooled = functional.relu(self.pooled2(pooled))
        pooled = self.pooled3(pooled)
        up = rows @ pooled @ columns.T  # (N, e, H, W)
        gate = self.expand(up + self.skip(reduced))
        return torch.sigmoid(gate) * x


class DistillationBlock(nn.Module):
    """RIPFDB, residual interactive partial feature distillation block."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        channels, distilled, partial = config.channels, config.distilled_channels, config.partial_channels
        self.refine1 = PartialResidualBlock(channels, partial)
        self.refine2 = PartialResidualBlock(channels, partial)
        self.refine3 = PartialResidualBlock(channels, partial)
        self.distill1 = nn.Conv2d(channels, distilled, 1)
        self.distill2 = nn.Conv2d(channels, distilled, 1)
        self.distill3 = nn.Conv2d(channels, distilled, 1)
        self.distill4 = nn.Conv2d(channels, distilled, 3, padding=1)
        self.interact = nn.Conv2d(2 * distilled + channels, channels, 1)
        self.merge = nn.Conv2d(4 * distilled, channels, 1)
        self.attention = SpatialAttention(channels, config.attention_channels)
        self.channel_scale = nn.Parameter(torch.empty(1, channels, 1, 1).normal_(1.0, 0.2))
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape; `rows` and `columns` are ESA's interpolation matrices."""
        refined1 = self.refine1(x)
        distilled1 = functional.gelu(self.distill1(x))
        refined2 = self.refine2(refined1)
        distilled2 = functional.gelu(self.distill2(refined1))
        fused = self.interact(torch.cat((distilled1, distilled2, refined2), dim=1))
        refined3 = self.refine3(fused)
        distilled3 = functional.gelu(self.distill3(fused))
        distilled4 = functional.gelu(self.distill4(refined3))
        merged = self.merge(torch.cat((distilled1, distilled2, distilled3, distilled4), dim=1))
        attended = self.attention(merged, rows, columns)
        projected: Tensor = self.project(self.channel_scale * attended)
        return projected + x


class RIPFDN(nn.Module):
    """The whole network: (N, 3, H, W) RGB in [0, 1] to (N, 3, scale·H, scale·W), not clamped.

    H and W must be at least `smallest_side`. For a tile of a larger image, pass the interpolation matrices of
    `architecture.attention_geometry`; without them the input is taken to be the whole image.
    """

    smallest_side = SMALLEST_SIDE

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.shallow = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(DistillationBlock(config) for _ in range(config.blocks))
        self.fuse = nn.Conv2d(config.blocks * channels, channels, 1)
        self.deep = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsample = nn.Conv2d(channels, 3 * config.scale**2, 3, padding=1)

    def forward(self, x: Tensor, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) RGB in 0..1 → (N, 3, s·H, s·W), not clamped. `rows` and `columns` are ESA's, see
        `SpatialAttention`, for a tile; without them x is the whole picture.
        """
        if rows is None or columns is None:
            rows, columns = whole_image_geometry(x)
        sub_pixels = self.sub_pixels(x, rows, columns)
        return functional.pixel_shuffle(sub_pixels, self.config.scale)  # (N, 3, s·H, s·W)

    def sub_pixels(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The network before its pixel shuffle: (N, 3·s², H, W), for engines that shuffle integers."""
        shallow = self.shallow(x)
        upsampled: Tensor = self.upsample(self.deep_features(shallow, rows, columns) + shallow)
        return upsampled

    def deep_features(self, shallow: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """What the blocks add to the `shallow` features (N, C, H, W), of the same shape."""
        features, outputs = shallow, []
        for block in self.blocks:
            features = block(features, rows, columns)
            outputs.append(features)
        deep: Tensor = self.deep(functional.gelu(self.fuse(torch.cat(outputs, dim=1))))
        return deep


def whole_image_geometry(x: Tensor) -> tuple[Tensor, Tensor]:
    """ESA's interpolation matrices (H, n_H) and (W, n_W) for `x` (N, C, H, W) as a whole image, in its dtype
    and on its device.
    """
    geometry = attention_geometry(height=x.shape[-2], width=x.shape[-1])
    return torch.tensor(geometry.rows).to(x), torch.tensor(geometry.columns).to(x)


@torch.no_grad()
def bilinear_start(network: RIPFDN) -> None:
    """Make the untrained `network` bilinear upscaling, in place.

    The first three channels carry RGB through the long skip, the upsampler's rows for them interpolate at
    each sub-pixel, and everything else that reaches the output is damped by START_SCALE.
    """
    shallow, deep, upsample = network.shallow, network.deep, network.upsample
    for conv in (shallow, deep, upsample):
        assert conv.bias is not None
        conv.bias.zero_()
    deep.weight.mul_(START_SCALE)
    upsample.weight.mul_(START_SCALE)
    kernels = _bilinear_kernels(network.config.scale)  # (s², 3, 3)
    for colour in range(3):
        shallow.weight[colour].zero_()
        shallow.weight[colour, colour, 1, 1] = 1.0
        own = slice(colour * len(kernels), (colour + 1) * len(kernels))
        upsample.weight[:, colour].zero_()
        upsample.weight[own, colour] = kernels


def _bilinear_kernels(scale: int) -> Tensor:
    """(s², 3, 3): the 3×3 kernel that interpolates at each sub-pixel, in the order of pixel_shuffle."""
    offset = (
        torch.arange(scale) + 0.5
    ) / scale - 0.5  # of sub-pixels from the pixel's centre, in (−0.5, 0.5)
    taps = torch.stack((torch.relu(-offset), 1 - offset.abs(), torch.relu(offset)), dim=1)  # (s, 3)
    return torch.einsum("yi,xj->yxij", taps, taps).reshape(scale**2, 3, 3)


def build_network(checkpoint: Checkpoint) -> RIPFDN:
    """The network of `checkpoint` in eval mode, fp32, on the CPU. A tensor that is missing, unexpected,
    misshapen or of another dtype than float32 is a CheckpointError that names it.
    """
    with torch.device("meta"):
        network = RIPFDN(checkpoint.config)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    checkpoint.require_shapes(expected)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in checkpoint.tensors.items()}
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval()


def to_checkpoint(network: RIPFDN, provenance: dict[str, object]) -> Checkpoint:
    """`network`'s weights as a Checkpoint, float32."""
    tensors = {name: tensor.detach().float().cpu().numpy() for name, tensor in network.state_dict().items()}
    if not all(torch.isfinite(tensor).all() for tensor in network.state_dict().values()):
        raise CheckpointError(
            "the weights have values that are not finite and are not saved; resume from an earlier state"
        )
    return Checkpoint(config=network.config, tensors=tensors, provenance=provenance)
