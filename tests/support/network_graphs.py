"""Results of OpenVINO graphs of the network."""

from typing import Any

import numpy as np

from ripfdn_cli.model.architecture import attention_geometry
from ripfdn_cli.openvino_runtime import openvino

SIDE = 33


PICTURE = np.random.default_rng(3).random((1, 3, SIDE, SIDE), np.float32)


def result_of(model: Any) -> np.ndarray:
    """What `model` gives for `PICTURE`; float32 without the CPU plugin's shortcuts."""
    geometry = attention_geometry(height=SIDE, width=SIDE)
    compiled = openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result: np.ndarray = compiled([PICTURE, geometry.rows, geometry.columns])[0]
    return result.copy()
