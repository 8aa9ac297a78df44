"""What several test modules need: small networks made by code, and the folders that only developers have."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ripfdn_cli.architecture import NetworkConfig
from ripfdn_cli.checkpoint import Checkpoint
from ripfdn_cli.network import RIPFDN, to_checkpoint

SHARED = Path(__file__).parents[2] / "shared"


def small_network(scale: int = 4, seed: int = 0) -> RIPFDN:
    """An untrained network of some thousand parameters, the same for the same arguments."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RIPFDN(NetworkConfig(scale=scale, channels=8, blocks=2)).eval()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of converted networks for the tests alone; in the environment, so that commands use it too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RIPFDN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def small_checkpoint() -> Checkpoint:
    return to_checkpoint(small_network(), {"data": "none"})


@pytest.fixture(scope="session")
def small_weights(small_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with `small_checkpoint`, for commands."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    small_checkpoint.save(path)
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' reference folder; tests that ask for it are skipped where it isn't."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED.name} folder beside the project")
    return SHARED
