"""What other programs do to an ONNX file before they run it."""

from typing import Any

import numpy as np
import pytest
from support.called_functions import recorded_calls

from ripfdn_cli.exporting.export_target import Form
from ripfdn_cli.exporting.onnx_target import build, load
from ripfdn_cli.model.checkpoint import Checkpoint

onnx: Any = pytest.importorskip("onnx")
onnxruntime: Any = pytest.importorskip("onnxruntime")


def sizes(value: Any) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_telemetry_is_off_before_anything_runs(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real functions run; who calls which first is what there is to see of it from outside."""
    content = exported("onnx").read_bytes()  # made, if it must be, before anybody watches
    called = recorded_calls(monkeypatch, onnxruntime, ("disable_telemetry_events", "InferenceSession"))
    load({".onnx": content})
    assert called == ["disable_telemetry_events", "InferenceSession"]


def test_the_graph_is_small_and_old_enough(exported: Any) -> None:
    model = onnx.load(exported("onnx"))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 2 * 20 + 4  # as many as the network has
    assert kinds.count("Resize") == 2
    assert not {"MatMul", "Range", "If", "Loop", "ScatterND", "Einsum"} & set(kinds)


def test_one_input_and_one_output_of_any_size(exported: Any) -> None:
    graph = onnx.load(exported("onnx")).graph
    assert [sizes(value) for value in graph.input] == [["batch", 3, "height", "width"]]
    assert [sizes(value) for value in graph.output] == [["batch", 3, "4*height", "4*width"]]
    assert (graph.input[0].name, graph.output[0].name) == ("input", "output")


def test_the_scale_is_inferred_from_a_fixed_input(exported: Any) -> None:
    """As chaiNNer finds the scale, and vs-mlrt the size of its frames."""
    model = onnx.load(exported("onnx"))
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for axis, size in ((2, 16), (3, 24)):
        dims[axis].dim_value = size
    del model.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    assert sizes(inferred.graph.output[0]) == ["batch", 3, 64, 96]


def test_converting_to_fp16_by_another_tool_costs_little(exported: Any) -> None:
    """ONNX Runtime's converter, which vs-mlrt has remade: arithmetic in fp16 must not touch coordinates."""
    float16: Any = pytest.importorskip("onnxruntime.transformers.float16")
    path = exported("onnx")
    converted = float16.convert_float_to_float16(onnx.load(path), keep_io_types=True)
    x = np.random.default_rng(2).random((1, 3, 150, 400), np.float32)
    exact, rough = (
        onnxruntime.InferenceSession(model).run(None, {"input": x})[0]
        for model in (path, converted.SerializeToString())
    )
    assert 0 < np.abs(exact - rough).max() < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize("opset", [16, 18, 20, 21, 23])
def test_other_opsets_load(upscaling_checkpoint: Checkpoint, opset: int) -> None:
    model = onnx.load_from_string(build(upscaling_checkpoint, Form(opset=opset), {})[".onnx"])
    assert [entry.version for entry in model.opset_import] == [opset]
    x = np.zeros((2, 3, 17, 20), np.float32)
    (result,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": x})
    assert result.shape == (2, 3, 68, 80)
