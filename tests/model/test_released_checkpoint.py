import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.small_inputs import small_network

from ripfdn_cli.errors import CheckpointError
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network
from ripfdn_cli.model.released_checkpoint import export_released, import_released, released_name
from ripfdn_cli.model.weights_store import import_weights


@pytest.fixture
def released(small_checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return export_released(small_checkpoint)


def test_names_are_the_authors() -> None:
    assert released_name("shallow.weight") == "fea_conv.weight"
    assert released_name("fuse.bias") == "c.0.bias"
    assert released_name("blocks.0.distill1.weight") == "B1.c1_d.weight"
    assert released_name("blocks.3.attention.pooled3.bias") == "B4.esa.conv3_.bias"
    assert released_name("blocks.1.channel_scale") == "B2.cw"


@pytest.mark.parametrize("wrap", [True, False])
def test_round_trip(
    small_checkpoint: Checkpoint, released: dict[str, torch.Tensor], tmp_path: Path, wrap: bool
) -> None:
    path = tmp_path / "a.pth"
    torch.save({"params": released} if wrap else released, path)
    imported = import_released(path, {"from": "a test"})
    assert imported.config == small_checkpoint.config
    for name, tensor in small_checkpoint.tensors.items():
        np.testing.assert_array_equal(imported.tensors[name], tensor)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_other_types_become_float32(
    small_checkpoint: Checkpoint,
    released: dict[str, torch.Tensor],
    tmp_path: Path,
    suffix: str,
    dtype: torch.dtype,
) -> None:
    path = tmp_path / f"a{suffix}"
    (torch.save if suffix == ".pth" else save_file)(
        {name: tensor.to(dtype) for name, tensor in released.items()}, path
    )
    imported = import_weights(path)
    for name, tensor in small_checkpoint.tensors.items():
        assert imported.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(
            imported.tensors[name], torch.from_numpy(tensor.copy()).to(dtype).float()
        )


@pytest.mark.parametrize("dtype", ["F8_E8M0", "F99"])
def test_an_unknown_type_is_not_called_damage(tmp_path: Path, dtype: str) -> None:
    """One that safetensors knows and NumPy doesn't, and one that nobody knows."""
    header = json.dumps({"a": {"dtype": dtype, "shape": [8], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(CheckpointError, match=rf"has tensors of the type {dtype}, .*save them as float32"):
        Checkpoint.load(path)


@pytest.mark.parametrize("scale", [2, 3])
def test_the_scale_comes_from_the_shapes(tmp_path: Path, scale: int) -> None:
    from ripfdn_cli.model.network import to_checkpoint

    path = tmp_path / "a.pth"
    torch.save(export_released(to_checkpoint(small_network(scale), {})), path)
    assert import_released(path, {}).config.scale == scale


def test_tensors_that_do_not_fit_are_named(released: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({**released, "B9.c1_d.weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r"B9\.c1_d\.weight is unexpected"):
        import_released(path, {})
    torch.save({name: tensor for name, tensor in released.items() if name != "B2.cw"}, path)
    with pytest.raises(CheckpointError, match=r"blocks\.1\.channel_scale is missing"):
        import_released(path, {})


class Payload:
    """Unpickled by a careless reader, it would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


def test_a_pickles_payload_never_runs(tmp_path: Path) -> None:
    trace, path = tmp_path / "it-ran", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"params": Payload(trace)}))
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        import_released(path, {})
    torch.save({"params": {"fea_conv.weight": Payload(trace)}}, path)
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        import_released(path, {})
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists(), "the payload must be able to run, or this test shows nothing"


@pytest.mark.parametrize(
    "content",
    [b"", b"text\n" * 100, b"PK\x03\x04broken zip", pickle.dumps([1, 2]), pickle.dumps({"params": {"a": 1}})],
)
def test_other_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"odd\.pth"):
        import_released(path, {})


def test_every_truncation_is_an_error(released: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(released, path)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, len(content) // 40):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"a\.pth"):
            import_released(path, {})


@pytest.mark.reference
def test_golden_pairs_of_the_authors_code(shared: Path) -> None:
    network = build_network(import_released(shared / "reference" / "team23_RIPFDN.pth", {}))
    pairs = sorted((shared / "reference" / "golden").glob("*.npz"))
    assert len(pairs) == 6
    for pair in pairs:
        with np.load(pair) as arrays, torch.inference_mode():
            result = network(torch.from_numpy(arrays["x"])).numpy()
            assert np.abs(result - arrays["y"]).max() <= 2e-5, pair.name
