"""OpenVINO's own format: topology in .xml, weights beside it in .bin."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ripfdn_cli.exporting.export_target import (
    INPUT_NAME,
    METADATA_NAME,
    OUTPUT_NAME,
    Files,
    Form,
    Metadata,
    Runner,
    Target,
)
from ripfdn_cli.exporting.whole_image import WholeImage, traced
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.openvino_runtime import convert_model, openvino

_TOPOLOGY, _WEIGHTS = ".xml", ".bin"


def build(checkpoint: Checkpoint, form: Form, metadata: Metadata) -> Files:
    """The IR: topology and weights."""
    # fp16 is for the weights in the file only: what to compute in is the reader's choice.
    model = _converted(WholeImage.of(checkpoint, form, half=False))
    model.inputs[0].get_tensor().set_names({INPUT_NAME})
    model.outputs[0].get_tensor().set_names({OUTPUT_NAME})
    for key, value in metadata.items():
        model.set_rt_info(value, [METADATA_NAME, key])
    return _serialised(model, half=form.half)


def load(files: Files) -> Runner:
    """The IR in OpenVINO, as a function of an array (N, 3, H, W)."""
    ov = openvino()
    weights = ov.Tensor(np.frombuffer(files[_WEIGHTS], np.uint8).copy())
    model = ov.Core().read_model(files[_TOPOLOGY], weights)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: compiled(x)[OUTPUT_NAME]


def _converted(model: WholeImage) -> Any:
    shape = [-1, 3, -1, -1] if model.size is None else [1, 3, *model.size]
    module = traced(model)  # left to itself, OpenVINO runs the network six times to trace it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and the way in for OpenVINO
        return convert_model(module, input=[openvino().PartialShape(shape)])


def _serialised(model: Any, *, half: bool) -> Files:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{_TOPOLOGY}"
        openvino().save_model(model, path, compress_to_fp16=half)
        return {_TOPOLOGY: path.read_bytes(), _WEIGHTS: path.with_suffix(_WEIGHTS).read_bytes()}


OPENVINO = Target((_TOPOLOGY, _WEIGHTS), build, load)
