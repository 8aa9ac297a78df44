from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ripfdn_cli.engines.torch_engine import TorchEngine
from ripfdn_cli.errors import InternalError
from ripfdn_cli.exporting.agreement import check_agreement, photograph
from ripfdn_cli.exporting.export_target import Form, Runner
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@pytest.fixture(scope="module")
def engine(small_checkpoint: Checkpoint) -> TorchEngine:
    return TorchEngine(small_checkpoint, device="cpu", precision="fp32")


def changed(checkpoint: Checkpoint, change: Change) -> Runner:
    """The network itself, its results changed."""
    network = build_network(checkpoint)

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return change(network(torch.from_numpy(x)).numpy())

    return run


def offset(amount: float) -> Change:
    return lambda y: y + np.float32(amount)


def nan_in_the_corner(y: NDArray[np.float32]) -> NDArray[np.float32]:
    y[-1, -1, -1, -1] = np.nan
    return y


def test_the_network_agrees_with_itself(small_checkpoint: Checkpoint, engine: TorchEngine) -> None:
    agreement = check_agreement(changed(small_checkpoint, offset(0)), engine, Form())
    assert agreement.difference < 1e-5
    assert agreement.psnr_difference < 1e-3


@pytest.mark.parametrize(
    "change",
    [
        offset(1e-3),
        lambda y: np.roll(y, 1, axis=-1),
        lambda y: y[:, ::-1],
        nan_in_the_corner,
    ],
    ids=["offset", "shifted", "BGR", "NaN"],
)
def test_what_is_not_the_network_is_an_error(
    small_checkpoint: Checkpoint, engine: TorchEngine, change: Change
) -> None:
    with pytest.raises(InternalError, match="nothing was written"):
        check_agreement(changed(small_checkpoint, change), engine, Form())


@pytest.mark.parametrize("change", [lambda y: y[..., 1:], lambda y: y.astype(np.float64)])
def test_another_shape_or_type_is_an_error(
    small_checkpoint: Checkpoint, engine: TorchEngine, change: Change
) -> None:
    with pytest.raises(InternalError, match="where ripfdn's own gives"):
        check_agreement(changed(small_checkpoint, change), engine, Form())


def test_fp16_weights_may_differ_more(small_checkpoint: Checkpoint, engine: TorchEngine) -> None:
    chequered = changed(
        small_checkpoint, lambda y: y + np.float32(1e-3) * (np.indices(y.shape).sum(0) % 2 == 0)
    )
    assert check_agreement(chequered, engine, Form(half=True)).difference > 1e-4
    with pytest.raises(InternalError):
        check_agreement(chequered, engine, Form())


def test_a_fixed_tile_is_compared_at_its_size_only(small_checkpoint: Checkpoint, engine: TorchEngine) -> None:
    shapes = set()
    network = changed(small_checkpoint, offset(0))

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        shapes.add(x.shape)
        return network(x)

    check_agreement(run, engine, Form(tile=(17, 30)))
    assert shapes == {(1, 3, 17, 30)}


def test_the_photograph_has_edges_texture_and_range() -> None:
    picture = photograph(96, 120, 5).astype(float)
    assert picture.shape == (96, 120, 3)
    np.testing.assert_array_equal(picture, photograph(96, 120, 5))
    assert picture.min() < 40
    assert picture.max() > 200
    power = np.abs(np.fft.rfft2(picture[..., 0] - picture[..., 0].mean())) ** 2
    low, high = power[:8, :8].mean(), power[40:48, 40:48].mean()
    assert low > 100 * high  # falls with frequency, as noise doesn't
    assert np.abs(np.diff(picture, axis=1)).max() > 40
