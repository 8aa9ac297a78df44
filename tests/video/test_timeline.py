"""Frames keep their times through cuts and changes of rate."""

from collections.abc import Callable
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.video.timeline import SourceTimes, at_rate, source_times, timeline

TICK = Fraction(1, 1000)


def times(*pts: int, durations: list[int] | None = None, base: Fraction = TICK) -> SourceTimes:
    return source_times(base, list(pts), durations or [0] * len(pts))


def test_packets_in_coding_order_become_frames_in_showing_order() -> None:
    found = times(0, 120, 40, 80, durations=[40, 40, 40, 40])
    assert found.pts.tolist() == [0, 40, 80, 120]
    assert found.durations.tolist() == [40, 40, 40, 40]


def test_a_frame_shows_until_the_next_and_the_last_as_its_packet_says() -> None:
    assert times(0, 10, 50, durations=[33, 33, 25]).durations.tolist() == [10, 40, 25]
    assert times(0, 10, 50).durations.tolist() == [10, 40, 40]


def test_frames_at_one_time_are_spread_until_the_next() -> None:
    found = times(0, 40, 40, 80, 90, 90, 90, durations=[40] * 7)
    assert found.pts.tolist() == [0, 40, 60, 80, 90, 130, 170]
    assert found.stamps is not None
    assert found.stamps.tolist() == [0, 40, 40, 80, 90, 90, 90]


def test_a_time_given_to_the_wrong_one_of_two_frames_leaves_an_even_rate() -> None:
    """As FFmpeg reads a program stream whose packets hold parts of several frames."""
    pts = [48600, 52200, 59400, 63000, 63000, 66600]
    found = times(*pts, durations=[3600] * 6)
    assert found.pts.tolist() == [48600, 52200, 55800, 59400, 63000, 66600]
    assert found.durations.tolist() == [3600] * 6
    assert found.stamps is not None
    assert found.stamps.tolist() == pts


@pytest.mark.parametrize(
    ("pts", "durations", "found"),
    [
        ([0, 10, 10, 20], [10] * 4, [0, 10, 15, 20]),  # too short for all of them
        ([0, 0, 0, 25, 40], [10] * 5, [0, 8, 16, 25, 40]),  # the third would be two steps off
        ([0, 9, 9, 30], [10, 10, 5, 10], [0, 9, 19, 30]),
    ],
)
def test_an_even_rate_is_not_believed_where_it_does_not_fit(
    pts: list[int], durations: list[int], found: list[int]
) -> None:
    assert times(*pts, durations=durations).pts.tolist() == found


def test_more_frames_at_one_time_than_there_are_ticks_is_an_error_that_helps() -> None:
    with pytest.raises(InputError, match=r"3 of its frames have the same timestamp .* ffmpeg -r RATE"):
        times(0, 40, 40, 40, 42)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50, unique=True))
def test_without_wishes_every_frame_keeps_its_time(pts: list[int]) -> None:
    line = timeline(times(*pts))
    assert line.pts.tolist() == sorted(pts)
    assert line.source.tolist() == list(range(len(pts)))
    assert line.shift == 0


def test_what_is_cut_starts_at_zero_and_is_counted_from_the_first_frame() -> None:
    source = times(*range(500, 1500, 40))
    line = timeline(source, origin=Fraction(1, 4), start=Fraction(1, 5), end=Fraction(2, 5))
    # 0.2 s after 0.5 s is 700 ms; up to 900 ms, which is not taken.
    assert (line.pts - int(line.shift / TICK)).tolist() == [700, 740, 780, 820, 860]
    assert line.pts[0] == 0
    assert line.source_span == (Fraction(7, 10), Fraction(9, 10))


def test_a_file_that_starts_late_is_moved_to_zero_with_what_lies_between_its_streams() -> None:
    source = times(*range(500, 1500, 40))
    line = timeline(source, origin=Fraction(9, 20))
    assert (line.pts[0], line.pts[1], line.shift) == (50, 90, Fraction(-9, 20))
    assert timeline(source, origin=Fraction(-1, 50)).shift == 0
    wrapped = timeline(times(*range(-200, 800, 40)), origin=Fraction(-1, 4))
    assert (wrapped.pts[0], wrapped.shift) == (50, Fraction(1, 4))


def test_an_end_alone_moves_nothing() -> None:
    line = timeline(times(*range(0, 400, 40)), end=Fraction(1, 10))
    assert line.pts.tolist() == [0, 40, 80]
    assert line.shift == 0


def test_a_cut_that_leaves_nothing_is_said() -> None:
    with pytest.raises(UsageError, match=r"leave no frame of a video of 0\.400 s"):
        timeline(times(*range(0, 400, 40)), start=Fraction(5))


def test_a_higher_rate_repeats_frames_and_a_lower_one_drops_some() -> None:
    source = at_rate(10, Fraction(10))
    assert timeline(source, fps=Fraction(20)).source.tolist() == [n // 2 for n in range(20)]
    assert timeline(source, fps=Fraction(5)).source.tolist() == [0, 2, 4, 6, 8]


@given(
    st.lists(st.integers(1, 500), min_size=2, max_size=40),
    st.fractions(Fraction(1, 2), Fraction(120), max_denominator=1001),
    st.integers(0, 1000),
)
def test_at_any_rate_each_frame_is_the_one_that_shows_then(
    steps: list[int], fps: Fraction, begin: int
) -> None:
    pts = [begin + sum(steps[:n]) for n in range(len(steps))]
    source = times(*pts, durations=steps)
    line = timeline(source, fps=fps)
    assert len(set(np.diff(line.pts))) <= 1
    for index, pts_out in zip(line.source, line.pts, strict=True):
        # To half a tick of either clock: both may be too coarse for what they say.
        instant, slack = int(pts_out) * line.time_base, (line.time_base + TICK) / 2
        assert source.pts[index] * TICK <= instant + slack
        if index + 1 < len(pts):
            assert instant - slack < source.pts[index + 1] * TICK


@pytest.mark.parametrize("rounded", [round, floor])
@pytest.mark.parametrize(
    "rate", ["24", "24000/1001", "25", "30000/1001", "30", "50", "60000/1001", "60", "120"]
)
def test_the_rate_that_it_has_changes_nothing_whatever_the_clock(
    rate: str, rounded: Callable[[Fraction], int]
) -> None:
    """Matroska, FLV and ASF count milliseconds."""
    fps = Fraction(rate)
    source = times(*[rounded(n * 1000 / fps) for n in range(1000)])
    assert timeline(source, fps=fps).source.tolist() == list(range(1000))


def test_a_clock_too_coarse_for_a_rate_still_counts_as_constant() -> None:
    source = times(*[round(n * 1000 / 24) for n in range(50)])
    assert source.is_constant
    assert not times(0, 40, 90, 120).is_constant


def test_a_rate_that_the_times_do_not_have_is_not_believed() -> None:
    """FFmpeg takes the clock of DV for its rate."""
    base = Fraction(1, 60000)
    step, steady = 2400, [2400] * 5
    pts = [step * number for number in range(5)]
    assert source_times(base, pts, steady, Fraction(60000)).rate == 25
    assert source_times(base, pts, steady, Fraction(25)).rate == 25
    in_milliseconds = [0, 42, 83, 125, 167]
    assert source_times(TICK, in_milliseconds, [42] * 5, Fraction(24000, 1001)).rate == Fraction(24000, 1001)
