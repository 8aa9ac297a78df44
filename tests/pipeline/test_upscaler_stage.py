from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.sample_pictures import smooth

from ripfdn_cli.pictures.picture import as_samples
from ripfdn_cli.pipeline.upscaler_stage import UpscalerStage, finish, prepare
from ripfdn_cli.upscaler import Upscaler

SCALE = 4
SIZE = (4 * 40, 4 * 30)


@pytest.fixture(scope="module")
def networks(enlarging_weights: dict[int, Path]) -> dict[int, Upscaler]:
    return {
        scale: Upscaler(path, engine="torch", device="cpu", precision="fp32")
        for scale, path in enlarging_weights.items()
    }


def enlarged(
    networks: dict[int, Upscaler], frame: NDArray[Any], target: tuple[int, int] = SIZE, wrap: int = 0
) -> NDArray[Any]:
    prepared = prepare(frame, frame.dtype.name)
    return finish(
        UpscalerStage(networks, wrap).upscale_frame(prepared, (SCALE,)), target, wrap=wrap > 0, name="frame"
    )


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
def test_colours_are_what_the_network_gives(networks: dict[int, Upscaler], samples: str) -> None:
    frame = smooth(30, 40, 3, samples)
    np.testing.assert_array_equal(enlarged(networks, frame), networks[SCALE].upscale(frame))


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
def test_grey_is_the_mean_of_three_equal_channels(networks: dict[int, Upscaler], samples: str) -> None:
    frame = smooth(30, 40, 1, samples)
    expected = networks[SCALE].upscale(frame.repeat(3, axis=2)).astype(np.float64).mean(axis=2)
    result = enlarged(networks, frame)
    assert result.shape == (120, 160, 1)
    np.testing.assert_allclose(
        result[..., 0], expected if samples == "float32" else np.rint(expected), rtol=1e-6
    )


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_opaque_stays_opaque_and_nothing_stays_nothing(
    networks: dict[int, Upscaler], channels: int, samples: str
) -> None:
    top = np.iinfo(samples).max
    frame = smooth(30, 40, channels, samples)
    frame[:, :15, -1], frame[:, 15:25, -1], frame[:, 25:, -1] = 0, top // 2, top
    alpha = enlarged(networks, frame)[..., -1]
    assert (alpha[:, : 4 * 14] == 0).all()
    assert (alpha[:, 4 * 26 :] == top).all()
    assert (np.diff(alpha[60].astype(int)) >= -top // 50).all()  # one edge, without ringing


@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_even_alpha_stays_what_it_is(networks: dict[int, Upscaler], level: int) -> None:
    frame = smooth(30, 40, 4)
    frame[..., 3] = level
    result = enlarged(networks, frame)
    assert (result[..., 3] == level).all()
    prepared = prepare(frame, "uint8")
    assert (
        UpscalerStage(networks, 0).upscale_frame(prepared, (SCALE,)).tiles == 1
    )  # the network need not see it


def test_hidden_colours_leave_no_fringe(networks: dict[int, Upscaler]) -> None:
    """White under nothing, beside a dark shape: seen on black, no pixel is brighter than the shape."""
    frame = np.full((30, 40, 4), 255, np.uint8)
    frame[..., 3] = 0
    frame[8:22, 10:30] = (30, 30, 30, 255)
    result = enlarged(networks, frame)
    seen = result[..., 3] > 0
    assert result[..., :3][seen].max() <= 36
    naive = networks[SCALE].upscale(np.ascontiguousarray(frame[..., :3]))
    assert naive[seen].max() > 60  # what the test is about


def test_a_texture_that_tiles_tiles_after_it(networks: dict[int, Upscaler]) -> None:
    """Rolled by whole steps of the network's grid, before or after: the same, when it wraps, and not else."""
    rows, columns = np.mgrid[0:48, 0:48]
    frame = 127 + 120 * np.sin(2 * np.pi * rows / 24)[..., None] * np.cos(2 * np.pi * columns / 48)[..., None]
    frame = frame.repeat(3, axis=2).astype(np.uint8)
    rolled = np.roll(frame, (24, 18), (0, 1))
    whole, after = (enlarged(networks, part, (192, 192), wrap=96) for part in (frame, rolled))
    np.testing.assert_allclose(after.astype(int), np.roll(whole, (96, 72), (0, 1)).astype(int), atol=1)
    whole, after = (enlarged(networks, part, (192, 192)) for part in (frame, rolled))
    assert np.abs(after.astype(int) - np.roll(whole, (96, 72), (0, 1)).astype(int)).max() > 3


def test_passes_follow_each_other(networks: dict[int, Upscaler]) -> None:
    frame = smooth(16, 20)
    upscaled = UpscalerStage(networks, 0).upscale_frame(prepare(frame, "uint8"), (2, 3))
    expected = networks[3].upscale(networks[2].upscale(frame))
    np.testing.assert_array_equal(finish(upscaled, (120, 96), wrap=False, name="frame"), expected)
    assert [step.network.scale for step in upscaled.steps] == [2, 3]
    assert upscaled.tiles == 2


def test_no_pass_is_a_plain_resize(networks: dict[int, Upscaler]) -> None:
    frame = smooth(30, 40, 4)
    upscaled = UpscalerStage(networks, 0).upscale_frame(prepare(frame, "uint8"), ())
    assert finish(upscaled, (20, 15), wrap=False, name="frame").shape == (15, 20, 4)
    assert upscaled.tiles == 0


def test_what_weights_make_is_not_judged(
    networks: dict[int, Upscaler], small_weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Weights that were never trained make noise, which is what they should make."""
    untrained = {SCALE: Upscaler(small_weights, engine="torch", device="cpu", precision="fp32")}
    frame = smooth(30, 40)
    np.testing.assert_array_equal(enlarged(untrained, frame), untrained[SCALE].upscale(frame))
    assert not caplog.records


def test_frames_are_told_apart() -> None:
    frame = smooth(16, 20, 4)
    other = frame.copy()
    other[3, 3, 3] ^= 1
    assert prepare(frame, "uint8").equals(prepare(frame.copy(), "uint8"))
    assert not prepare(frame, "uint8").equals(prepare(other, "uint8"))
    assert not prepare(frame, "uint8").equals(prepare(frame[..., :3], "uint8"))
    assert as_samples(frame, "uint8") is frame
