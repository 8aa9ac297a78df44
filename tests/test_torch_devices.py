import pytest
import torch

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.torch_devices import available_device, can_compile


def test_nothing_is_compiled_on_a_cpu() -> None:
    assert not can_compile(torch.device("cpu"))


@pytest.mark.parametrize("device", ["cuda:99", "xpu", "nonsense", "cuda:-1", "meta"])
def test_a_device_that_is_not_there_is_an_error_that_names_it(device: str) -> None:
    with pytest.raises(UnavailableError, match=f"`device` {device}"):
        available_device(device)
