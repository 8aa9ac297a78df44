import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from support.camera_files import GAIN_MAP_XMP, XMP_HEAD, gain_map, parse_jpeg

from ripfdn_cli.pictures.auxiliary_pictures import enlarged
from ripfdn_cli.pictures.jpeg_extras import AuxiliaryPicture


def entry(**changes: object) -> AuxiliaryPicture:
    values = {"content": gain_map(16, 12), "semantic": "GainMap", "kind": 0, "share": (0.5, 0.5)} | changes
    return AuxiliaryPicture(**values)  # type: ignore[arg-type]


def test_it_keeps_its_share_of_the_picture_and_what_its_numbers_mean() -> None:
    found = enlarged(entry(), 128, 96)
    with Image.open(io.BytesIO(found.content)) as image, Image.open(io.BytesIO(entry().content)) as before:
        assert (image.mode, image.size) == ("L", (64, 48))
        expected = before.resize((64, 48), Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(image).astype(int) - expected).max() <= 4
    assert parse_jpeg(found.content).contents(0xE1, XMP_HEAD) == [XMP_HEAD + GAIN_MAP_XMP]


def test_one_that_has_its_size_already_keeps_its_bytes() -> None:
    assert enlarged(entry(), 32, 24) == entry()


@pytest.mark.parametrize("turn", range(2, 9))
def test_it_is_turned_as_the_picture_is(turn: int) -> None:
    """As Pillow turns by EXIF's orientation."""
    with Image.open(io.BytesIO(entry().content)) as image:
        image.getexif()[274] = turn
        expected = ImageOps.exif_transpose(image)
    found = enlarged(entry(turn=turn), *(2 * side for side in expected.size))
    assert found.turn == 1
    with Image.open(io.BytesIO(found.content)) as image:
        assert image.size == expected.size
        assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 4
