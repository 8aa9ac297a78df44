import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.sample_pictures import smooth

from ripfdn_cli.pictures import resampling
from ripfdn_cli.pictures.resampling import resize


def lanczos(samples: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Lanczos with three lobes along the first axis, straight from its definition, edges normalised."""
    ratio = len(samples) / length
    stretch = max(ratio, 1)
    result = np.zeros((length, *samples.shape[1:]))
    for i in range(length):
        offset = (np.arange(len(samples)) + 0.5 - (i + 0.5) * ratio) / stretch
        weights = np.where(np.abs(offset) < 3, np.sinc(offset) * np.sinc(offset / 3), 0)
        result[i] = np.tensordot(weights / weights.sum(), samples, 1)
    return result


@pytest.mark.parametrize("size", [(20, 15), (33, 31), (7, 5), (40, 30), (39, 3), (50, 60)])
def test_floats_are_filtered_as_lanczos_is_defined(size: tuple[int, int]) -> None:
    frame = smooth(30, 40, 3, "float32")
    expected = lanczos(lanczos(frame.astype(float), size[1]).swapaxes(0, 1), size[0]).swapaxes(0, 1)
    np.testing.assert_allclose(resize(frame, *size), expected, atol=2e-4)


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_light_is_kept_not_its_code(samples: str) -> None:
    """A fine pattern of black and white is half the light, which sRGB writes as 188 of 255, not as 128."""
    pattern = np.zeros((64, 64, 1), samples)
    pattern[::2, ::2] = pattern[1::2, 1::2] = np.iinfo(samples).max
    small = resize(pattern, 16, 16)[4:-4, 4:-4]
    np.testing.assert_allclose(small / np.iinfo(samples).max, 188 / 255, atol=0.01)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_flat_pictures_keep_their_value_exactly(samples: str, channels: int) -> None:
    top = np.iinfo(samples).max
    for level in (0, 1, 2, top // 3, top - 1, top):
        frame = np.full((30, 40, channels), level, samples)
        if channels in (2, 4):
            frame[..., -1] = top
        np.testing.assert_array_equal(resize(frame, 13, 11), frame[:11, :13])


def test_invisible_colours_do_not_shine_through() -> None:
    """White under transparent pixels must not lighten the edge of a dark shape."""
    frame = np.zeros((32, 32, 4), np.uint8)
    frame[:, :16] = (40, 40, 40, 255)
    frame[:, 16:] = (255, 255, 255, 0)
    small = resize(frame, 13, 13)
    seen = small[..., 3] > 0
    assert seen.any()
    np.testing.assert_allclose(small[seen][:, :3], 40, atol=1)


@pytest.mark.parametrize("samples", ["uint8", "float32"])
def test_a_texture_that_tiles_tiles_after_it(samples: str) -> None:
    """Rolled before or after makes no difference."""
    frame = smooth(24, 36, 3, samples)
    rolled = resize(np.roll(frame, (12, 18), (0, 1)), 18, 12, wrap=True)
    expected = np.roll(resize(frame, 18, 12, wrap=True), (6, 9), (0, 1))
    np.testing.assert_allclose(rolled.astype(float), expected, atol=1 if samples == "uint8" else 1e-5)
    edges = resize(np.roll(frame, (12, 18), (0, 1)), 18, 12)
    assert np.abs(edges.astype(float) - expected).max() > (1 if samples == "uint8" else 1e-3)


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    to=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    wrap=st.booleans(),
    strip=st.integers(1, 4000),
)
def test_strips_meet_without_a_seam(
    height: int, width: int, to: tuple[int, int], wrap: bool, strip: int
) -> None:
    frame = np.random.default_rng(height * width).random((height, width, 3), np.float32)
    whole = resize(frame, *to, wrap=wrap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "_STRIP_SAMPLES", strip)
        np.testing.assert_allclose(resize(frame, *to, wrap=wrap), whole, atol=1e-5)
    assert whole.shape == (to[1], to[0], 3)


def test_the_same_size_is_the_same_picture() -> None:
    frame = smooth(30, 40)
    assert resize(frame, 40, 30) is frame
