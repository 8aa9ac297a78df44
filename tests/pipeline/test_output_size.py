from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pipeline.output_size import SizeRequest, passes


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (SizeRequest(), (400, 200)),
        (SizeRequest(scale=Fraction(2)), (200, 100)),
        (SizeRequest(scale=Fraction("2.5")), (250, 125)),
        (SizeRequest(scale=Fraction("0.333")), (33, 17)),
        (SizeRequest(width=300), (300, 150)),
        (SizeRequest(height=300), (600, 300)),
        (SizeRequest(width=300, height=300), (300, 300)),
        (SizeRequest(long_side=250), (250, 125)),
        (SizeRequest(fit=(300, 100)), (200, 100)),
        (SizeRequest(fit=(300, 900)), (300, 150)),
        (SizeRequest(scale=Fraction("0.001")), (1, 1)),
    ],
)
def test_sizes_of_a_picture_of_100_by_50(request_: SizeRequest, expected: tuple[int, int]) -> None:
    assert request_.target(100, 50, 4) == expected


def test_the_longer_side_may_be_either() -> None:
    assert SizeRequest(long_side=200).target(50, 100, 4) == (100, 200)


def test_half_a_pixel_is_rounded_up() -> None:
    assert SizeRequest(scale=Fraction("2.5")).target(5, 7, 4) == (13, 18)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (SizeRequest(), (344, 192)),
        (SizeRequest(scale=Fraction("2.5")), (214, 120)),  # 215 lies between two, of which one is too large
        (SizeRequest(scale=Fraction("2.51")), (216, 120)),
        (SizeRequest(fit=(193, 200)), (192, 108)),
        (SizeRequest(fit=(400, 109)), (194, 108)),
        (SizeRequest(width=192), (192, 108)),
        (SizeRequest(height=110), (198, 110)),
        (SizeRequest(long_side=192), (192, 108)),
        (SizeRequest(scale=Fraction("0.001")), (2, 2)),
        (SizeRequest(width=193), (193, 108)),
        (SizeRequest(height=109), (196, 109)),
        (SizeRequest(long_side=193), (193, 108)),
        (SizeRequest(width=193, height=109), (193, 109)),
    ],
)
def test_sides_that_follow_from_others_are_even_where_they_must_be(
    request_: SizeRequest, expected: tuple[int, int]
) -> None:
    assert request_.target(86, 48, 4, (2, 2)) == expected


def test_only_the_width_need_be_even() -> None:
    assert SizeRequest(scale=Fraction(3)).target(5, 7, 4, (2, 1)) == (14, 21)


@given(st.integers(1, 500), st.integers(1, 500), st.tuples(st.integers(2, 4000), st.integers(2, 4000)))
def test_even_sides_stay_in_the_box(width: int, height: int, box: tuple[int, int]) -> None:
    result = SizeRequest(fit=box).target(width, height, 4, (2, 2))
    assert all(side % 2 == 0 and 2 <= side <= most for side, most in zip(result, box, strict=True))


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 4))
def test_a_scale_and_the_width_it_gives_are_one_size(width: int, height: int, scale: int) -> None:
    by_scale = SizeRequest(scale=Fraction(scale)).target(width, height, 4)
    assert SizeRequest(width=by_scale[0]).target(width, height, 4) == by_scale


@pytest.mark.parametrize(
    "options",
    [
        {"scale": Fraction(2), "width": 5},
        {"long_side": 5, "fit": (5, 5)},
        {"height": 5, "long_side": 5},
        {"width": 0},
        {"scale": Fraction(-1)},
        {"fit": (5, 0)},
    ],
)
def test_wishes_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SizeRequest(**options)


@pytest.mark.parametrize(
    ("target", "scales", "expected"),
    [
        ((400, 200), {4}, (4,)),
        ((200, 100), {4}, (4,)),
        ((200, 100), {2, 3, 4}, (2,)),
        ((201, 100), {2, 3, 4}, (3,)),
        ((250, 125), {2, 4}, (4,)),
        ((100, 50), {4}, ()),
        ((30, 15), {2, 4}, ()),
        ((100, 51), {2}, (2,)),
        ((800, 400), {2, 4}, (2, 4)),
        ((800, 400), {4}, (4, 4)),
        ((500, 250), {2, 3, 4}, (2, 3)),
        ((400, 200), {2}, (2, 2)),
        ((1600, 800), {4}, (4, 4)),
    ],
)
def test_the_next_larger_networks_of_a_picture_of_100_by_50(
    target: tuple[int, int], scales: set[int], expected: tuple[int, ...]
) -> None:
    assert passes((100, 50), target, sorted(scales)) == expected


def test_more_than_two_passes_are_refused() -> None:
    with pytest.raises(UsageError, match="100×50 px to 1700×850 px is more than ×16"):
        passes((100, 50), (1700, 850), [4])
