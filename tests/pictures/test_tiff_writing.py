import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.sample_pictures import profile, smooth, xmp_packet

from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture
from ripfdn_cli.pictures.tiff_writing import encode_tiff


def picture(*frames: np.ndarray, **metadata: object) -> Picture:
    return Picture(frames, format_named("tiff"), Metadata(**metadata))  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tifffile_finds_the_pixels_of_every_page(channels: int, samples: str) -> None:
    kind = "uint16" if samples == "float32" else samples
    frames = [smooth(20, 33, channels, kind).astype(samples), smooth(9, 11, channels, kind).astype(samples)]
    with tifffile.TiffFile(io.BytesIO(encode_tiff(picture(*frames)))) as file:
        assert len(file.pages) == 2
        for page, frame in zip(file.pages, frames, strict=True):
            assert isinstance(page, tifffile.TiffPage)
            np.testing.assert_array_equal(page.asarray().reshape(frame.shape), frame)
            assert page.tags["SamplesPerPixel"].value == channels
            extra = page.tags.get("ExtraSamples")
            assert (extra.value if extra else None) == ((2,) if channels in (2, 4) else None)  # unassociated


@pytest.mark.parametrize("order", ["II", "MM"])
def test_pillow_finds_the_metadata(order: str) -> None:
    exif = Image.Exif()
    exif.endian = "<" if order == "II" else ">"
    exif[315] = "an artist"
    exif.get_ifd(0x8769)[0x829A] = 0.25
    block, icc, xmp = exif.tobytes(), profile(), xmp_packet()
    data = encode_tiff(picture(smooth(20, 33), exif=block, icc_profile=icc, xmp=xmp, dpi=(300.0, 200.0)))
    assert data[:2] == order.encode()
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == icc
        assert image.info["dpi"] == (300, 200)
        assert image.info["xmp"] == xmp
        found = image.getexif()
        assert found[315] == "an artist"
        assert found.get_ifd(0x8769)[0x829A] == 0.25
