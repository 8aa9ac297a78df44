"""spandrel as it comes from PyPI, also where its torchvision does not fit the installed torch."""

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest
import torch

_OPERATORS = ("nms", "qnms")


@pytest.fixture(scope="session")
def spandrel() -> ModuleType:
    """Tests that ask for it are skipped where it isn't installed."""
    for name in ("spandrel", "torchvision"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    fitting_torchvision()
    return importlib.import_module("spandrel")


def fitting_torchvision() -> ModuleType:
    """torchvision, skipping the test where it isn't installed.

    Beside a CPU build of torch, PyPI's torchvision (a CUDA build) can't load its compiled half, and then
    can't be imported because two of its operators have no schema. Given these it can. spandrel needs its
    Python half only, and so do metrics and losses that compare the features of its networks.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for operator in _OPERATORS:
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        return importlib.import_module("torchvision")
