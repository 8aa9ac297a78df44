"""Networks of others: small ONNX files made here, run by both runtimes, and one that spandrel reads."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from support.called_functions import recorded_calls

from ripfdn_cli import foreign_networks
from ripfdn_cli.errors import CheckpointError, UnavailableError
from ripfdn_cli.foreign_networks import load_onnx, load_with_spandrel

Write = Callable[..., Path]
FREE = (None, 3, None, None)


@pytest.fixture(params=["openvino", "onnxruntime"])
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    monkeypatch.setattr(foreign_networks, "find_spec", lambda module: name == "openvino" or None)
    return name


def blurred(pixels: NDArray[np.float32], reach: int = 1) -> NDArray[np.float32]:
    """The mean of 3×3 pixels that are `reach` apart, zero beyond the edge."""
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)))
    height, width = pixels.shape[:2]
    steps = (0, reach, 2 * reach)
    around = [padded[y : y + height, x : x + width] for y in steps for x in steps]
    total: NDArray[np.float32] = np.sum(around, axis=0)
    return total / np.float32(9)


def expected(pixels: NDArray[np.float32], scale: int, reach: int = 1) -> NDArray[np.float32]:
    """What the networks of `save` do: blur, then repeat each pixel."""
    return blurred(pixels, reach).repeat(scale, axis=0).repeat(scale, axis=1)


def save(
    path: Path,
    *,
    scale: int = 4,
    sides: Sequence[int | None] = FREE,
    kind: int = TensorProto.FLOAT,
    block: int = 1,
    factor: float = 1.0,
    outputs: int = 1,
    reach: int = 1,
) -> Path:
    """A network that blurs and enlarges. `block`: its sides must be multiples of it. `factor` times that.
    `reach`: how far it sees.
    """
    kernel = np.zeros((3 * scale**2, 3, 3, 3), np.float32)
    for channel in range(3 * scale**2):
        kernel[channel, channel // scale**2] = factor / 9
    nodes = [
        helper.make_node("SpaceToDepth", ["lr"], ["blocks"], blocksize=block),
        helper.make_node("DepthToSpace", ["blocks"], ["again"], blocksize=block),
        helper.make_node("Cast", ["again"], ["float"], to=TensorProto.FLOAT),
        helper.make_node(
            "Conv", ["float", "kernel"], ["sub_pixels"], pads=4 * [reach], dilations=2 * [reach]
        ),
        helper.make_node("DepthToSpace", ["sub_pixels"], ["sr"], blocksize=scale, mode="CRD"),
        helper.make_node("Identity", ["sr"], ["copy"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info(
                "lr", kind, [side or name for side, name in zip(sides, "ncyx", strict=True)]
            )
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("sr", "copy")[:outputs]],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def picture(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).random((height, width, 3), np.float32)


@pytest.mark.parametrize(("scale", "block"), [(4, 1), (2, 8), (3, 16)])
def test_a_picture_of_any_size_is_enlarged(runtime: str, tmp_path: Path, scale: int, block: int) -> None:
    path = save(tmp_path / "n.onnx", scale=scale, block=block)
    network = load_onnx(path, 1)
    assert network.scale == scale
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for height, width in ((40, 33), (7, 80), (1, 5)):
        pixels = picture(height, width)
        result = network(pixels)
        assert result.shape == (scale * height, scale * width, 3)
        inside = (slice(-scale), slice(-scale))  # the last pixels see what was padded
        np.testing.assert_allclose(result[inside], expected(pixels, scale)[inside], atol=1e-5)


@pytest.mark.parametrize("block", [1, 2, 4])
def test_nothing_is_padded_that_need_not_be(runtime: str, tmp_path: Path, block: int) -> None:
    """The last pixels, too, are what the network makes of the picture alone."""
    network = load_onnx(save(tmp_path / "n.onnx", block=block), 1)
    pixels = picture(32 + block, 16 + 3 * block)
    np.testing.assert_allclose(network(pixels), expected(pixels, 4), atol=1e-5)


def test_a_large_picture_goes_through_in_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_networks, "LARGEST_WHOLE", 50 * 50)
    monkeypatch.setattr(foreign_networks, "TILE", 30)
    monkeypatch.setattr(foreign_networks, "HALO", 6)
    network = load_onnx(save(tmp_path / "n.onnx"), 1)
    largest: list[tuple[int, ...]] = []
    run = network._run

    def noted(pixels: NDArray[Any]) -> Any:
        largest.append(pixels.shape[2:])
        return run(pixels)

    network._run = noted
    pixels = picture(112, 96)
    result, wanted = network(pixels), expected(pixels, 4)
    np.testing.assert_allclose(result[:-4, :-4], wanted[:-4, :-4], atol=1e-5)
    assert len(largest) > 6
    assert max(height * width for height, width in largest) <= 48 * 48


def test_tiles_have_the_context_of_a_network_that_sees_32_pixels_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_networks, "LARGEST_WHOLE", 50 * 50)
    monkeypatch.setattr(foreign_networks, "TILE", 60)
    network = load_onnx(save(tmp_path / "n.onnx", reach=32), 1)
    pixels = picture(330, 300)  # of which 24 px of context would be too few
    np.testing.assert_allclose(network(pixels), expected(pixels, 4, reach=32), atol=1e-5)


def test_a_network_of_one_size_is_given_that_size(runtime: str, tmp_path: Path) -> None:
    network = load_onnx(save(tmp_path / "n.onnx", sides=(1, 3, 48, 40)), 1)
    for height, width in ((100, 90), (20, 30), (48, 40)):
        pixels = picture(height, width)
        result, wanted = network(pixels), expected(pixels, 4)
        np.testing.assert_allclose(result[:-4, :-4], wanted[:-4, :-4], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": TensorProto.FLOAT16}, "float32 .* is needed"),
        (
            {"sides": (None, 1, None, None)},
            r"takes f32 \?×1×\?×\?; float32 \(1, 3, height, width\) is needed",
        ),
        ({"sides": (4, 3, None, None)}, "float32 .* is needed"),
        ({"sides": (1, 3, 64, None)}, "fix both sides, or neither"),
        ({"sides": (1, 3, 16, 16)}, "too small for tiles"),
        ({"outputs": 2}, "has 1 inputs and 2 outputs"),
        ({"factor": float("nan")}, "gives values that are not finite"),
        ({"block": 256}, "is not a super-resolution network: it (fails|turns)"),
    ],
)
def test_what_is_no_teacher_is_told_in_a_line(
    runtime: str, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "n.onnx"
    if changes.get("sides", FREE)[1] == 1:
        _one_channel(path)
    else:
        save(path, **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_onnx(path, 1)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_networks(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    with pytest.raises(CheckpointError, match=r"can't read .*n\.onnx"):
        load_onnx(path, 1)
    path.write_bytes(b"not a network at all")
    with pytest.raises(CheckpointError, match="can't be read as ONNX"):
        load_onnx(path, 1)


def test_values_that_become_infinite_later_are_told(runtime: str, tmp_path: Path) -> None:
    network = load_onnx(save(tmp_path / "n.onnx", factor=3e38), 1)
    with pytest.raises(CheckpointError, match="not finite for a picture of 12×9 px"):
        network(np.full((9, 12, 3), 100, np.float32))


def test_telemetry_of_onnx_runtime_is_off_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real functions run; who calls which first is what there is to see of it from outside."""
    onnxruntime: Any = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(foreign_networks, "find_spec", lambda module: None)
    called = recorded_calls(monkeypatch, onnxruntime, ("disable_telemetry_events", "InferenceSession"))
    load_onnx(save(tmp_path / "a.onnx"), 1)
    assert called == ["disable_telemetry_events", "InferenceSession"]


