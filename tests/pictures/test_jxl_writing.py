import imagecodecs
import numpy as np
import pytest
from support.sample_pictures import exif_block, smooth, xmp_packet

from ripfdn_cli.pictures.jxl_writing import encode_sixteen_bit_jxl


def boxes(data: bytes) -> dict[bytes, bytes]:
    """By ISO/IEC 18181-2: 32-bit sizes that count themselves, the last one's may be 0."""
    found, position = {}, 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big") or len(data) - position
        found[data[position + 4 : position + 8]] = data[position + 8 : position + size]
        position += size
    assert position == len(data)
    return found


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_is_exact(channels: int) -> None:
    frame = smooth(20, 31, channels, "uint16")
    data = encode_sixteen_bit_jxl(frame, quality=None, exif=None, xmp=None)
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(data).reshape(frame.shape), frame)


def test_quality_counts_as_libjxls() -> None:
    frame = np.random.default_rng(0).integers(0, 2**16, (64, 64, 3), np.uint16)
    sizes = [len(encode_sixteen_bit_jxl(frame, quality=q, exif=None, xmp=None)) for q in (30, 60, 95)]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] < len(encode_sixteen_bit_jxl(frame, quality=None, exif=None, xmp=None))


def test_metadata_lie_in_boxes_of_their_own() -> None:
    exif, xmp = exif_block(), xmp_packet()
    data = encode_sixteen_bit_jxl(smooth(20, 31, 3, "uint16"), quality=None, exif=exif, xmp=xmp)
    found = boxes(data)
    assert found[b"Exif"] == bytes(4) + exif.removeprefix(b"Exif\0\0")
    assert found[b"xml "] == xmp
