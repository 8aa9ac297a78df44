"""What `--precision auto` is on a CPU: with the processor's bf16, and with it hidden."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.golden_pairs import golden_checkpoint
from support.reference_network import ReferenceNetwork
from support.sample_pictures import smooth

from ripfdn_cli import openvino_runtime, torch_devices
from ripfdn_cli.engines.engine_selection import ENGINES, load_engine
from ripfdn_cli.errors import UnavailableError, UsageError
from ripfdn_cli.model.checkpoint import Checkpoint

SETTINGS = ("RIPFDN_CPU_BF16", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "OV_CPU_MAX_ISA")
"""What changes what a library says of this processor, or what is made of it."""
HIDING = [
    ("RIPFDN_CPU_BF16", "off"),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"),
    ("ONEDNN_MAX_CPU_ISA", "avx512_core_vnni"),
    ("DNNL_MAX_CPU_ISA", "AVX512_CORE"),
]
WITHIN = {"fp32": 0.51, "bf16": 4}
"""8-bit levels around what the network's definition gives, before it is rounded."""

DefaultIs = Callable[..., None]


@pytest.fixture(autouse=True)
def as_the_processor_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def processor_precision() -> str:
    """What the kernel says of the processor: neither torch nor OpenVINO is asked."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("the flags of other processors have other names")
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii").split()
    return "bf16" if {"avx512_bf16", "amx_bf16"} & set(flags) else "fp32"


@pytest.fixture
def default_is(tmp_path: Path, enlarging_weights: dict[int, Path]) -> DefaultIs:
    """Asserts which precision `ripfdn upscale` takes, says and records with an engine and settings of the
    environment, and that the result is that near to the network's definition. In a process of its own, since
    libraries read the environment once.
    """
    weights, pixels = enlarging_weights[4], smooth(24, 30)
    checkpoint = Checkpoint.load(weights)
    tensors = {name: torch.from_numpy(tensor) for name, tensor in checkpoint.tensors.items()}
    expected = ReferenceNetwork(checkpoint.config, tensors).upscale(pixels).clip(0, 1) * 255
    Image.fromarray(pixels).save(tmp_path / "in.png")
    command = [sys.executable, "-m", "ripfdn_cli", "upscale", "in.png", "-o", "out.png", "-v", "--json"]

    def run(engine: str, precision: str, **environment: str) -> None:
        process = subprocess.run(
            [*command, "--weights", str(weights), "--device", "cpu", "--engine", engine],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )
        assert process.returncode == 0, process.stderr
        assert f"engine {engine} on cpu in {precision}" in process.stderr
        assert json.loads(process.stdout.splitlines()[0])["precision"] == precision
        with Image.open(tmp_path / "out.png") as result:
            np.testing.assert_allclose(np.asarray(result), expected, rtol=0, atol=WITHIN[precision])

    return run


@pytest.mark.parametrize("engine", ENGINES)
def test_auto_is_bf16_where_the_processor_has_it(default_is: DefaultIs, engine: str) -> None:
    default_is(engine, processor_precision())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("setting", HIDING[:2])
def test_auto_is_fp32_where_bf16_is_hidden(
    default_is: DefaultIs, engine: str, setting: tuple[str, str]
) -> None:
    default_is(engine, "fp32", **dict([setting]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("setting", HIDING)
def test_hidden_bf16_is_refused_with_what_hides_it(
    monkeypatch: pytest.MonkeyPatch, engine: str, setting: tuple[str, str]
) -> None:
    monkeypatch.setenv(*setting)
    assert load_engine(golden_checkpoint(), engine=engine, device="cpu").precision == "fp32"
    with pytest.raises(UnavailableError, match=f"`precision` bf16: {'='.join(setting)} in the environment"):
        load_engine(golden_checkpoint(), engine=engine, device="cpu", precision="bf16")


@pytest.mark.parametrize(
    "setting",
    [
        ("RIPFDN_CPU_BF16", "auto"),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX"),
        ("ONEDNN_MAX_CPU_ISA", "ALL"),
        ("ONEDNN_MAX_CPU_ISA", ""),
    ],
)
def test_other_settings_hide_nothing(monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]) -> None:
    before = openvino_runtime.native_bf16(), torch_devices.native_bf16()
    monkeypatch.setenv(*setting)
    assert (openvino_runtime.native_bf16(), torch_devices.native_bf16()) == before


def test_onednn_s_new_name_goes_before_its_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch_devices.native_bf16()
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "ALL")
    assert torch_devices.native_bf16() == before


@pytest.mark.parametrize("value", ["on", "OFF", "0", ""])
def test_a_switch_that_is_set_to_nonsense_is_an_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RIPFDN_CPU_BF16", value)
    with pytest.raises(UsageError, match=f"RIPFDN_CPU_BF16={value} in the environment is not auto or off"):
        load_engine(golden_checkpoint(), device="cpu")


@pytest.mark.parametrize("engine", ENGINES)
def test_bf16_is_refused_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    module = "engines.openvino_engine" if engine == "openvino" else "torch_devices"
    monkeypatch.setattr(f"ripfdn_cli.{module}.native_bf16", lambda: False)
    with pytest.raises(UnavailableError, match="this processor has no bf16 arithmetic"):
        load_engine(golden_checkpoint(), engine=engine, device="cpu", precision="bf16")
