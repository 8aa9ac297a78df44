import struct

import pytest
from support.sample_pictures import box

from ripfdn_cli.pictures.iso_boxes import boxes


def contents(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(kind, data[start:end]) for kind, start, end in boxes(data)]


def test_boxes_follow_each_other_by_their_sizes() -> None:
    long = struct.pack(">I4sQ", 1, b"long", 16 + 3) + b"abc"
    data = box(b"ftyp", b"avif") + long + box(b"none", b"") + struct.pack(">I4s", 0, b"last") + b"to the end"
    expected = [(b"ftyp", b"avif"), (b"long", b"abc"), (b"none", b""), (b"last", b"to the end")]
    assert contents(data) == expected


def test_boxes_in_a_box() -> None:
    data = box(b"outr", box(b"one ", b"1") + box(b"two ", b"22")) + box(b"next", b"")
    (_, start, end), _ = boxes(data)
    assert [data[begin:stop] for _, begin, stop in boxes(data, start, end)] == [b"1", b"22"]


@pytest.mark.parametrize("size", range(2, 8))
def test_a_box_smaller_than_its_head_ends_the_walk(size: int) -> None:
    data = box(b"good", b"x") + struct.pack(">I4s", size, b"bad ") + box(b"more", b"")
    assert contents(data) == [(b"good", b"x")]


def test_a_box_that_is_cut_off_ends_where_the_file_does() -> None:
    assert contents(box(b"good", b"0123456789")[:-6]) == [(b"good", b"0123")]
