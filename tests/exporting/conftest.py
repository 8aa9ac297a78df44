"""Exports of a small network, made once: an exporter takes seconds to start."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support.small_inputs import small_network

from ripfdn_cli.exporting.export import TARGETS, export
from ripfdn_cli.exporting.export_target import Form
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import bilinear_start, to_checkpoint

Exported = Callable[..., Path]
PROVENANCE = {"data": "none", "licence": "CC0 1.0"}


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """On a busy machine, threads that wait for each other cost tiny networks twenty times their work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def upscaling_checkpoint() -> Checkpoint:
    """A small network that upscales (bilinear, and noise on it), so that its PSNR means something."""
    network = small_network()
    bilinear_start(network)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in network.blocks.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return to_checkpoint(network, dict(PROVENANCE))


@pytest.fixture(scope="session")
def exported(upscaling_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """`exported(target, **form)`: the file, made when it is first asked for."""
    made: dict[tuple[str, Form], Path] = {}

    def get(target: str, *, tile: tuple[int, int] | None = None, half: bool = False) -> Path:
        form = Form(tile=tile, half=half)
        needed = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "ncnn": ("pnnx", "ncnn")}
        for package in needed.get(target, ()):
            pytest.importorskip(package)
        if (target, form) not in made:
            path = tmp_path_factory.mktemp("exported") / f"small{TARGETS[target].suffixes[0]}"
            export(upscaling_checkpoint, target, path, form=form)
            made[target, form] = path
        return made[target, form]

    return get
