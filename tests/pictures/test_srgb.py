"""The same colours in sRGB, judged by LittleCMS as Pillow calls it."""

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import profile, shown_in_srgb, smooth, swapped_profile

from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import as_samples
from ripfdn_cli.pictures.png_colour import ColourSpace
from ripfdn_cli.pictures.srgb import in_srgb, meaning_of


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_colours_go_through_the_profile(samples: str) -> None:
    metadata = Metadata(icc_profile=swapped_profile())
    meaning = meaning_of(metadata, grey=False)
    assert meaning == swapped_profile()
    frame = smooth(20, 30)
    converted = in_srgb(as_samples(frame, samples), meaning)
    assert converted.dtype == samples
    assert (
        np.abs(
            as_samples(converted, np.uint8).astype(int)
            - shown_in_srgb(Image.fromarray(frame), swapped_profile())
        ).max()
        <= 2
    )


def test_srgb_and_silence_mean_srgb() -> None:
    for metadata in (Metadata(), Metadata(icc_profile=profile()), Metadata(png_colour=((b"sRGB", b"\0"),))):
        assert meaning_of(metadata, grey=False) is None
    assert meaning_of(Metadata(icc_profile=swapped_profile()), grey=True) is None  # equal channels stay


def test_coded_colours_count_more_than_a_profile() -> None:
    chunk = (b"cICP", bytes((12, 13, 0, 1)))
    meaning = meaning_of(Metadata(icc_profile=swapped_profile(), png_colour=(chunk,)), grey=False)
    assert isinstance(meaning, ColourSpace)
    red = np.array([[[255, 0, 0]]], np.uint8)  # outside of sRGB
    assert in_srgb(red, meaning)[0, 0].tolist() == [255, 0, 0]
    np.testing.assert_allclose(in_srgb(red // 2, meaning)[0, 0], [139, 0, 0], atol=1)
