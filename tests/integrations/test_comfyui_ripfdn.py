"""The ComfyUI node, as ComfyUI finds and calls it; ComfyUI itself is no package and is not run."""

import importlib
from types import ModuleType

import numpy as np
import pytest
import torch

from ripfdn_cli import Upscaler


@pytest.fixture(scope="module")
def node(spandrel: ModuleType) -> ModuleType:
    return importlib.import_module("comfyui_ripfdn")


def test_the_node_is_declared_as_comfyui_reads_it(node: ModuleType) -> None:
    ((name, kind),) = node.NODE_CLASS_MAPPINGS.items()
    assert node.NODE_DISPLAY_NAME_MAPPINGS.keys() == {name}
    assert callable(getattr(kind(), kind.FUNCTION))
    required = kind.INPUT_TYPES()["required"]
    assert required.keys() == {"image", "weights"}
    names, options = required["weights"]
    assert options["default"] in names
    assert kind.RETURN_TYPES == ("IMAGE",)


def test_loading_it_makes_checkpoints_known(node: ModuleType, spandrel: ModuleType) -> None:
    assert "RIPFDN" in spandrel.MAIN_REGISTRY


def test_a_batch_is_upscaled(node: ModuleType) -> None:
    images = np.random.default_rng(0).random((2, 16, 19, 3), np.float32)
    (kind,) = node.NODE_CLASS_MAPPINGS.values()
    (result,) = kind().upscale(torch.from_numpy(images), weights="x4")
    assert (result.shape, result.dtype) == ((2, 64, 76, 3), torch.float32)
    assert 0 <= result.min() <= result.max() <= 1
    expected = Upscaler("x4").upscale(images[1]).clip(0, 1)
    np.testing.assert_allclose(result[1].numpy(), expected, atol=1e-6)


def test_a_fade_to_black_has_no_step(node: ModuleType) -> None:
    """Each picture is what the network makes of it, whichever its largest value."""
    picture = np.random.default_rng(1).random((16, 18, 3), np.float32)
    fade = np.stack([picture / picture.max() * brightest for brightest in (0.127, 0.126, 0.124, 0.123)])
    (kind,) = node.NODE_CLASS_MAPPINGS.values()
    (result,) = kind().upscale(torch.from_numpy(fade), weights="x4")
    steps = np.abs(np.diff(result.numpy(), axis=0)).max(axis=(1, 2, 3))
    assert (steps < 0.01).all()
