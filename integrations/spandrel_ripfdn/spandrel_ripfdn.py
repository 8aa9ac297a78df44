"""RIPFDN for programs that load models with spandrel: `install()` once, and spandrel knows our checkpoints.

Both kinds: ripfdn's own .safetensors, and weights under the authors' names (.pth, .safetensors).
"""

import logging
from typing import Any

import torch
from spandrel import (
    MAIN_REGISTRY,
    Architecture,
    ArchRegistry,
    ArchSupport,
    ImageModelDescriptor,
    ModelTiling,
    SizeRequirements,
)
from spandrel.util import KeyCondition
from torch import Tensor

from ripfdn_cli.model.architecture import attention_geometry
from ripfdn_cli.model.network import RIPFDN, build_network
from ripfdn_cli.model.released_checkpoint import from_state_dict, released_name
from ripfdn_cli.model.tile_grid import DEFAULT_HALO, Tile, TileGrid, planned_grid

log = logging.getLogger(__name__)

LARGEST_TILE = 768 * 768
"""Pixels that are computed in one piece; in fp32 they take some 2 GB."""

_TELLING = (
    "shallow.weight",
    "blocks.0.refine1.spatial.weight",
    "blocks.0.interact.weight",
    "blocks.0.channel_scale",
    "blocks.0.attention.pooled3.weight",
    "fuse.weight",
    "deep.weight",
    "upsample.weight",
)
"""Tensors that no network has but this one, together."""


class RipfdnArch(Architecture[RIPFDN]):
    """Detects and loads RIPFDN of any scale, width and depth."""

    def __init__(self) -> None:
        super().__init__(
            id="RIPFDN",
            detect=KeyCondition.has_any(
                KeyCondition.has_all(*_TELLING), KeyCondition.has_all(*map(released_name, _TELLING))
            ),
        )

    def load(self, state_dict: dict[str, Any]) -> ImageModelDescriptor[RIPFDN]:
        """Raises ripfdn's CheckpointError, which names the tensor, where the weights are not whole."""
        tensors = {name: tensor.detach().float().cpu().numpy() for name, tensor in state_dict.items()}
        network = build_network(from_state_dict(tensors, {}, source="this model"))
        config = network.config
        return ImageModelDescriptor(
            network,
            network.state_dict(),
            architecture=self,
            purpose="SR",
            tags=[f"{config.channels}nf", f"{config.blocks}nb"],
            supports_half=True,
            supports_bfloat16=True,
            scale=config.scale,
            input_channels=3,
            output_channels=3,
            size_requirements=SizeRequirements(minimum=network.smallest_side),
            tiling=ModelTiling.INTERNAL,
            call_fn=upscale,
        )


def install(registry: ArchRegistry = MAIN_REGISTRY) -> None:
    """Add RIPFDN to `registry`, by default the one that every ModelLoader uses. Again does nothing."""
    registry.add(ArchSupport.from_architecture(RipfdnArch()), ignore_duplicates=True)


def upscale(network: RIPFDN, image: Tensor, *, largest_tile: int = LARGEST_TILE) -> Tensor:
    """`image` (N, 3, H, W) to (N, 3, scale·H, scale·W), in tiles of up to `largest_tile` px which equal the
    whole image.

    A host that cuts tiles itself leaves seams, because the network pools the whole image. Where the device's
    memory does not suffice the tiles shrink until it does. Raises ripfdn's OutOfMemoryError.
    """
    height, width = image.shape[-2:]
    while True:
        grid = planned_grid(height, width, halo=DEFAULT_HALO, largest_tile=largest_tile)
        try:
            return _upscale(network, image, grid)
        except torch.OutOfMemoryError:
            largest_tile = grid.tile_height * grid.tile_width // 2
            log.warning("out of memory; going on with tiles of at most %d px", largest_tile)


def _upscale(network: RIPFDN, image: Tensor, grid: TileGrid) -> Tensor:
    scale = network.config.scale
    output = image.new_empty(*image.shape[:2], scale * grid.height, scale * grid.width)
    for tile in grid:
        rows, columns = tile.rows, tile.columns
        output[
            ...,
            scale * rows.keep_start : scale * rows.keep_stop,
            scale * columns.keep_start : scale * columns.keep_stop,
        ] = _upscale_tile(network, image, grid, tile)
    return output


def _upscale_tile(network: RIPFDN, image: Tensor, grid: TileGrid, tile: Tile) -> Tensor:
    """The part of the result that `tile` keeps."""
    rows, columns, scale = tile.rows, tile.columns, network.config.scale
    geometry = attention_geometry(
        height=grid.height,
        width=grid.width,
        top=rows.start,
        left=columns.start,
        tile_height=rows.size,
        tile_width=columns.size,
    )
    result: Tensor = network(
        image[..., rows.start : rows.stop, columns.start : columns.stop],
        torch.tensor(geometry.rows).to(image),
        torch.tensor(geometry.columns).to(image),
    )
    top, left = scale * (rows.keep_start - rows.start), scale * (columns.keep_start - columns.start)
    height, width = (scale * (span.keep_stop - span.keep_start) for span in (rows, columns))
    return result[..., top : top + height, left : left + width]
