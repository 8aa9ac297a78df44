"""RIPFDN under spandrel, which is the real one from PyPI."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.small_inputs import small_network

from ripfdn_cli.errors import CheckpointError, OutOfMemoryError
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network, to_checkpoint
from ripfdn_cli.model.released_checkpoint import export_released
from ripfdn_cli.model.weights_store import load_weights
from ripfdn_cli.upscaler import Upscaler


@pytest.fixture(scope="session")
def integration(spandrel: ModuleType) -> ModuleType:
    module = importlib.import_module("spandrel_ripfdn")
    module.install()
    return module


@pytest.fixture
def loader(spandrel: ModuleType, integration: ModuleType) -> Any:
    return spandrel.ModelLoader()


def picture(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).random((1, 3, height, width), np.float32))


def whole(checkpoint: Checkpoint, image: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        result: torch.Tensor = build_network(checkpoint)(image)
        return result.clamp(0, 1)


def test_our_files_load(loader: Any, spandrel: ModuleType, small_weights: Path) -> None:
    model = loader.load_from_file(small_weights)
    assert isinstance(model, spandrel.ImageModelDescriptor)
    assert (model.architecture.id, model.purpose, model.scale) == ("RIPFDN", "SR", 4)
    assert (model.input_channels, model.output_channels, model.tags) == (3, 3, ["8nf", "2nb"])
    image = picture(20, 31)
    torch.testing.assert_close(model(image), whole(Checkpoint.load(small_weights), image))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_under_the_authors_names_load(
    loader: Any, small_checkpoint: Checkpoint, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"released{suffix}"
    tensors = export_released(small_checkpoint)
    if suffix == ".pth":
        torch.save({"params": tensors}, path)
    else:
        save_file(tensors, path)
    image = picture(16, 18)
    torch.testing.assert_close(loader.load_from_file(path)(image), whole(small_checkpoint, image))


@pytest.mark.parametrize("scale", [2, 3])
def test_the_scale_is_found(loader: Any, tmp_path: Path, scale: int) -> None:
    path = tmp_path / "weights.safetensors"
    to_checkpoint(small_network(scale), {}).save(path)
    model = loader.load_from_file(path)
    assert model.scale == scale
    assert model(picture(15, 17)).shape == (1, 3, 15 * scale, 17 * scale)


def test_shipped_weights_are_taken_for_nothing_else(spandrel: ModuleType, integration: ModuleType) -> None:
    """No other architecture claims them, under either name, and ours claims nothing of the others."""
    checkpoint = load_weights("x4")
    ours = {name: torch.from_numpy(array) for name, array in checkpoint.tensors.items()}
    for tensors in (ours, export_released(checkpoint)):
        claims = [entry.architecture.id for entry in spandrel.MAIN_REGISTRY if entry.detect(tensors)]
        assert claims == ["RIPFDN"]
    assert not spandrel.MAIN_REGISTRY["RIPFDN"].detect({"upsampler.0.weight": 0, "fea_conv.weight": 0})


def test_installing_twice_is_installing_once(spandrel: ModuleType, integration: ModuleType) -> None:
    before = len(spandrel.MAIN_REGISTRY)
    integration.install()
    assert len(spandrel.MAIN_REGISTRY) == before


def test_pictures_too_small_are_padded(loader: Any, small_weights: Path) -> None:
    model = loader.load_from_file(small_weights)
    assert model(picture(1, 3)).shape == (1, 3, 4, 12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_precisions_agree(loader: Any, small_weights: Path, dtype: torch.dtype) -> None:
    model = loader.load_from_file(small_weights)
    image = picture(20, 21)
    exact = model(image)
    rough = model.to(dtype)(image.to(dtype))
    assert rough.dtype == dtype
    torch.testing.assert_close(rough.float(), exact, rtol=0, atol=0.02)


def test_a_missing_tensor_is_named(loader: Any, small_checkpoint: Checkpoint) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in small_checkpoint.tensors.items()}
    del tensors["blocks.1.merge.bias"]
    with pytest.raises(CheckpointError, match=r"blocks\.1\.merge\.bias is missing"):
        loader.load_from_state_dict(tensors)


def test_tiles_equal_the_whole_image(spandrel: ModuleType, integration: ModuleType) -> None:
    """And the host is told to leave tiling to us: its own would leave seams."""
    checkpoint = load_weights("x4")
    tensors = {name: torch.from_numpy(array) for name, array in checkpoint.tensors.items()}
    model = spandrel.ModelLoader().load_from_state_dict(tensors)
    assert model.tiling is spandrel.ModelTiling.INTERNAL
    image = picture(60, 170)
    with torch.inference_mode():
        tiled = integration.upscale(model.model, image, largest_tile=60 * 130)
        untiled = model.model(image)
    assert not torch.equal(tiled, untiled)  # there were tiles
    assert (tiled - untiled).abs().max() < 1.5 / 255
    pixels = image[0].permute(1, 2, 0).contiguous().numpy()
    ours = Upscaler(checkpoint, engine="torch", device="cpu", precision="fp32", tile=None).upscale(pixels)
    np.testing.assert_allclose(untiled[0].permute(1, 2, 0).numpy(), ours, atol=1e-5)


def test_tiles_shrink_until_they_fit(integration: ModuleType) -> None:
    network = small_network()
    forward, sizes = network.forward, []

    def tight(x: torch.Tensor, *geometry: torch.Tensor) -> torch.Tensor:
        sizes.append(x.shape[-2] * x.shape[-1])
        if sizes[-1] > 30_000:
            raise torch.OutOfMemoryError("too large")  # what an allocator says
        return forward(x, *geometry)

    network.forward = tight  # type: ignore[assignment,method-assign]
    image = picture(200, 210)
    with torch.inference_mode():
        result = integration.upscale(network, image)
        assert sizes[0] == 200 * 210
        assert max(sizes[1:]) <= 30_000
        torch.testing.assert_close(result, forward(image), rtol=0, atol=0.02)
        with pytest.raises(OutOfMemoryError):
            integration.upscale(network, image, largest_tile=1000)
