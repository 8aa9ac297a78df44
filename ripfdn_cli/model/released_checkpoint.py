"""The checkpoint that RIPFDN's authors released, and others under its names, read strictly into ours."""

import hashlib
import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_safetensors

from ripfdn_cli.errors import CheckpointError, UsageError
from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.model.checkpoint import SUFFIX, Checkpoint, parse_tensors, read_bounded, suffix_of
from ripfdn_cli.model.network import RIPFDN, build_network

StateDict = dict[str, NDArray[np.float32]]
"""Tensors by name, as a network's `state_dict()` has them."""

_IN_NETWORK = {"shallow": "fea_conv", "fuse": "c.0", "deep": "LR_conv", "upsample": "upsampler.0"}
_IN_BLOCK = {
    "refine1.spatial": "c1_dw",
    "refine2.spatial": "c2_dw",
    "refine3.spatial": "c3_dw",
    "refine1.mix": "c1_r",
    "refine2.mix": "c2_r",
    "refine3.mix": "c3_r",
    "distill1": "c1_d",
    "distill2": "c2_d",
    "distill3": "c3_d",
    "distill4": "c4",
    "interact": "fusion",
    "merge": "c5",
    "project": "conv_out",
    "attention.reduce": "esa.conv1",
    "attention.stride": "esa.conv2",
    "attention.pooled1": "esa.conv_max",
    "attention.pooled2": "esa.conv3",
    "attention.pooled3": "esa.conv3_",
    "attention.skip": "esa.conv_f",
    "attention.expand": "esa.conv4",
}


def released_name(name: str) -> str:
    """The authors' name of our tensor `name`, e.g. blocks.0.distill1.weight → B1.c1_d.weight."""
    if name.startswith("blocks."):
        _, index, rest = name.split(".", 2)
        block = f"B{int(index) + 1}"
        if rest == "channel_scale":
            return f"{block}.cw"
        module, kind = rest.rsplit(".", 1)
        return f"{block}.{_IN_BLOCK[module]}.{kind}"
    module, kind = name.rsplit(".", 1)
    return f"{_IN_NETWORK[module]}.{kind}"


def import_released(path: Path, provenance: dict[str, Any]) -> Checkpoint:
    """Read weights under the authors' names from a .pth (a dict of tensors, perhaps under `params`) or a
    .safetensors. Those of another type, such as fp16 and bf16, become float32.

    Code in a pickle never runs. Scale, channels and blocks come from the shapes. Raises CheckpointError.
    """
    content = read_bounded(path)
    checkpoint = from_state_dict(_parsed(content, path), provenance, source=str(path))
    return replace(checkpoint, sha256=hashlib.sha256(content).hexdigest())


def from_state_dict(tensors: StateDict, provenance: dict[str, Any], *, source: str) -> Checkpoint:
    """Weights under the authors' names or ours, without a config; `source` is for messages.

    Raises CheckpointError for a tensor that is missing, unexpected or misshapen.
    """
    config = _config_of(tensors, source)
    with torch.device("meta"):
        ours = RIPFDN(config).state_dict()
    renamed = {released_name(name): name for name in ours}
    found = {renamed.get(name, name): array for name, array in tensors.items()}
    checkpoint = Checkpoint(config, found, provenance, source=source)
    checkpoint.require_shapes({name: tuple(tensor.shape) for name, tensor in ours.items()})
    return checkpoint


def export_released(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """The weights of `checkpoint` under the authors' names, for tools that were written for their code."""
    tensors = build_network(checkpoint).state_dict()
    return {released_name(name): tensor.contiguous() for name, tensor in tensors.items()}


def _parsed(content: bytes, path: Path) -> StateDict:
    if suffix_of(path) == SUFFIX:
        return _as_float32(parse_tensors(load_safetensors, content, path))
    return _as_float32(_unpickled(content, path))


def _as_float32(tensors: Mapping[Any, torch.Tensor]) -> StateDict:
    return {str(name): tensor.detach().float().numpy() for name, tensor in tensors.items()}


def _unpickled(content: bytes, path: Path) -> dict[Any, torch.Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of odd pickles, which are refused below anyway
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        IndexError,
    ) as error:
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise CheckpointError(
            f"{path} is not a PyTorch checkpoint of tensors only ({reason}); get the file again"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("params"), dict):
        loaded = loaded["params"]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise CheckpointError(f"{path} does not contain a dict of tensors; it is not a RIPFDN checkpoint")
    return loaded


def _config_of(tensors: StateDict, source: str) -> NetworkConfig:
    try:
        channels = _shape(tensors, "shallow.weight")[0]
        scale = round((_shape(tensors, "upsample.weight")[0] / 3) ** 0.5)
        blocks = _shape(tensors, "fuse.weight")[1] // channels
        partial = _shape(tensors, "blocks.0.refine1.spatial.weight")[0]
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{source} has no tensor {error}; it is not a RIPFDN checkpoint under the authors' names"
        ) from error
    try:
        return NetworkConfig(scale=scale, channels=channels, blocks=blocks, partial_ratio=partial / channels)
    except UsageError as error:
        raise CheckpointError(f"{source}: {error}; it is not a RIPFDN checkpoint") from error


def _shape(tensors: StateDict, name: str) -> tuple[int, ...]:
    """Of our tensor `name`, under either name."""
    return tensors[name if name in tensors else released_name(name)].shape
