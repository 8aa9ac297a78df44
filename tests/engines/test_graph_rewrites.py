"""Every rewrite leaves the function of the graph as it was, and does what it is for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.golden_pairs import golden_checkpoint
from support.network_graphs import SIDE, result_of

from ripfdn_cli.engines import graph_rewrites
from ripfdn_cli.engines.openvino_graph import converted_graph, from_bytes, to_bytes, with_pixels
from ripfdn_cli.model.architecture import attention_geometry
from ripfdn_cli.openvino_runtime import openvino

torch = pytest.importorskip("torch")

MARK = "DisablePrecisionConversion_0"
PASSES = ("concats_to_sums", "fold_residuals", "splits_to_slices", "accumulate_early")


def operations(model: Any) -> Counter[str]:
    return Counter(node.get_type_name() for node in model.get_ordered_ops())


@pytest.mark.parametrize("count", range(1, len(PASSES) + 1))
def test_every_pass_keeps_the_function(plain: Any, count: int) -> None:
    expected = result_of(plain)
    for name in PASSES[:count]:
        getattr(graph_rewrites, name)(plain)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(result_of(plain), expected, rtol=0, atol=5e-6)


def test_what_each_pass_removes(plain: Any) -> None:
    before = operations(plain)
    blocks, refinements = 2, 6
    graph_rewrites.concats_to_sums(plain)
    assert before["Concat"] == refinements + 2 * blocks + 1
    assert operations(plain)["Concat"] == 0
    added = operations(plain)["Add"]
    graph_rewrites.fold_residuals(plain)
    assert operations(plain)["Add"] == added - refinements
    graph_rewrites.splits_to_slices(plain)
    assert operations(plain)["VariadicSplit"] == 0
    assert operations(plain)["Slice"] == refinements
    graph_rewrites.accumulate_early(plain)
    assert operations(plain)["Slice"] == refinements + blocks - 1


def test_sums_grow_before_the_next_feature(plain: Any) -> None:
    """The first 1×1 of the last sum is computed from the first block before the second block is done."""
    graph_rewrites.rewrite(plain)
    order = execution_order(plain)
    convolutions = [name for name in order if "Convolution" in name]
    fusing = [name for name in convolutions if reads(plain, name, "blocks.0/aten::add")]
    assert fusing
    assert convolutions.index(fusing[0]) < convolutions.index(
        next(name for name in convolutions if "blocks.1.project" in name)
    )


def execution_order(model: Any) -> list[str]:
    compiled = openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    nodes = compiled.get_runtime_model().get_ops()
    position: Callable[[Any], int] = lambda node: int(node.get_rt_info()["execOrder"].astype(str))  # noqa: E731
    return [node.get_friendly_name() for node in sorted(nodes, key=position)]


def reads(model: Any, name: str, feature: str) -> bool:
    """Whether the node `name` of `model` is an 8→8 1×1 over the output of the block `feature`."""
    for node in model.get_ordered_ops():
        if node.get_friendly_name() == name:
            source = node.input(0).get_source_output().get_node().get_friendly_name()
            weights = node.input(1).get_source_output().get_node()
            return feature in source and tuple(weights.output(0).get_shape()) == (8, 8, 1, 1)
    return False


def test_the_long_skip_is_the_first_and_the_last_convolution_and_their_sum(plain: Any) -> None:
    graph_rewrites.rewrite(plain)
    names = graph_rewrites.long_skip(plain)
    convolutions = [
        node.get_friendly_name() for node in plain.get_ordered_ops() if node.get_type_name() == "Convolution"
    ]
    assert names & set(convolutions) == {convolutions[0], convolutions[-1]}
    assert "shallow" in convolutions[0]
    assert "upsample" in convolutions[-1]
    marked = to_bytes(plain, precise=names)
    kept = [node for node in from_bytes(marked).get_ops() if MARK in node.get_rt_info()]
    assert {node.get_friendly_name() for node in kept} == names


def test_the_skip_from_pixels_is_the_skip_up_to_the_border() -> None:
    """But for rounding. bf16 holds the last convolution exactly, as its rounding is meant to differ."""
    checkpoint = golden_checkpoint()
    last = checkpoint.tensors["upsample.weight"]
    rounded = torch.from_numpy(last).bfloat16().float().numpy()
    bias = np.random.default_rng(4).normal(0, 0.1, 8).astype(np.float32)
    tensors = {**checkpoint.tensors, "upsample.weight": rounded, "shallow.bias": bias}
    checkpoint = replace(checkpoint, tensors=tensors)
    content = to_bytes(converted_graph(checkpoint, rewritten=True))
    expected, result = (with_pixels(from_bytes(content), dtype=np.dtype(np.uint8), scale=4) for _ in range(2))
    names = graph_rewrites.skip_from_pixels(result)
    assert len(names & {node.get_friendly_name() for node in result.get_ops()}) == 3
    pixels = np.random.default_rng(5).integers(60, 200, (1, SIDE, SIDE, 3), np.uint8)
    differences = levels_of(result, pixels).astype(int) - levels_of(expected, pixels)
    assert np.abs(differences).max() <= 1
    assert np.count_nonzero(differences) <= differences.size / 25  # with weights rounded one by one: 0.15
    convolutions = [node for node in result.get_ordered_ops() if node.get_type_name() == "Convolution"]
    for node in (convolutions[0], *[node for node in convolutions if from_neighbourhood(node)]):
        weights = node.input(1).get_source_output().get_node().data.copy()
        np.testing.assert_array_equal(torch.from_numpy(weights).bfloat16().float().numpy(), weights)


def levels_of(model: Any, pixels: np.ndarray) -> np.ndarray:
    geometry = attention_geometry(height=SIDE, width=SIDE)
    compiled = openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled([pixels, geometry.rows, geometry.columns])[0])


def from_neighbourhood(convolution: Any) -> bool:
    return int(convolution.input(1).get_partial_shape().to_shape()[1]) == 32
