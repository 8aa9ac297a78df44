"""What several test modules need: small networks made by code, and the folders that only developers have."""

import logging
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

# Torch's threads spin while they wait. On a busy machine, tiny networks take ten times as long for it; the
# policy is read when torch is loaded, and children inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
import torch
from PIL import Image
from support.html_pages import browser
from support.small_inputs import photograph, small_network
from support.spandrel_import import spandrel

from ripfdn_cli.files.storage import Location, location
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import RIPFDN, bilinear_start, to_checkpoint

__all__ = ["browser", "spandrel"]

SAME_AT_ANY_PRECISION = ("files", "image_math", "pictures", "video")
"""Folders of tests that run no network."""
SHARED = Path(__file__).parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks `precision` every quick test that is not marked `any_precision`: new ones are among them."""
    folders = [Path(__file__).parent / name for name in SAME_AT_ANY_PRECISION]
    left_out = ("slow", "gpu", "reference", "any_precision")
    for item in items:
        if not any(item.path.is_relative_to(folder) for folder in folders) and not any(
            item.get_closest_marker(name) for name in left_out
        ):
            item.add_marker("precision")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of converted networks for the tests alone; in the environment, so that commands use it too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RIPFDN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def own_interrupts() -> None:
    """A shell starts what is in the background with Ctrl-C ignored, which every child would inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Commands set up the package's logger; each test finds it as it is in a library."""
    logger = logging.getLogger("ripfdn_cli")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])
    logging.captureWarnings(False)


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
def bilinear_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a network that is ×4 bilinear upscaling, for tests of what is around it."""
    network = RIPFDN(NetworkConfig(scale=4, channels=4, blocks=1)).eval()
    bilinear_start(network)
    with torch.no_grad():
        network.deep.weight.zero_()
        network.upsample.weight[:, 3:].zero_()
    path = tmp_path_factory.mktemp("weights") / "bilinear.safetensors"
    to_checkpoint(network, {"data": "none"}).save(path)
    return path


@pytest.fixture(scope="session")
def enlarging_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Scale → a file with weights so small that they run in no time, whose results show what inputs show."""
    files = {}
    for scale in (2, 3, 4):
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            network = RIPFDN(NetworkConfig(scale=scale, channels=8, blocks=1)).eval()
            bilinear_start(network)
            network.deep.weight.mul_(0.1)
        files[scale] = tmp_path_factory.mktemp("weights") / f"x{scale}.safetensors"
        to_checkpoint(network, {"data": "none"}).save(files[scale])
    return files


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' reference folder; tests that ask for it are skipped where it isn't."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED.name} folder beside the project")
    return SHARED


@pytest.fixture
def small_data_set(tmp_path: Path) -> Path:
    """A folder `Small` with HR/ and LRbicx4/ of three pictures a, b, c; a and b are of one size."""
    for name, (height, width) in {"a": (32, 40), "b": (32, 40), "c": (40, 36)}.items():
        hr = photograph(height, width, seed=ord(name))
        for folder, pixels in (("HR", hr), ("LRbicx4", imresize(hr, 0.25))):
            (tmp_path / "Small" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "Small" / folder / f"{name}.png")
    return tmp_path / "Small"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of an S3 server on loopback, with a bucket "bucket", in the environment for commands too."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[Location]:
    """An empty folder in a store, for each of two stores."""
    if request.param == "s3":
        request.getfixturevalue("s3_server")
    folder = location(f"{request.param}://bucket/{uuid.uuid4().hex}")
    yield folder
    if request.param == "memory":
        folder.fs.store.clear()  # type: ignore[attr-defined]
