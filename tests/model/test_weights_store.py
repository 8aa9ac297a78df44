import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.unprivileged import as_nobody

from ripfdn_cli.errors import CheckpointError, InputError, OutputError, UsageError
from ripfdn_cli.model import weights_download, weights_store
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.released_checkpoint import export_released
from ripfdn_cli.model.weights_store import (
    fetch_released,
    import_weights,
    install,
    list_weights,
    load_weights,
    shipped_folder,
    user_folder,
    weights_path,
)


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(weights_download, "RETRIES", 0)


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
    with pytest.raises(CheckpointError, match=r"no weights named x9; use one of x2, x2-fast, x3, x4, "):
        load_weights("x9")


def test_a_path_that_is_missing_is_told_as_a_path(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_weights(tmp_path / "none.safetensors")


def test_the_authors_format_loads_from_a_path(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"params": export_released(small_checkpoint)}, path)
    assert load_weights(path).config == small_checkpoint.config


def test_suffixes_are_known_in_capitals_too(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    torch.save(export_released(small_checkpoint), tmp_path / "W.PTH")
    assert load_weights(tmp_path / "W.PTH").config == small_checkpoint.config
    small_checkpoint.save(tmp_path / "OWN.SAFETENSORS")
    assert import_weights(tmp_path / "OWN.SAFETENSORS").provenance == small_checkpoint.provenance
    (tmp_path / "M.ONNX").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is an ONNX file"):
        load_weights(tmp_path / "M.ONNX")


Serve = Callable[..., str]


def released_file(checkpoint: Checkpoint, path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file as the authors' is, which is expected from now on."""
    torch.save({"params": export_released(checkpoint)}, path)
    monkeypatch.setattr(weights_store, "RELEASED_SHA256", sha256(path.read_bytes()))
    return path.read_bytes()


def test_fetch_installs_what_has_the_right_hash(
    serve: Serve, small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = released_file(small_checkpoint, tmp_path / "served.pth", monkeypatch)
    told: list[tuple[int, int]] = []
    fetch_released(serve((200, content, len(content))), lambda done, total: told.append((done, total)))
    assert load_weights("released").config == small_checkpoint.config
    assert "MIT" in load_weights("released").provenance["licence"]
    assert told[-1] == (len(content), len(content))


@pytest.mark.parametrize("prefix", ["", "file://", "file://localhost"])
def test_a_file_serves_as_well(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    path = tmp_path / "downloaded elsewhere.pth"
    released_file(small_checkpoint, path, monkeypatch)
    fetch_released(f"{prefix}{path}")
    assert load_weights("released").config == small_checkpoint.config


@pytest.mark.parametrize(
    ("status", "body", "length", "word"),
    [
        (404, b"", 0, "404"),
        (200, b"half", 1000, "SHA-256|IncompleteRead"),
        (200, b"other bytes", 11, "SHA-256"),
        (200, b"", 0, "SHA-256"),
    ],
)
def test_a_bad_download_is_told_and_leaves_nothing(
    serve: Serve, status: int, body: bytes, length: int, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        fetch_released(serve((status, body, length)))
    assert not user_folder().exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://nowhere.invalid/x", "gopher://x/y"])
def test_no_network_is_told_and_leaves_nothing(url: str) -> None:
    with pytest.raises(InputError, match="can't download"):
        fetch_released(url)
    assert not user_folder().exists()


@pytest.mark.parametrize("path", ["no-file", "file:///none"])
def test_a_file_that_is_missing_is_told(path: str) -> None:
    with pytest.raises(InputError, match=r"can't read .*No such file"):
        fetch_released(path)


def test_a_folder_that_cannot_be_written_is_told_before_the_download(serve: Serve, tmp_path: Path) -> None:
    user_folder().parent.parent.mkdir(parents=True)
    user_folder().parent.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="can't write"):
        fetch_released("http://nowhere.invalid/x")


def test_released_weights_that_are_not_there_say_how_to_fetch_them() -> None:
    with pytest.raises(CheckpointError, match="ripfdn weights fetch released"):
        load_weights("released")


def test_own_weights_are_imported_with_their_provenance(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    small_checkpoint.save(tmp_path / "best.safetensors")
    install("mine", import_weights(tmp_path / "best.safetensors"))
    assert load_weights("mine").provenance == small_checkpoint.provenance


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "-w"])
def test_names_that_no_option_takes_are_refused(small_checkpoint: Checkpoint, name: str) -> None:
    with pytest.raises(UsageError, match="not a name"):
        install(name, small_checkpoint)


@pytest.mark.parametrize("taken", ["mine", "x4"])
def test_names_that_are_taken_are_not_replaced_unasked(small_checkpoint: Checkpoint, taken: str) -> None:
    install("mine", small_checkpoint)
    with pytest.raises(UsageError, match=taken):
        install(taken, small_checkpoint, overwrite=False)


def test_a_home_that_may_not_be_read_has_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a service runs with the HOME of another user: those shipped are there all the same."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    names = set(list_weights())
    with as_nobody(tmp_path):
        assert set(list_weights()) == names
        with pytest.raises(CheckpointError, match=r"no weights named mine .*Permission denied"):
            weights_path("mine")


def test_an_onnx_file_is_sent_where_it_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"network")
    with pytest.raises(CheckpointError, match=r"a\.onnx is an ONNX file, which is for 'ripfdn compare'"):
        load_weights(tmp_path / "a.onnx")
