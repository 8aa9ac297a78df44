"""Expected numbers: printed by MATLAB, worked out by hand from the kernel's formula, or Pillow's."""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ripfdn_cli.image_math.matlab_bicubic import cubic, imresize


def ramp(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Printed by MATLAB in a question of 2011, when its border repeated the edge pixel:
# mathworks.com/matlabcentral/answers/1628
MATLAB_INPUT = np.array([[3, 1, 2, 6], [1, 5, 2, 7], [1, 3, 6, 2], [4, 1, 9, 2]], np.float64)
MATLAB_DOUBLED = np.array(
    [
        [3.3109, 2.6187, 1.1206, 0.7166, 1.4067, 2.8883, 5.1615, 6.2060],
        [2.6454, 2.4435, 2.0052, 1.7138, 1.5692, 2.8062, 5.4248, 6.6307],
        [1.2008, 2.0609, 3.9181, 3.8763, 1.9355, 2.6382, 5.9844, 7.5302],
        [0.4985, 1.6796, 4.2357, 4.6921, 3.0489, 3.2618, 5.3307, 6.2876],
        [0.5384, 1.2996, 2.9579, 4.1612, 4.9094, 4.6769, 3.4639, 2.9028],
        [1.5500, 1.6768, 1.9697, 3.5367, 6.3776, 6.1378, 2.8173, 1.2798],
        [3.5334, 2.8110, 1.2710, 2.8185, 7.4537, 7.6444, 3.3907, 1.4186],
        [4.4466, 3.3344, 0.9529, 2.4891, 7.9430, 8.3334, 3.6605, 1.4930],
    ]
)


def test_enlarging_gives_what_matlab_printed() -> None:
    assert np.abs(imresize(MATLAB_INPUT, 2, border="replicate") - MATLAB_DOUBLED).max() <= 0.5e-4 + 1e-9
    inside = imresize(MATLAB_INPUT, 2)[1:-1, 1:-1]
    assert np.abs(inside - MATLAB_DOUBLED[1:-1, 1:-1]).max() <= 0.5e-4 + 1e-9


def test_shrinking_without_antialiasing_gives_what_matlab_printed() -> None:
    # imresize(reshape(0:15, 4, 4).', 0.5, 'bicubic', 'AntiAliasing', false)
    shrunk = imresize(np.arange(16.0).reshape(4, 4), 0.5, antialiasing=False)
    np.testing.assert_allclose(shrunk, [[2.1875, 4.3125], [10.6875, 12.8125]], atol=1e-12)


def test_kernel_values_by_hand() -> None:
    # 1.5|x|³ − 2.5|x|² + 1 up to 1, −0.5|x|³ + 2.5|x|² − 4|x| + 2 up to 2
    at = np.array([0, 0.25, -0.5, 1, 1.5, -1.75, 2, 2.5])
    np.testing.assert_allclose(cubic(at), [1, 0.8671875, 0.5625, 0, -0.0625, -0.0234375, 0, 0], atol=1e-15)


def test_shrinking_by_two_weighs_eight_pixels() -> None:
    # Distances 0.25, 0.75, 1.25, 1.75 of the stretched kernel on either side, halved.
    taps = np.array([-0.0234375, -0.0703125, 0.2265625, 0.8671875]) / 2
    impulse = np.zeros((1, 16))
    impulse[0, 7] = 1.0
    shrunk = imresize(impulse, size=(1, 8))
    np.testing.assert_allclose(shrunk[0], [0, 0, taps[1], taps[3], taps[2], taps[0], 0, 0], atol=1e-15)


def test_mirrored_border_by_hand() -> None:
    # The first output pixel lies at −0.25: weights −0.0234375, 0.2265625, 0.8671875, −0.0703125 on b a | a b
    row = np.array([[3.0, 1.0]])
    assert imresize(row, size=(1, 4))[0, 0] == pytest.approx(3 * 1.09375 - 0.09375)


def test_integers_are_rounded_halves_up_and_saturated_after_each_axis() -> None:
    edge = np.array([[0, 0, 255, 255]], np.uint8)
    # 255 · (0.2265625 − 0.0234375) = 51.797 left of the edge; the overshoots beside it are cut off
    assert imresize(edge, size=(1, 8)).tolist() == [[0, 0, 0, 52, 203, 255, 255, 255]]
    # 32 · (0.2265625 − 0.0234375) = 6.5, which numpy would round to 6, and 32 − 6.5
    assert imresize(edge // 255 * 32, size=(1, 8))[0, 3:5].tolist() == [7, 26]
    column = np.array([[0], [200], [0], [200]], np.uint8)
    by_axis = imresize(imresize(column, size=(8, 1)), size=(8, 1))
    np.testing.assert_array_equal(imresize(column, size=(8, 1)), by_axis)
    picture = ramp(12, 12, seed=3)
    np.testing.assert_array_equal(
        imresize(picture, 0.5), imresize(imresize(picture, size=(6, 12)), size=(6, 6))
    )


def test_the_axis_that_shrinks_more_comes_first() -> None:
    picture = ramp(40, 40, seed=1)
    narrow = imresize(imresize(picture, size=(40, 10)), size=(30, 10))
    np.testing.assert_array_equal(imresize(picture, size=(30, 10)), narrow)
    assert (imresize(imresize(picture, size=(30, 40)), size=(30, 10)) != narrow).any()


@given(
    height=st.integers(24, 60),
    width=st.integers(24, 60),
    rows=st.integers(4, 90),
    columns=st.integers(4, 90),
)
def test_inside_equals_pillow(height: int, width: int, rows: int, columns: int) -> None:
    """Pillow's bicubic is the same kernel, antialiased too; it differs at the border, which it leaves out."""
    picture = ramp(height, width).astype(np.float32)
    pillow = np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BICUBIC))
    ours = imresize(picture, size=(rows, columns))
    assert ours.shape == pillow.shape
    inside = np.ix_(untouched_by_border(height, rows), untouched_by_border(width, columns))
    np.testing.assert_allclose(ours[inside], pillow[inside], atol=2e-3)


