"""RIPFDN in ComfyUI. Put this folder into ComfyUI's custom_nodes.

"Load Upscale Model" then takes RIPFDN checkpoints, and the node below upscales in tiles that equal the whole
image, which ComfyUI's own "Upscale Image (using Model)" with its tiles of 512 px does not.
"""

from typing import Any, ClassVar

import numpy as np
import spandrel_ripfdn
import torch
from torch import Tensor

from ripfdn_cli import Upscaler
from ripfdn_cli.model.weights_store import list_weights

spandrel_ripfdn.install()


class RipfdnUpscale:
    """Upscale images with weights that `ripfdn weights list` names, on the fastest device there is."""

    CATEGORY = "image/upscaling"
    FUNCTION = "upscale"
    RETURN_TYPES = ("IMAGE",)
    _loaded: ClassVar[dict[str, Upscaler]] = {}

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """What ComfyUI shows as inputs: an image, and the names of weights."""
        names = sorted(list_weights())
        return {"required": {"image": ("IMAGE",), "weights": (names, {"default": "x4"})}}

    def upscale(self, image: Tensor, weights: str) -> tuple[Tensor]:
        """`image` (N, H, W, 3) float in [0, 1] to (N, scale·H, scale·W, 3)."""
        if weights not in self._loaded:
            self._loaded[weights] = Upscaler(weights)
        upscaler = self._loaded[weights]
        pictures = (picture.cpu().numpy() for picture in image)
        results = [upscaler.upscale(picture, unit_range=True).clip(0, 1) for picture in pictures]
        return (torch.from_numpy(np.stack(results)),)


NODE_CLASS_MAPPINGS = {"RipfdnUpscale": RipfdnUpscale}
NODE_DISPLAY_NAME_MAPPINGS = {"RipfdnUpscale": "Upscale Image (RIPFDN)"}
