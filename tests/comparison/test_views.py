"""What a page of comparison shows, by colours that are known beforehand."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin
from support.small_inputs import photograph

from ripfdn_cli.comparison.views import REFERENCE, View, common_scale, compare_picture, difference, read_shown
from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.evaluation.benchmark import Method
from ripfdn_cli.evaluation.datasets import Pixels
from ripfdn_cli.evaluation.report_pictures import Window

pytestmark = pytest.mark.any_precision


def repeated(pixels: Pixels) -> Pixels:
    return pixels.repeat(4, axis=0).repeat(4, axis=1)


NEAREST = Method("Nearest", 4, repeated)


def pixels_of(view: View) -> Pixels:
    content = base64.b64decode(view.uri.partition(",")[2])
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


def saved(path: Path, pixels: Pixels) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_views_hold_the_pixels_without_loss(tmp_path: Path) -> None:
    lr = photograph(24, 30, seed=1)
    compared = compare_picture(saved(tmp_path / "a.png", lr), [NEAREST], reference=None, crop=None)
    views = {view.label: view for view in compared.views}
    assert list(views) == ["Input (nearest)", "Bicubic (Pillow)", "Nearest"]
    assert np.array_equal(pixels_of(views["Input (nearest)"]), lr)
    assert np.array_equal(pixels_of(views["Nearest"]), repeated(lr))
    assert np.array_equal(
        pixels_of(views["Bicubic (Pillow)"]),
        np.array(Image.fromarray(lr).resize((120, 96), Image.Resampling.BICUBIC)),
    )
    assert views["Nearest"].seconds is not None
    assert views["Nearest"].score is None
    assert compared.compared == ("Bicubic (Pillow)", "Nearest")


def test_a_reference_gives_scores_and_differences(tmp_path: Path) -> None:
    lr = photograph(24, 30, seed=1)
    hr = repeated(lr)
    hr[10:20, 40:60] ^= 3  # known differences
    reference = saved(tmp_path / "hr.png", np.pad(hr, ((0, 2), (0, 3), (0, 0))))  # the rest is cut
    compared = compare_picture(saved(tmp_path / "a.png", lr), [NEAREST], reference=reference, crop=None)
    views = {view.label: view for view in compared.views}
    assert np.array_equal(pixels_of(views[REFERENCE]), hr)
    expected = np.rint(8 * np.abs(repeated(lr).astype(float) - hr).mean(axis=2)).clip(0, 255)
    shown = pixels_of(views["Nearest: difference ×8"])
    assert np.array_equal(shown[..., 0], expected)
    assert shown[0, 0].tolist() == [0, 0, 0]
    nearest, bicubic = views["Nearest"].score, views["Bicubic (Pillow)"].score
    assert nearest is not None
    assert bicubic is not None
    assert nearest.psnr > bicubic.psnr


def test_a_crop_takes_the_same_place_of_input_and_reference(tmp_path: Path) -> None:
    lr = photograph(40, 50, seed=2)
    path, reference = saved(tmp_path / "a.png", lr), saved(tmp_path / "hr.png", repeated(lr))
    compared = compare_picture(path, [NEAREST], reference=reference, crop=Window(5, 8, 20, 22))
    views = {view.label: pixels_of(view) for view in compared.views}
    assert np.array_equal(views["Input (nearest)"], lr[5:25, 8:30])
    assert np.array_equal(views[REFERENCE], repeated(lr[5:25, 8:30]))
    assert not views["Nearest: difference ×8"].any()
    assert (compared.width, compared.height, compared.whole) == (22, 20, (50, 40))


def test_large_pictures_are_shown_in_their_middle(tmp_path: Path) -> None:
    lr = np.zeros((800, 770, 3), np.uint8)
    lr[16:-16, 1:-1] = 200
    compared = compare_picture(saved(tmp_path / "a.png", lr), [NEAREST], reference=None, crop=None)
    assert (compared.width, compared.height) == (768, 768)
    assert (pixels_of(compared.views[0]) == 200).all()


def test_profiles_transparency_and_orientation_are_applied(tmp_path: Path) -> None:
    """As a browser would show the file: Lab's primaries through LittleCMS, alpha on white, EXIF turned."""
    clear = np.zeros((4, 6, 4), np.uint8)
    clear[:2, :, 3] = 255
    image = Image.fromarray(clear)
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(tmp_path / "clear.png", exif=exif)
    shown = read_shown(tmp_path / "clear.png")
    assert (shown[:2] == 255).all()
    assert (shown[2:] == 0).all()
    xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = xyz.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    red = Image.new("RGB", (4, 4), (200, 30, 30))
    red.save(tmp_path / "green.png", icc_profile=swapped)
    first = read_shown(tmp_path / "green.png")[0, 0]
    assert first[1] > first[0] + 100


@pytest.mark.parametrize(
    ("crop", "message"),
    [(Window(0, 0, 30, 20), "reaches beyond .*a.png, which has 24×24 px"), (Window(5, 0, 20, 20), "beyond")],
)
def test_a_crop_that_does_not_fit_is_refused(tmp_path: Path, crop: Window, message: str) -> None:
    path = saved(tmp_path / "a.png", photograph(24, 24, seed=1))
    with pytest.raises(UsageError, match=message):
        compare_picture(path, [NEAREST], reference=None, crop=crop)


def test_a_reference_of_another_size_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", photograph(24, 24, seed=1))
    hr = saved(tmp_path / "hr.png", photograph(48, 48, seed=1))
    with pytest.raises(InputError, match=r"has 48×48 px; .*a\.png ×4 has 96×96"):
        compare_picture(path, [NEAREST], reference=hr, crop=None)


def test_networks_of_two_scales_are_refused() -> None:
    with pytest.raises(UsageError, match="Nearest ×4, Two ×2"):
        common_scale([NEAREST, Method("Two", 2, repeated)])


def test_differences_stop_at_white() -> None:
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert (difference(black, white) == 255).all()
    assert (difference(white, white) == 0).all()


def test_colours_that_only_png_chunks_tell_are_shown_as_they_are(tmp_path: Path) -> None:
    """Linear light, by gAMA 1.0: a half of it is 188 in sRGB (IEC 61966-2-1)."""
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (100_000).to_bytes(4, "big"))
    Image.new("RGB", (16, 12), (128, 0, 255)).save(tmp_path / "a.png", pnginfo=info)
    assert read_shown(tmp_path / "a.png")[3, 4].tolist() == [188, 0, 255]
