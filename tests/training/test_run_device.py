from collections.abc import Iterator

import pytest
import torch

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.run_device import device_name, prepare_device
from ripfdn_cli.training.settings import TrainingSettings


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.parametrize("deterministic", [True, False])
def test_pytorch_is_set_up_as_the_settings_say(deterministic: bool) -> None:
    settings = TrainingSettings(steps=1, device="cpu", threads=1, deterministic=deterministic)
    device = prepare_device(settings, Ranks())
    assert device == torch.device("cpu")
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert device_name(device).endswith(", 1 threads)")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(UnavailableError, match="cuda"):
        prepare_device(TrainingSettings(steps=1, device="cuda"), Ranks())