def test_without_a_runtime_the_line_that_installs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(foreign_networks, "find_spec", lambda module: None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UnavailableError, match="pip install openvino"):
        load_onnx(save(tmp_path / "n.onnx"), 1)


def test_a_network_that_spandrel_reads(spandrel: ModuleType, tmp_path: Path) -> None:
    """Against the same network called directly."""
    architecture = pytest.importorskip("spandrel.architectures.Compact")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = architecture.Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=4).eval()
    path = tmp_path / "compact.pth"
    torch.save(model.state_dict(), path)
    network = load_with_spandrel(path, "cpu")
    pixels = picture(20, 31)
    with torch.inference_mode():
        direct = model(torch.from_numpy(pixels.transpose(2, 0, 1)[None]))[0].permute(1, 2, 0).numpy()
    assert network.scale == 4
    np.testing.assert_allclose(network(pixels), direct.clip(0, 1), atol=1e-5)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="can't be read by spandrel"):
        load_with_spandrel(path, "cpu")


def _one_channel(path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("DepthToSpace", ["lr"], ["sr"], blocksize=1)],
        "network",
        [helper.make_tensor_value_info("lr", TensorProto.FLOAT, ["n", 1, "y", "x"])],
        [helper.make_tensor_value_info("sr", TensorProto.FLOAT, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
