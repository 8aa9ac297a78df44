from dataclasses import astuple

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.degradation_recipes import Blur, Noise, Recipe, Save, nearest_hint, parse_recipe

BLUR = '[[step]]\nkind = "blur"\n'


def test_a_number_is_a_range_and_a_name_a_list() -> None:
    text = (
        f'untouched = 0.1\n{BLUR}sigma = 2\n[[step]]\nkind = "save"\nquality = [30, 90]\nformats = "WEBP"\n'
    )
    assert parse_recipe(text) == Recipe(
        (Blur(sigma=(2.0, 2.0)), Save(quality=(30.0, 90.0), formats=("WEBP",))), untouched=0.1
    )


def test_steps_keep_their_order() -> None:
    text = (
        '[[step]]\nkind = "noise"\nsigma = 3\n' + BLUR + 'sigma = 1\n[[step]]\nkind = "noise"\nphotons = 2\n'
    )
    assert [type(step) for step in parse_recipe(text).steps] == [Noise, Blur, Noise]
    assert [astuple(step)[1] for step in parse_recipe(text).steps] == [(3, 3), (1, 1), (0, 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step = = 1", "mine: not TOML"),
        ("untouched = 0.5", r"mine: there is no \[\[step\]\]"),
        (
            '[[step]]\nkind = "blurr"',
            "mine: step 1: kind 'blurr' is not one of blur, .*; did you mean 'blur'",
        ),
        (BLUR, r"mine: step 1 \(blur\): sigma is missing; give its range"),
        (BLUR + "sigma = 1\nsigmas = 2", r"unknown key 'sigmas'; did you mean 'sigma'"),
        (BLUR + "sigma = 99", r"step 1 \(blur\): sigma \[99, 99\] is out of range: 0 to 20"),
        (BLUR + "sigma = [3, 1]", r"sigma \[3, 1\] is not a range; write \[low, high\]"),
        (BLUR + "sigma = true", "sigma .*True.* is not a number or a range"),
        (BLUR + "sigma = 1\nchance = 2", "chance 2 is out of range: 0 to 1"),
        (BLUR + "sigma = 1\nchance = [0, 1]", "is not a number$"),
        ('[[step]]\nkind = "save"\nquality = 90\nformats = "JPG"', "formats 'JPG' is not one of JPEG"),
        ('[[step]]\nkind = "save"\nquality = 90\nformats = []', "formats is empty; give one of JPEG"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_recipe(text, source="mine")


def test_only_what_is_near_is_hinted_at() -> None:
    assert nearest_hint("bicubik", ["bicubic", "lanczos"]) == "; did you mean 'bicubic'?"
    assert nearest_hint("quite another", ["bicubic", "lanczos"]) == ""