def untouched_by_border(length: int, result: int) -> list[int]:
    support = 2 * max(length / result, 1)
    centres = [(i + 0.5) * length / result for i in range(result)]
    return [i for i, centre in enumerate(centres) if support <= centre <= length - support]


@given(side=st.integers(1, 40), result=st.integers(1, 40), border=st.sampled_from(["mirror", "replicate"]))
def test_a_flat_picture_stays_flat_whatever_the_sizes(
    side: int, result: int, border: Literal["mirror", "replicate"]
) -> None:
    flat = np.full((side, 3), 77, np.uint8)
    assert (imresize(flat, size=(result, 5), border=border) == 77).all()


@given(scale=st.floats(0.1, 3), height=st.integers(1, 30), width=st.integers(1, 30))
def test_sides_are_rounded_up(scale: float, height: int, width: int) -> None:
    result = imresize(np.zeros((height, width, 3), np.float32), scale)
    assert result.shape == (math.ceil(scale * height), math.ceil(scale * width), 3)


def test_channels_are_apart_and_axes_are_alike() -> None:
    picture = ramp(21, 34, 3).astype(np.float64)
    resized = imresize(picture, 0.4)
    np.testing.assert_allclose(resized[..., 2], imresize(picture[..., 2], 0.4), atol=1e-10)
    np.testing.assert_allclose(imresize(picture.swapaxes(0, 1), 0.4), resized.swapaxes(0, 1), atol=1e-10)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_dtype_is_kept(dtype: type) -> None:
    picture = ramp(20, 20, 3).astype(dtype) * dtype(1)
    resized = imresize(picture, 0.5)
    assert resized.dtype == dtype
    assert resized.flags.c_contiguous
    exact = imresize(picture.astype(np.float64), 0.5)
    # two roundings to whole numbers, the first of them weighed by the kernel
    np.testing.assert_allclose(resized, exact.clip(0, None), atol=1.3 if resized.dtype.kind == "u" else 1e-3)


def test_uint16_saturates_at_its_own_ends() -> None:
    edge = np.array([[0, 0, 65535, 65535]], np.uint16)
    assert imresize(edge, size=(1, 8)).tolist()[0][:3] == [0, 0, 0]
    assert imresize(edge, size=(1, 8)).tolist()[0][5:] == [65535, 65535, 65535]


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (np.zeros((4, 4), np.int32), {"scale": 0.5}, "int32"),
        (np.zeros((4,), np.uint8), {"scale": 0.5}, "shape"),
        (np.zeros((0, 4), np.uint8), {"scale": 0.5}, "at least one pixel"),
        (np.zeros((4, 4), np.uint8), {}, "either a scale or a size"),
        (np.zeros((4, 4), np.uint8), {"scale": 0.5, "size": (2, 2)}, "either a scale or a size"),
        (np.zeros((4, 4), np.uint8), {"scale": 0}, "positive"),
        (np.zeros((4, 4), np.uint8), {"scale": math.nan}, "positive"),
        (np.zeros((4, 4), np.uint8), {"scale": math.inf}, "positive"),
        (np.zeros((4, 4), np.uint8), {"size": (0, 2)}, "under 1"),
    ],
)
def test_what_cannot_be_resized_is_refused(pixels: np.ndarray, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        imresize(pixels, **options)


@pytest.mark.reference
@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_customary_lr_images_come_out_bit_for_bit(name: str, shared: Path) -> None:
    for path in sorted((shared / "data" / "benchmarks" / name / "HR").glob("*.png")):
        lr = np.asarray(Image.open(path.parents[1] / "LRbicx4" / path.name).convert("RGB"))
        rows, columns = lr.shape[:2]
        hr = np.asarray(Image.open(path).convert("RGB"))[: 4 * rows, : 4 * columns]
        np.testing.assert_array_equal(imresize(hr, 0.25, border="replicate"), lr, err_msg=path.name)
        np.testing.assert_array_equal(imresize(hr, 0.25)[2:-2, 2:-2], lr[2:-2, 2:-2], err_msg=path.name)
