"""What else than arrays an upscaler takes, judged by what it makes of the same pixels as an array."""

import io
import threading
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.golden_pairs import GOLDEN
from support.small_inputs import photograph

from ripfdn_cli.errors import InputError
from ripfdn_cli.upscaler import Upscaler

WEIGHTS = GOLDEN / "small_x4.safetensors"


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(WEIGHTS, engine="torch", device="cpu", precision="fp32")


def test_rgb_image(upscaler: Upscaler) -> None:
    pixels = photograph(20, 31)
    image = Image.fromarray(pixels)
    image.info = {"dpi": (72, 72), "icc_profile": b"a profile"}
    result = upscaler.upscale(image)
    assert (type(result), result.mode, result.size) == (Image.Image, "RGB", (124, 80))
    np.testing.assert_array_equal(np.asarray(result), upscaler.upscale(pixels))
    assert result.info == image.info


@pytest.mark.parametrize(("mode", "dtype"), [("L", np.uint8), ("I;16", np.uint16), ("I;16B", np.uint16)])
def test_grey_image_is_the_mean_of_three_channels(
    upscaler: Upscaler, mode: str, dtype: type[np.unsignedinteger]
) -> None:
    grey = photograph(17, 22)[..., 0].astype(dtype) * (257 if dtype == np.uint16 else 1)
    if mode == "I;16B":
        with pytest.raises(InputError, match=r"I;16B.*uint16"):
            upscaler.upscale(Image.frombytes(mode, (22, 17), grey.astype(">u2").tobytes()))
        return
    result = upscaler.upscale(Image.fromarray(grey))
    expected = upscaler.upscale(np.stack([grey] * 3, axis=2)).astype(np.float64).mean(axis=2)
    assert result.mode == mode
    np.testing.assert_array_equal(np.asarray(result), np.rint(expected))


