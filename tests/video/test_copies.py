"""Which part of a source's other streams is kept."""

from fractions import Fraction
from pathlib import Path

import pytest

from ripfdn_cli.video.copies import SourceStreams

KEPT = {"start": Fraction(2), "end": Fraction(5)}


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (3, 4, (3, 4)),
        (1, 3, (2, 3)),
        (4, 9, (4, 5)),
        (0, 9, (2, 5)),
        (0, 2, None),
        (5, 6, None),
    ],
)
def test_a_chapter_is_cut_to_the_part_that_is_kept(
    begin: int, end: int, expected: tuple[int, int] | None
) -> None:
    part = streams(**KEPT).cut(Fraction(begin), Fraction(end))
    assert (part is None) == (expected is None)
    if part is not None and expected is not None:
        assert part == (Fraction(expected[0]), Fraction(expected[1]))
    assert streams().cut(Fraction(begin), Fraction(end)) == (Fraction(begin), Fraction(end))


def test_what_begins_in_the_part_is_taken() -> None:
    begins = [Fraction(number) for number in range(8)]
    assert [begin for begin in begins if streams(**KEPT).takes(begin)] == [2, 3, 4]
    assert all(map(streams().takes, begins))


def streams(**bounds: Fraction) -> SourceStreams:
    return SourceStreams(Path("clip.mkv"), video=0, copied=(1,), **bounds)  # type: ignore[arg-type]
