import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ripfdn_cli.errors import InputError
from ripfdn_cli.model import weights_download
from ripfdn_cli.model.weights_download import fetch

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()

Serve = Callable[..., str]


def test_what_failed_is_tried_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_download, "RETRIES", 2)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    url = serve((503, b"", 0), (200, CONTENT[:100], len(CONTENT)), (200, CONTENT, len(CONTENT)))
    assert fetch(url, SHA256) == CONTENT


def test_a_download_without_an_end_is_broken_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_download, "_LARGEST", 2**20)
    content = bytes(2**22)
    with pytest.raises(InputError, match="over 1 MiB"):
        fetch(serve((200, content, len(content))), SHA256)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_is_held_to_its_hash(scheme: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(CONTENT)
    assert fetch(f"{scheme}{path}", SHA256) == CONTENT
    path.write_bytes(CONTENT + b"\0")
    with pytest.raises(InputError, match=f"not {SHA256}; it was not kept"):
        fetch(f"{scheme}{path}", SHA256)
