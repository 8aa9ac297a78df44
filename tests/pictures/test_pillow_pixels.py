import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.pillow_pixels import image_of, pixels_of


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_there_and_back(channels: int) -> None:
    frame = smooth(12, 17, channels)
    np.testing.assert_array_equal(pixels_of(image_of(frame))[0], frame)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bits_in_either_order_are_their_numbers(mode: str) -> None:
    values = np.array([[0, 1, 256, 65535]], np.uint16)
    stored = values.astype("<u2" if mode == "I;16" else ">u2").tobytes()
    pixels, _ = pixels_of(Image.frombytes(mode, (4, 1), stored))
    assert pixels.dtype == np.uint16
    assert pixels[..., 0].tolist() == values.tolist()


@pytest.mark.parametrize(
    ("colours", "transparent", "channels"),
    [
        ([0, 0, 0, 90, 90, 90], None, 1),
        ([0, 0, 0, 90, 90, 90], 0, 2),
        ([0, 0, 0, 90, 91, 90], None, 3),
        ([0, 0, 0, 90, 91, 90], 0, 4),
    ],
)
def test_a_palette_becomes_the_channels_it_needs(
    colours: list[int], transparent: int | None, channels: int
) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette(colours)
    image.putpixel((1, 0), 1)
    if transparent is not None:
        image.info["transparency"] = transparent
    pixels, _ = pixels_of(image)
    last = colours[3:] if channels > 2 else colours[3:4]
    assert pixels[0, 1].tolist() == [*last, *([255] if channels in (2, 4) else [])]
    if channels in (2, 4):
        assert pixels[0, 0, -1] == 0


def test_a_colour_key_becomes_alpha() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (9, 9, 9))
    image.info["transparency"] = (9, 9, 9)
    assert pixels_of(image)[0][0].tolist() == [[1, 2, 3, 255], [9, 9, 9, 0]]


def test_integers_of_32_bits_are_refused_with_what_would_do() -> None:
    with pytest.raises(InputError, match=r"not supported \(I: 32-bit.*16 bit or float"):
        pixels_of(Image.new("I", (2, 2)))
