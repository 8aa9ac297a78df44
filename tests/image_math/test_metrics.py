"""Oracles: scikit-image's metrics, and numbers worked out by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ripfdn_cli.image_math.metrics import (
    NTIRE,
    PAPERS,
    PROTOCOLS,
    ROUNDED_LUMA,
    Protocol,
    cut_border,
    luma,
    psnr,
    score,
    ssim,
)


def noisy_pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture and the same with noise, uint8."""
    generator = np.random.default_rng(7)
    rows, columns = np.indices(shape[:2])
    smooth = 128 + 90 * np.sin(rows / 5) * np.cos(columns / 7)
    picture = smooth if len(shape) == 2 else np.stack([smooth, smooth[::-1], 255 - smooth], axis=-1)
    noisy = picture + generator.normal(0, 12, shape)
    return picture.clip(0, 255).astype(np.uint8), noisy.clip(0, 255).astype(np.uint8)


def test_luma_of_the_corners_of_the_cube() -> None:
    # ITU-R BT.601 in 8 bit: black 16, white 235; MATLAB's rgb2ycbcr of pure red, green, blue: 81, 145, 41
    corners = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    np.testing.assert_allclose(luma(corners), [16, 235, 81.481, 144.553, 40.966], atol=1e-9)
    assert luma(corners, rounded=True).tolist() == [16, 235, 81, 145, 41]


def test_luma_equals_scikit_image() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    np.testing.assert_allclose(luma(picture), rgb2ycbcr(picture)[..., 0], atol=1e-9)


def test_psnr_of_a_constant_difference_by_hand() -> None:
    a, b = np.full((5, 6, 3), 10, np.uint8), np.full((5, 6, 3), 14, np.uint8)
    assert psnr(a, b) == pytest.approx(20 * math.log10(255 / 4))  # no wrap-around of uint8
    assert psnr(b, a) == psnr(a, b)
    assert psnr(a, a) == math.inf


@pytest.mark.parametrize("shape", [(11, 11), (40, 33), (30, 41, 3)])
def test_equals_scikit_image(shape: tuple[int, ...]) -> None:
    a, b = noisy_pair(*shape)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
    expected = structural_similarity(
        a,
        b,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if a.ndim == 3 else None,
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-9)
    assert 0.1 < ssim(a, b) < 0.95


def test_ssim_of_equal_pictures_is_one_and_of_a_negative_is_less_than_zero() -> None:
    a, _ = noisy_pair(30, 30)
    assert ssim(a, a) == pytest.approx(1.0)
    assert ssim(a, 255 - a) < 0


def test_border_is_the_scale_unless_the_protocol_says_otherwise() -> None:
    a, b = noisy_pair(40, 40, 3)
    damaged = b.copy()
    damaged[:3] = damaged[:, -3:] = 0
    assert score(damaged, a, scale=3) == score(b, a, scale=3)
    assert score(damaged, a, scale=2).psnr < score(b, a, scale=2).psnr
    fixed = Protocol("Y", "no border", luma=True, border=0)
    assert score(damaged, a, scale=3, protocol=fixed).psnr < score(b, a, scale=3, protocol=fixed).psnr


def test_protocols_compare_what_their_names_say() -> None:
    a, b = noisy_pair(40, 44, 3)
    inner = [cut_border(picture, 4) for picture in (b, a)]
    assert inner[0].shape == (32, 36, 3)
    assert score(b, a, scale=4, protocol=NTIRE).psnr == psnr(*inner)
    exact = [luma(picture) for picture in inner]
    assert score(b, a, scale=4, protocol=PAPERS).psnr == psnr(*exact)
    assert score(b, a, scale=4, protocol=PAPERS).ssim == ssim(*exact)
    whole = [np.floor(y + 0.5) for y in exact]
    assert score(b, a, scale=4, protocol=ROUNDED_LUMA).psnr == psnr(*whole)
    assert len({score(b, a, scale=4, protocol=protocol).psnr for protocol in PROTOCOLS.values()}) == 3


def test_a_protocol_prints_what_it_does() -> None:
    assert "4 px" in PAPERS.text(4)
    assert "not rounded" in PAPERS.text(4)
    assert "2 px" in NTIRE.text(2)
    assert list(PROTOCOLS) == ["Y", "Y8", "RGB"]


def test_the_smallest_picture_that_can_be_scored() -> None:
    side = PAPERS.smallest_side(4)
    assert side == 19
    a, b = noisy_pair(side, side, 3)
    assert math.isfinite(score(b, a, scale=4).ssim)
    with pytest.raises(ValueError, match="window"):
        score(b[1:], a[1:], scale=4)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (np.zeros((30, 31, 3), np.uint8), "differ"),
        (np.zeros((30, 30), np.uint8), "not"),
        (np.zeros((30, 30, 3), np.float32), "float32"),
    ],
)
def test_arrays_that_cannot_be_compared_are_refused(other: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        score(other, np.zeros((30, 30, 3), np.uint8), scale=4)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="pixel"):
        psnr(np.zeros((0, 4)), np.zeros((0, 4)))


@pytest.mark.reference
def test_pillow_bicubic_on_set5(shared: Path) -> None:
    """28.430 dB and 0.8111 on luma, 26.694 dB on RGB: measured before, by others' code."""
    paths = sorted((shared / "data" / "benchmarks" / "Set5" / "LRbicx4").glob("*.png"))
    pairs = [pillow_pair(path) for path in paths]
    scores = [score(*pair, scale=4) for pair in pairs]
    assert np.mean([s.psnr for s in scores]) == pytest.approx(28.430, abs=5e-4)
    assert np.mean([s.ssim for s in scores]) == pytest.approx(0.8111, abs=5e-5)
    rgb = [score(*pair, scale=4, protocol=NTIRE).psnr for pair in pairs]
    assert np.mean(rgb) == pytest.approx(26.694, abs=5e-4)


def pillow_pair(lr_path: Path) -> tuple[np.ndarray, np.ndarray]:
    lr = Image.open(lr_path).convert("RGB")
    large = np.asarray(lr.resize((4 * lr.width, 4 * lr.height), Image.Resampling.BICUBIC))
    hr = np.asarray(Image.open(lr_path.parents[1] / "HR" / lr_path.name).convert("RGB"))
    return large, hr[: large.shape[0], : large.shape[1]]
