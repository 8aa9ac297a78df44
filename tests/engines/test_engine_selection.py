"""Which engine a request gets, and what a request for something that isn't there gets."""

import logging
import sys
from typing import Any

import pytest
from support.golden_pairs import golden_checkpoint

from ripfdn_cli import openvino_runtime
from ripfdn_cli.engines import engine_selection
from ripfdn_cli.engines.engine_selection import load_engine
from ripfdn_cli.errors import UnavailableError, UsageError


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where OpenVINO is not installed."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(engine_selection, "find_spec", lambda name: None)
    openvino_runtime.openvino.cache_clear()


def test_auto_on_a_cpu_is_openvino_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="ripfdn_cli"):
        engine = load_engine(golden_checkpoint(), device="cpu")
    assert (engine.name, engine.device) == ("openvino", "cpu")
    assert f"engine openvino on cpu in {engine.precision}" in caplog.text


@pytest.mark.usefixtures("without_openvino")
def test_auto_without_openvino_is_torch() -> None:
    assert load_engine(golden_checkpoint(), device="cpu").name == "torch"


@pytest.mark.usefixtures("without_openvino")
def test_openvino_asked_for_and_not_installed_is_an_error_with_the_pip_line() -> None:
    with pytest.raises(UnavailableError, match=r"pip install 'openvino>="):
        load_engine(golden_checkpoint(), engine="openvino")


def test_no_driver_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no GPU's driver is installed, auto must not import torch to ask it for one."""
    monkeypatch.setattr(engine_selection, "may_have_accelerator", lambda: False)
    monkeypatch.setitem(sys.modules, "ripfdn_cli.engines.torch_engine", None)
    assert load_engine(golden_checkpoint()).name == "openvino"


def test_a_driver_without_a_gpu_is_still_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_selection, "may_have_accelerator", lambda: True)
    monkeypatch.setattr("ripfdn_cli.torch_devices.best_device", lambda: "cpu")
    assert load_engine(golden_checkpoint()).name == "openvino"


@pytest.mark.parametrize(("device", "engine"), [("cuda", "torch"), ("cuda:1", "torch"), ("mps", "torch")])
def test_auto_takes_torch_on_a_gpu(device: str, engine: str) -> None:
    assert engine_selection._auto_engine(device) == engine


def test_openvino_runs_on_no_gpu() -> None:
    with pytest.raises(UnavailableError, match="`engine=torch`"):
        load_engine(golden_checkpoint(), engine="openvino", device="cuda")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"engine": "tensorrt"}, "`engine` tensorrt is not one of auto, openvino, torch"),
        ({"precision": "int8"}, "`precision` int8 is not one of auto, fp32, bf16, fp16"),
        ({"threads": 0}, "`threads` 0"),
    ],
)
def test_a_request_for_what_does_not_exist_names_what_does(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_engine(golden_checkpoint(), **request_)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_fp16_on_a_cpu_is_an_error(engine: str) -> None:
    with pytest.raises(UnavailableError, match="fp16"):
        load_engine(golden_checkpoint(), engine=engine, device="cpu", precision="fp16")