def test_transparency_stays_where_it_was(upscaler: Upscaler) -> None:
    alpha = np.zeros((24, 24), np.uint8)
    alpha[:, 12:] = 255
    image = Image.fromarray(np.dstack([photograph(24, 24), alpha]))
    result = upscaler.upscale(image)
    assert result.mode == "RGBA"
    larger = np.asarray(result)[..., 3]
    assert (larger[:, : 4 * 11] == 0).all()
    assert (larger[:, 4 * 13 :] == 255).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_colour_key_becomes_alpha(upscaler: Upscaler, mode: str) -> None:
    """As Pillow writes and reads it: three quarters of the picture are transparent, and stay so."""
    key = (200, 30, 40) if mode == "RGB" else 200
    image = Image.new(mode, (32, 32), key)
    image.paste(Image.fromarray(photograph(16, 16) // 2).convert(mode), (8, 8))
    image.info = {"transparency": key, "dpi": (72, 72)}
    result = reopened(upscaler.upscale(image))
    assert (result.mode, "transparency" in result.info) == (mode + "A", False)
    alpha = np.asarray(result)[..., -1]
    inside = np.zeros((128, 128), bool)
    inside[32:96, 32:96] = True
    assert (alpha[~enlarged(inside)] == 0).all()
    assert (alpha[~enlarged(~inside)] == 255).all()


def reopened(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return Image.open(stream)


def enlarged(mask: NDArray[np.bool_], pixels: int = 4) -> NDArray[np.bool_]:
    """With all that is up to `pixels` beside it or above and below it, round the corner at the rim."""
    for axis in (0, 1):
        mask = np.any([np.roll(mask, by, axis) for by in range(-pixels, pixels + 1)], axis=0)
    return mask


def test_a_grey_key_of_sixteen_bits_is_told(upscaler: Upscaler) -> None:
    image = Image.fromarray(np.full((16, 16), 500, np.uint16))
    image.info["transparency"] = 500
    with pytest.raises(InputError, match="16-bit grey with transparency"):
        upscaler.upscale(image)


def test_progress_is_that_of_all_parts(upscaler: Upscaler) -> None:
    """Colours and alpha, and the pictures of a batch; an even alpha is no part."""
    pixels = photograph(16, 18)
    transparent = Image.fromarray(np.dstack([pixels, pixels[..., 0]]))
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    upscaler.upscale(torch.zeros(3, 3, 16, 16), progress=tell)
    upscaler.upscale(transparent, progress=tell)
    upscaler.upscale(Image.fromarray(pixels).convert("RGBA"), progress=tell)
    mixed: list[Any] = [pixels, pixels[:15], transparent]
    upscaler.upscale_batch(mixed, progress=tell)
    of_mixed = [(1, 3), (2, 3), (5, 6), (6, 6)]
    assert told == [(1, 3), (2, 3), (3, 3), (1, 2), (2, 2), (1, 1), *of_mixed]


@pytest.mark.parametrize("shape", [(3, 20, 25), (1, 3, 20, 25), (2, 3, 20, 25)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
def test_tensors(upscaler: Upscaler, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    values = torch.from_numpy(photograph(20, 25)).permute(2, 0, 1)
    values = values if dtype == torch.uint8 else (values / 255).to(dtype)
    tensor = values.expand(shape)
    result = upscaler.upscale(tensor)
    assert (tuple(result.shape), result.dtype) == ((*shape[:-2], 80, 100), dtype)
    plain: NDArray[Any] = values.float().numpy() if dtype == torch.bfloat16 else values.numpy()
    expected = torch.from_numpy(upscaler.upscale(plain.transpose(1, 2, 0)).transpose(2, 0, 1).copy()).to(
        dtype
    )
    assert all(torch.equal(each, expected) for each in result.reshape(-1, *expected.shape))


def test_tensors_that_want_a_gradient_are_taken_as_values(upscaler: Upscaler) -> None:
    assert not upscaler.upscale(torch.rand(3, 16, 16, requires_grad=True)).requires_grad


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", ">f8"])
def test_byte_order_does_not_matter(upscaler: Upscaler, dtype: str) -> None:
    pixels = photograph(16, 18).astype(np.float64) / 255
    pixels = pixels * 65535 if "u" in dtype else pixels
    result = upscaler.upscale(pixels.astype(dtype))
    assert result.dtype == np.dtype(dtype)
    native = pixels.astype(np.dtype(dtype).newbyteorder("="))
    np.testing.assert_array_equal(result.astype(native.dtype), upscaler.upscale(native))


def test_views_of_any_strides(upscaler: Upscaler) -> None:
    pixels = photograph(32, 36)
    view = pixels[::-2, ::2, ::-1]
    expected = upscaler.upscale(np.ascontiguousarray(view))
    np.testing.assert_array_equal(upscaler.upscale(view), expected)
    view.flags.writeable = False
    np.testing.assert_array_equal(upscaler.upscale(view), expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[[0, 0, 0]]], "a list is not an image"),
        ("picture.png", "upscale_file"),
        (None, "a NoneType is not an image"),
        (torch.zeros(20, 20, 3), "must be"),
        (torch.zeros(3, 20, 20, dtype=torch.int32), "int32"),
        (torch.zeros(0, 3, 20, 20), "has no pixels"),
        (torch.zeros(3, 0, 20), "has no pixels"),
        (np.zeros((0, 20, 20, 3), np.uint8), "must be"),
        (Image.new("P", (20, 20)), "convert"),
        (Image.new("CMYK", (20, 20)), "convert"),
    ],
)
def test_what_is_no_image_is_told_in_a_line(upscaler: Upscaler, image: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        upscaler.upscale(image)


@pytest.mark.parametrize(("levels", "word"), [(255, "uint8"), (65535, "uint16")])
def test_floats_that_are_levels_are_told(
    upscaler: Upscaler, caplog: pytest.LogCaptureFixture, levels: int, word: str
) -> None:
    unit = photograph(20, 24).astype(np.float32) / 255
    upscaler.upscale(unit * levels)
    assert f"divide them by {levels} or pass them as {word}" in caplog.text
    caplog.clear()
    upscaler.upscale(torch.from_numpy(unit * levels).permute(2, 0, 1))
    assert f"divide them by {levels}" in caplog.text


def test_high_dynamic_range_and_black_are_not_told(
    upscaler: Upscaler, caplog: pytest.LogCaptureFixture
) -> None:
    bright = photograph(20, 20).astype(np.float32) / 255
    upscaler.upscale(bright)
    bright[5, 5] = 60
    upscaler.upscale(bright)
    upscaler.upscale(np.zeros((20, 20, 3), np.float32))
    assert caplog.text == ""


def test_batches_of_everything(upscaler: Upscaler) -> None:
    assert upscaler.upscale_batch([]) == []
    pixels = photograph(20, 21)
    assert [image.size for image in upscaler.upscale_batch([Image.fromarray(pixels)] * 2)] == [(84, 80)] * 2
    expected = upscaler.upscale(pixels)
    stacked = cast("list[NDArray[Any]]", np.stack([pixels, pixels]))  # a sequence of arrays, too
    for each in upscaler.upscale_batch(stacked):
        np.testing.assert_array_equal(each, expected)
    different = [pixels, pixels[:-1]]
    assert [each.shape for each in upscaler.upscale_batch(different)] == [(80, 84, 3), (76, 84, 3)]


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_threads_share_an_upscaler(engine: str) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    shared = Upscaler(WEIGHTS, engine=engine, device="cpu", precision="fp32", tile=24, halo=0)
    pictures = [photograph(40, 44, seed=number) for number in range(4)]
    expected = [shared.upscale(picture) for picture in pictures]
    results: dict[int, list[NDArray[np.uint8]]] = {}

    def work(number: int) -> None:
        results[number] = [shared.upscale(pictures[number]) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 2, 3]
    for number, larger in results.items():
        for each in larger:
            np.testing.assert_array_equal(each, expected[number])


def test_a_callback_may_upscale_too(upscaler: Upscaler) -> None:
    inner: list[Any] = []
    pixels = photograph(16, 16)
    upscaler.upscale(pixels, progress=lambda done, total: inner.append(upscaler.upscale(pixels).shape))
    assert inner == [(64, 64, 3)]


@pytest.mark.parametrize("images", [Image.new("RGB", (8, 8)), np.zeros((8, 8, 3), np.uint8), iter([]), None])
def test_what_is_not_several_images_is_told_in_a_line(upscaler: Upscaler, images: Any) -> None:
    with pytest.raises(InputError, match="is not several images; pass a list of them"):
        upscaler.upscale_batch(images)


@pytest.mark.parametrize("mode", ["I", "F", "I;16B"])
def test_deep_modes_are_not_sent_through_eight_bits(upscaler: Upscaler, mode: str) -> None:
    """Pillow's conversion of them to RGB cuts all above 255."""
    with pytest.raises(InputError, match="as uint16 or floats"):
        upscaler.upscale(Image.new(mode, (8, 8)))
