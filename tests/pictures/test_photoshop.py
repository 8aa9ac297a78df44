"""By Adobe's Photoshop File Formats Specification, "Image Resources"."""

import pytest

from ripfdn_cli.pictures.photoshop import current_resources, resources_for_tiff, resources_of_tiff

HEAD = b"Photoshop 3.0\0"


def resource(number: int, content: bytes, name: bytes = b"") -> bytes:
    title = bytes((len(name),)) + name
    title += bytes(len(title) % 2)
    padded = content + bytes(len(content) % 2)
    return b"8BIM" + number.to_bytes(2, "big") + title + len(content).to_bytes(4, "big") + padded


@pytest.mark.parametrize("name", [b"", b"a", b"path"])
@pytest.mark.parametrize("content", [b"even", b"odd"])
def test_names_and_contents_of_any_length_are_stepped_over(name: bytes, content: bytes) -> None:
    first, last = resource(0x07D0, content, name), resource(0x0404, b"caption")
    assert current_resources([HEAD + first + resource(0x040C, b"old") + last]) == (HEAD + first + last,)


def test_what_comes_after_a_damaged_one_is_left_out() -> None:
    good, cut = resource(0x0404, b"caption"), resource(0x07D0, bytes(20))[:-4]
    assert current_resources([HEAD + good + cut]) == (HEAD + good,)
    assert current_resources([HEAD + good + b"junk, not a resource"]) == (HEAD + good,)


def test_more_than_a_segment_holds_goes_into_several() -> None:
    """A JPEG's segment holds 65,533 bytes (ITU-T T.81, B.1.1.4)."""
    large = resource(0x07D0, bytes(40_000)) + resource(0x07D1, bytes(40_000))
    parts = current_resources([HEAD + large[:60_000], HEAD + large[60_000:]])
    assert [len(part) <= 65_533 for part in parts] == [True, True]
    assert resources_for_tiff(parts) == large
    assert resources_of_tiff(large) == parts


def test_segments_of_others_stay_as_they_are() -> None:
    assert current_resources([b"Adobe_CM\0\2"]) == (b"Adobe_CM\0\2",)
    assert resources_for_tiff([b"Adobe_CM\0\2"]) == b""
