import platform
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.torch_devices import available_device, can_compile, cpu_threads, has_amx


def test_nothing_is_compiled_on_a_cpu() -> None:
    assert not can_compile(torch.device("cpu"))


@pytest.mark.parametrize("device", ["cuda:99", "xpu", "nonsense", "cuda:-1", "meta"])
def test_a_device_that_is_not_there_is_an_error_that_names_it(device: str) -> None:
    with pytest.raises(UnavailableError, match=f"`device` {device}"):
        available_device(device)


def test_threads_are_as_before_after_the_block() -> None:
    before = torch.get_num_threads()
    for count, expected in ((None, before), (before, before), (before + 2, before + 2)):
        with suppress(KeyboardInterrupt), cpu_threads(count):
            assert torch.get_num_threads() == expected
            raise KeyboardInterrupt
        assert torch.get_num_threads() == before


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the flags of others have other names"
)
def test_amx_is_what_the_kernel_says_of_the_processor() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii").split()
    assert has_amx() == ("amx_bf16" in flags)
