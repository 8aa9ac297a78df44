import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from ripfdn_cli.errors import CheckpointError
from ripfdn_cli.model.checkpoint import Checkpoint


def test_round_trip_keeps_tensors_config_and_provenance(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    small_checkpoint.save(path)
    loaded = Checkpoint.load(path)
    assert loaded.config == small_checkpoint.config
    assert loaded.provenance == small_checkpoint.provenance
    assert loaded.tensors.keys() == small_checkpoint.tensors.keys()
    for name, tensor in loaded.tensors.items():
        np.testing.assert_array_equal(tensor, small_checkpoint.tensors[name])
    assert loaded.to_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/x4.safetensors", "x4"),
        ("mine.v2.safetensors", "mine.v2"),
        ("a/W.PTH", "W"),
        ("mine.v2", "mine.v2"),
        ("x4 with 0.5 of x4-sharp", "x4 with 0.5 of x4-sharp"),
    ],
)
def test_a_name_is_the_files_without_its_suffix(small_checkpoint: Checkpoint, source: str, name: str) -> None:
    assert replace(small_checkpoint, source=source).name == name


def test_hash_is_that_of_the_file(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    small_checkpoint.save(path)
    assert Checkpoint.load(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, 5000, -1])
def test_a_truncated_file_is_named(small_checkpoint: Checkpoint, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(small_checkpoint.to_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors is not a complete safetensors file"):
        Checkpoint.load(path)


@pytest.mark.parametrize("content", [b"hello, this is a text file\n" * 20, b"\x80\x04\x95", b"\xff" * 64])
def test_other_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"odd\.safetensors is not a complete safetensors file"):
        Checkpoint.load(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        Checkpoint.load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        Checkpoint.load(tmp_path)


CONFIG = '"config": {"scale": 4, "channels": 8, "blocks": 2, "partial_ratio": 0.25}'


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        (None, "another program"),
        ({"format": "pt"}, "another program"),
        ({"ripfdn": '{"format_version": 2, "provenance": {}, "config": {}}'}, "format version 2"),
        ({"ripfdn": "{"}, "damaged metadata"),
        ({"ripfdn": "3"}, "damaged metadata"),
        ({"ripfdn": '{"format_version": 1, "provenance": {}}'}, "damaged metadata"),
        ({"ripfdn": '{"format_version": 1, "provenance": {}, "config": {"scale": 9}}'}, "damaged metadata"),
        ({"ripfdn": '{"format_version": 1, "provenance": {}, "config": 7}'}, "damaged metadata"),
        (
            {"ripfdn": '{"format_version": 1, "provenance": [], ' + CONFIG + "}"},
            "provenance is not an object",
        ),
    ],
)
def test_foreign_metadata_is_refused(tmp_path: Path, metadata: dict[str, str] | None, word: str) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save({"a": np.zeros(3, np.float32)}, metadata=metadata))
    with pytest.raises(CheckpointError, match=word):
        Checkpoint.load(path)
