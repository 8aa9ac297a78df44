from collections.abc import Iterator
from contextlib import suppress

import pytest
import torch

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.run_device import device_name, prepare_device, torch_as_before
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


@pytest.mark.parametrize("deterministic", [True, False])
def test_pytorch_is_as_before_after_a_run(deterministic: bool) -> None:
    threads = torch.get_num_threads()
    torch.use_deterministic_algorithms(not deterministic)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with suppress(KeyboardInterrupt), torch_as_before():
        prepare_device(
            TrainingSettings(steps=1, device="cpu", threads=threads + 1, deterministic=deterministic), Ranks()
        )
        torch.manual_seed(7)
        raise KeyboardInterrupt
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() is not deterministic
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(UnavailableError, match="cuda"):
        prepare_device(TrainingSettings(steps=1, device="cuda"), Ranks())
