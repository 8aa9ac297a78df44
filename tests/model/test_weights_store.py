import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from ripfdn_cli.errors import CheckpointError, InputError
from ripfdn_cli.model import weights_store
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.released_checkpoint import export_released
from ripfdn_cli.model.weights_store import (
    download,
    fetch_released,
    install,
    list_weights,
    load_weights,
    shipped_folder,
    user_folder,
    weights_path,
)

Serve = Callable[[int, bytes, int], str]


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server on loopback that answers with a status, a body, and a Content-Length of its own."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: bytes, length: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/released.pth"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_default_weights_are_shipped_and_whole() -> None:
    checkpoint = load_weights("x4")
    assert checkpoint.config.scale == 4
    assert checkpoint.parameters == 261_868
    assert checkpoint.provenance["scores"], "shipped weights say what they score"
    assert weights_path("x4").parent == shipped_folder()


def test_own_weights_come_before_shipped_ones(small_checkpoint: Checkpoint) -> None:
    install("mine", small_checkpoint)
    install("x4", small_checkpoint)
    assert list_weights()["mine"] == user_folder() / "mine.safetensors"
    assert load_weights("x4").parameters == small_checkpoint.parameters


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(CheckpointError, match=r"no weights named x9; there are (\w+, )*x4"):
        load_weights("x9")


def test_a_path_that_is_missing_is_told_as_a_path(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_weights(tmp_path / "none.safetensors")


def test_the_authors_format_loads_from_a_path(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"params": export_released(small_checkpoint)}, path)
    assert load_weights(path).config == small_checkpoint.config


def test_a_whole_download_is_given(serve: Serve) -> None:
    assert download(serve(200, b"weights", 7), sha256(b"weights")) == b"weights"


def test_fetch_installs_what_has_the_right_hash(
    serve: Serve, small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "served.pth"
    torch.save({"params": export_released(small_checkpoint)}, path)
    content = path.read_bytes()
    monkeypatch.setattr(weights_store, "RELEASED_SHA256", sha256(content))
    fetch_released(serve(200, content, len(content)))
    assert load_weights("released").config == small_checkpoint.config
    assert "MIT" in load_weights("released").provenance["licence"]


@pytest.mark.parametrize(
    ("status", "body", "length", "word"),
    [
        (404, b"", 0, "404"),
        (200, b"half", 1000, "damaged or was replaced|IncompleteRead"),
        (200, b"other bytes", 11, "SHA-256"),
        (200, b"", 0, "SHA-256"),
    ],
)
def test_a_bad_download_is_told_and_leaves_nothing(
    serve: Serve, status: int, body: bytes, length: int, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        fetch_released(serve(status, body, length))
    assert not user_folder().exists()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://nowhere.invalid/x", "no-url", "file:///none"]
)
def test_no_network_is_told_and_leaves_nothing(url: str) -> None:
    with pytest.raises(InputError, match="can't download"):
        fetch_released(url)
    assert not user_folder().exists()
