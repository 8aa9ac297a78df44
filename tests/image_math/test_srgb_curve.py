import numpy as np
from skimage.color import rgb2xyz, xyz2rgb

from ripfdn_cli.image_math.srgb_curve import linear_to_srgb, srgb_to_linear


def test_the_curve_is_scikit_images() -> None:
    """Whose XYZ of a grey has the linear light as its Y."""
    levels = np.linspace(0, 1, 4097)
    greys = np.repeat(levels[:, None], 3, axis=1)
    light = rgb2xyz(greys)[:, 1]
    np.testing.assert_allclose(srgb_to_linear(levels), light, atol=1e-6)
    encoded = linear_to_srgb(srgb_to_linear(levels).astype(np.float32))
    np.testing.assert_allclose(encoded, xyz2rgb(rgb2xyz(greys))[:, 1], atol=1e-4)
    np.testing.assert_allclose(encoded, levels, atol=1e-6)
