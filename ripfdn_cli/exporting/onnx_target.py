"""ONNX, by torch's own exporter, tidied for programs older than it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

from ripfdn_cli import __version__
from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.exporting.export_target import INPUT_NAME, OUTPUT_NAME, Files, Form, Metadata, Runner, Target
from ripfdn_cli.exporting.whole_image import WholeImage
from ripfdn_cli.model.architecture import SMALLEST_SIDE
from ripfdn_cli.model.checkpoint import Checkpoint

_SUFFIX = ".onnx"
_TALKATIVE = ("torch.onnx", "onnxscript")
_ERROR_SEVERITY = 3


def build(checkpoint: Checkpoint, form: Form, metadata: Metadata) -> Files:
    """An ONNX file with `metadata`, of the opset that `form` names. Raises UnavailableError where a package
    is missing.
    """
    onnx, _, runtime = map(_package, ("onnx", "onnxscript", "onnxruntime"))  # before the work
    runtime.disable_telemetry_events()
    proto = _exported(WholeImage.of(checkpoint, form, half=form.half), form.opset)
    _tidy(proto)
    # torch writes the newest; a reader refuses a version that is newer than itself.
    proto.ir_version = onnx.helper.find_min_ir_version_for(proto.opset_import)
    proto.producer_name, proto.producer_version = "ripfdn", __version__
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    return {_SUFFIX: proto.SerializeToString()}


def load(files: Files) -> Runner:
    """The file in ONNX Runtime, as a function of an array (N, 3, H, W)."""
    runtime = _package("onnxruntime")
    runtime.disable_telemetry_events()  # on Windows it reports to its makers otherwise
    options = runtime.SessionOptions()
    options.log_severity_level = _ERROR_SEVERITY
    session = runtime.InferenceSession(files[_SUFFIX], options, providers=["CPUExecutionProvider"])
    return lambda x: session.run([OUTPUT_NAME], {INPUT_NAME: x})[0]


def _exported(model: WholeImage, opset: int) -> Any:
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            model,
            (model.example(),),
            dynamo=True,
            verbose=False,
            opset_version=opset,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=_open_sizes() if model.size is None else None,
        )
    assert program is not None
    return program.model_proto


def _open_sizes() -> dict[str, dict[int, Any]]:
    sizes = {2: "height", 3: "width"}
    batch = {0: torch.export.Dim("batch")}
    return {"x": batch | {axis: torch.export.Dim(name, min=SMALLEST_SIDE) for axis, name in sizes.items()}}


def _tidy(proto: Any) -> None:
    """Drop the exporter's notes on each node, which name source files of this machine."""
    graph = proto.graph
    for entry in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        entry.ClearField("metadata_props")
        entry.ClearField("doc_string")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's talk of packages it could do without."""
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    try:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f'ONNX needs the package {name}; install it with: pip install "ripfdn-cli[export]"'
        ) from error


ONNX = Target((_SUFFIX,), build, load)
