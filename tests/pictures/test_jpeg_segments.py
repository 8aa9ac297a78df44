import io

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.pictures.jpeg_segments import COMMENT, end_of_head, read_jpeg, segment_bytes


def jpeg(**options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(smooth(40, 56)).save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"comment": b"x" * 300}]
)
def test_a_jpeg_ends_where_its_writer_ended(options: dict[str, object]) -> None:
    """Whatever follows it, other JPEGs among it; scans and restarts don't end it."""
    content = jpeg(**options)
    assert read_jpeg(content + content).end == len(content)
    assert read_jpeg(b"before" + content, 6).end == 6 + len(content)


def test_segments_are_those_that_pillow_finds() -> None:
    exif = Image.Exif()
    exif[305] = "software"
    content = jpeg(comment=b"a comment", exif=exif, icc_profile=bytes(70_000))
    with Image.open(io.BytesIO(content)) as image:
        expected = [(name, body) for name, body in image.applist]  # type: ignore[attr-defined]
    segments = read_jpeg(content).segments
    found = [segment for segment in segments if 0xE0 <= segment.marker <= 0xEF or segment.marker == COMMENT]
    names = ["COM" if segment.marker == COMMENT else f"APP{segment.marker - 0xE0}" for segment in found]
    assert [*zip(names, (segment.content for segment in found), strict=True)] == expected
    for segment in segments:
        assert content[segment.position :].startswith(segment.content)


def test_segments_between_scans_are_none_of_the_head() -> None:
    content = jpeg(progressive=True)
    assert max(segment.position for segment in read_jpeg(content).segments) < content.index(b"\xff\xda")
    assert content.rindex(b"\xff\xc4") > content.index(b"\xff\xda")  # a table of a later scan


def test_one_that_is_cut_off_ends_with_its_data() -> None:
    content = jpeg()
    for length in range(2, len(content), 7):
        assert read_jpeg(content[:length]).end == length


def test_the_head_ends_before_the_first_segment_of_coding() -> None:
    content = jpeg(icc_profile=bytes(70_000))
    assert content[end_of_head(content) :].startswith(b"\xff\xdb")  # DQT
    added = segment_bytes(0xEB, b"new")
    at = end_of_head(content)
    changed = content[:at] + added + content[at:]
    assert read_jpeg(changed).segments[3].content == b"new"
    with Image.open(io.BytesIO(changed)) as one, Image.open(io.BytesIO(content)) as other:
        np.testing.assert_array_equal(one, other)


def test_a_segment_that_is_too_long_is_refused() -> None:
    assert segment_bytes(0xE1, bytes(65_533))[:4] == b"\xff\xe1\xff\xff"
    with pytest.raises(OverflowError):
        segment_bytes(0xE1, bytes(65_534))
