import numpy as np
import pytest

from ripfdn_cli.image_math.levels import as_levels


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_floats_become_the_nearest_level(dtype: str, top: int) -> None:
    values = np.random.default_rng(0).random(500, np.float32)
    levels = as_levels(values, dtype)
    assert levels.dtype == dtype
    np.testing.assert_allclose(levels, values.astype(np.float64) * top, rtol=0, atol=0.505)


def test_a_half_goes_to_the_even_level_and_what_is_beyond_to_the_ends() -> None:
    values = np.array([-3, -0.001, 0, 0.5, 0.1, 0.3, 1, 1.001, 7], np.float32)
    kept = values.copy()
    assert as_levels(values).tolist() == [0, 0, 0, 128, 26, 76, 255, 255, 255]  # 127.5, 25.5, 76.5
    np.testing.assert_array_equal(values, kept)
