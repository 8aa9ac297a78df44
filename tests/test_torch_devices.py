import platform
import sys
from pathlib import Path

import pytest
import torch

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.torch_devices import available_device, can_compile, has_amx


def test_nothing_is_compiled_on_a_cpu() -> None:
    assert not can_compile(torch.device("cpu"))


@pytest.mark.parametrize("device", ["cuda:99", "xpu", "nonsense", "cuda:-1", "meta"])
def test_a_device_that_is_not_there_is_an_error_that_names_it(device: str) -> None:
    with pytest.raises(UnavailableError, match=f"`device` {device}"):
        available_device(device)


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the flags of others have other names"
)
def test_amx_is_what_the_kernel_says_of_the_processor() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii").split()
    assert has_amx() == ("amx_bf16" in flags)
