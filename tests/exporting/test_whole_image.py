import pytest
import torch

from ripfdn_cli.exporting.export_target import Form
from ripfdn_cli.exporting.whole_image import WholeImage
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network


@pytest.mark.parametrize("size", [(15, 15), (20, 44), (61, 38)])
def test_the_resize_is_the_two_matrices(small_checkpoint: Checkpoint, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        result = WholeImage.of(small_checkpoint, Form(), half=False)(x)
        torch.testing.assert_close(result, build_network(small_checkpoint)(x), rtol=0, atol=1e-6)


def test_half_computes_in_fp16_between_floats(small_checkpoint: Checkpoint) -> None:
    model = WholeImage.of(small_checkpoint, Form(), half=True)
    x = torch.rand(1, 3, 20, 22, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        result = model(x)
        exact = build_network(small_checkpoint)(x)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}
    assert result.dtype == torch.float32
    assert 0 < (result - exact).abs().max() < 1e-2


def test_examples_have_the_size_that_is_asked_for(small_checkpoint: Checkpoint) -> None:
    assert WholeImage.of(small_checkpoint, Form(tile=(15, 40)), half=False).example().shape == (1, 3, 15, 40)
    open_sizes = WholeImage.of(small_checkpoint, Form(), half=False).example().shape
    assert len(set(open_sizes)) == 4
