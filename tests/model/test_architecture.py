import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ripfdn_cli.errors import UsageError
from ripfdn_cli.model.architecture import (
    GRID_STEP,
    SMALLEST_SIDE,
    NetworkConfig,
    attention_geometry,
    interpolation_matrix,
    pooled_size,
)


@given(st.integers(SMALLEST_SIDE, 400))
def test_pooled_size_is_that_of_the_real_convolution_and_pooling(length: int) -> None:
    column = torch.zeros(1, 1, length, SMALLEST_SIDE)
    pooled = torch.nn.functional.max_pool2d(
        torch.nn.functional.conv2d(column, torch.zeros(1, 1, 3, 3), stride=2), kernel_size=7, stride=3
    )
    assert pooled.shape[2] == pooled_size(length)


def test_one_pixel_less_than_the_smallest_side_leaves_nothing_to_pool() -> None:
    assert pooled_size(SMALLEST_SIDE) == 1
    assert pooled_size(SMALLEST_SIDE - 1) == 0


@given(st.integers(SMALLEST_SIDE, 300))
def test_the_whole_image_interpolates_as_torch_does(length: int) -> None:
    count = pooled_size(length)
    identity = torch.eye(count)[None]
    expected = torch.nn.functional.interpolate(identity, size=length, mode="linear", align_corners=False)[0].T
    np.testing.assert_allclose(interpolation_matrix(length, 0, length), expected.numpy(), atol=2e-5)


@given(st.data())
def test_a_tile_samples_the_whole_images_map_away_from_its_ends(data: st.DataObject) -> None:
    whole = data.draw(st.integers(100, 400))
    origin = GRID_STEP * data.draw(st.integers(0, 8))
    length = data.draw(st.integers(40, whole - origin))
    full = interpolation_matrix(whole, 0, whole)
    tile = interpolation_matrix(whole, origin, length)
    first, own = origin // GRID_STEP, pooled_size(length)
    reachable = full[origin : origin + length, first : first + own]
    inside = reachable.sum(axis=1) > 1 - 1e-6
    np.testing.assert_allclose(tile[inside], reachable[inside], atol=1e-6)
    assert inside.sum() >= length - 24


def test_a_tile_off_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 6"):
        interpolation_matrix(100, 4, 50)


def test_geometry_has_rows_for_the_height_and_columns_for_the_width() -> None:
    geometry = attention_geometry(height=100, width=60, top=6, left=12, tile_height=40, tile_width=30)
    assert geometry.rows.shape == (40, pooled_size(40))
    assert geometry.columns.shape == (30, pooled_size(30))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"scale": 5}, "scale 5"),
        ({"channels": 50}, "channels 50"),
        ({"channels": 0}, "channels 0"),
        ({"blocks": 0}, "blocks 0"),
        ({"partial_ratio": 0.3}, "partial_ratio 0.3"),
        ({"partial_ratio": 0.0}, "partial_ratio 0"),
        ({"partial_ratio": 1.02}, "partial_ratio 1.02"),
        ({"partial_ratio": float("inf")}, "partial_ratio inf"),
        ({"partial_ratio": float("nan")}, "partial_ratio nan"),
    ],
)
def test_impossible_dimensions_are_named(values: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        NetworkConfig(**values)


@given(quarter=st.integers(1, 100), data=st.data())
def test_every_whole_share_of_the_channels_is_one(quarter: int, data: st.DataObject) -> None:
    """Divided, and as it is written: 15 / 44 * 44 and 0.29 * 100 are no whole numbers in floats."""
    partial = data.draw(st.integers(1, 4 * quarter))
    for ratio in (partial / (4 * quarter), float(f"{partial / (4 * quarter):.10f}")):
        assert NetworkConfig(channels=4 * quarter, partial_ratio=ratio).partial_channels == partial


@pytest.mark.parametrize(("channels", "ratio", "partial"), [(100, 0.29, 29), (44, 15 / 44, 15)])
def test_shares_that_are_not_exact_in_floats(channels: int, ratio: float, partial: int) -> None:
    assert NetworkConfig(channels=channels, partial_ratio=ratio).partial_channels == partial


def test_config_survives_a_round_trip_and_refuses_odd_keys() -> None:
    config = NetworkConfig(scale=2, channels=16, blocks=3)
    assert NetworkConfig.from_dict(config.as_dict()) == config
    with pytest.raises(UsageError, match="chanels"):
        NetworkConfig.from_dict({**config.as_dict(), "chanels": 3})
    with pytest.raises(UsageError, match="blocks"):
        NetworkConfig.from_dict({"scale": 4, "channels": 52, "partial_ratio": 0.25})
    with pytest.raises(UsageError, match="not a number"):
        NetworkConfig.from_dict({**config.as_dict(), "blocks": None})


@pytest.mark.parametrize("name", ["scale", "channels", "blocks"])
def test_a_config_is_never_rounded(name: str) -> None:
    values = NetworkConfig().as_dict()
    assert NetworkConfig.from_dict({**values, name: float(values[name])}) == NetworkConfig()
    with pytest.raises(UsageError, match=rf"{name} \d+\.9 is not a whole number"):
        NetworkConfig.from_dict({**values, name: values[name] + 0.9})
    with pytest.raises(UsageError, match="not a number"):
        NetworkConfig.from_dict({**values, name: math.inf})
