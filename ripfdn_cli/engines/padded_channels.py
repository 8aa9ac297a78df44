"""The same network with channels of zeros, in the widths that AMX works in; AVX512-BF16 gains nothing."""

from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.model.checkpoint import Checkpoint

_BLOCK = 64
"""Features are padded to multiples of it. Distillations then have multiples of 32 channels, and attention and
partial features of 16: AMX multiplies 32 by 16 channels of bf16, and a remainder costs as much, or more.
"""
_PARTIAL_BLOCK = 16
_MOST_GROWTH = 4 / 3
"""By how much the features may grow: zeros take time and memory, too."""

_AXES = {
    "shallow": ("F", "x"),
    "spatial": ("P", "P"),
    "mix": ("F", "F"),
    "distill1": ("D", "F"),
    "distill2": ("D", "F"),
    "distill3": ("D", "F"),
    "distill4": ("D", "F"),
    "interact": ("F", "DDF"),
    "merge": ("F", "DDDD"),
    "reduce": ("A", "F"),
    "stride": ("A", "A"),
    "pooled1": ("A", "A"),
    "pooled2": ("A", "A"),
    "pooled3": ("A", "A"),
    "skip": ("A", "A"),
    "expand": ("F", "A"),
    "channel_scale": ("x", "F"),
    "project": ("F", "F"),
    "deep": ("F", "F"),
    "upsample": ("x", "F"),
}
"""Of each layer of `network.py`, what its outputs and its inputs are, one letter for each tensor that is
concatenated: features, partial features, distillations, attention; x stays as it is.
"""


def padded(checkpoint: Checkpoint) -> Checkpoint:
    """`checkpoint` with channels of zeros: the same function, to the rounding of float32. As it is where they
    would be too many.
    """
    old = checkpoint.config
    channels = _BLOCK * ceil(old.channels / _BLOCK)
    partial = _PARTIAL_BLOCK * ceil(old.partial_channels / _PARTIAL_BLOCK)
    kept = old.channels - old.partial_channels
    if channels > _MOST_GROWTH * old.channels or channels - partial < kept:
        return checkpoint
    new = NetworkConfig(old.scale, channels, old.blocks, partial / channels)
    tensors = {name: _padded(name, tensor, old, new) for name, tensor in checkpoint.tensors.items()}
    return replace(checkpoint, config=new, tensors=tensors)


def _padded(
    name: str, tensor: NDArray[np.float32], old: NetworkConfig, new: NetworkConfig
) -> NDArray[np.float32]:
    layer = name.removesuffix(".weight").removesuffix(".bias").rpartition(".")[2]
    axes = ("F", "F" * old.blocks) if layer == "fuse" else _AXES[layer]
    places = [_places(axis, size, old, new) for axis, size in zip(axes, tensor.shape, strict=False)]
    larger = np.zeros([length for _, length in places] + list(tensor.shape[2:]), np.float32)
    larger[np.ix_(*(index for index, _ in places))] = tensor
    return larger


def _places(axis: str, size: int, old: NetworkConfig, new: NetworkConfig) -> tuple[NDArray[np.int64], int]:
    """Where the `size` old channels of an axis are among the new ones, and how many those are."""
    if axis == "x":
        return np.arange(size), size
    places, start = [], 0
    for letter in axis:
        own, length = _places_of_one(letter, old, new)
        places.append(start + own)
        start += length
    return np.concatenate(places), start


def _places_of_one(letter: str, old: NetworkConfig, new: NetworkConfig) -> tuple[NDArray[np.int64], int]:
    if letter == "F":  # the partial features are the first ones
        behind = new.partial_channels + np.arange(old.channels - old.partial_channels)
        return np.concatenate([np.arange(old.partial_channels), behind]), new.channels
    name = {"P": "partial_channels", "D": "distilled_channels", "A": "attention_channels"}[letter]
    return np.arange(getattr(old, name)), int(getattr(new, name))
