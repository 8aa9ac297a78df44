import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from ripfdn_cli.arguments import number, place, several, switch, text, whole_number
from ripfdn_cli.errors import UsageError


def test_what_is_of_the_right_type_is_taken() -> None:
    assert [whole_number("n", value) for value in (3, np.int64(3), np.uint8(3))] == [3, 3, 3]
    assert type(whole_number("n", np.int64(3))) is int
    assert [number("n", value) for value in (0, 0.5, np.float32(0.5))] == [0, 0.5, 0.5]
    assert [switch("s", value) for value in (True, False, np.True_, np.False_)] == [True, False, True, False]
    assert type(switch("s", np.True_)) is bool
    assert text("device", "cpu") == "cpu"
    assert place("output", Path("a") / "b") == os.path.join("a", "b")  # noqa: PTH118 - the other way to it
    assert place("output", "s3://a/b") == "s3://a/b"
    assert several("sets", "Set5") == ["Set5"]
    assert several("sets", PurePosixPath("Set5")) == [PurePosixPath("Set5")]
    assert several("sets", ("a", Path("b"))) == ["a", Path("b")]


def test_a_path_in_an_object_store_is_one() -> None:
    upath = pytest.importorskip("upath")
    folder = upath.UPath("memory://bucket/Set5")
    assert place("sets", folder) == str(folder) == "memory://bucket/Set5"
    assert several("sets", folder) == [folder]


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        (whole_number, "2", "`it` '2' is not a whole number"),
        (whole_number, 2.0, "`it` 2.0 is not a whole number"),
        (whole_number, True, "`it` True is not a whole number"),
        (whole_number, None, "`it` None is not a whole number"),
        (number, "0.5", "`it` '0.5' is not a number"),
        (number, True, "`it` True is not a number"),
        (number, [0.5], "`it` [0.5] is not a number"),
        (switch, "no", "`it` 'no' is neither True nor False"),
        (switch, 1, "`it` 1 is neither True nor False"),
        (switch, None, "`it` None is neither True nor False"),
        (switch, np.array([True]), "is neither True nor False"),
        (text, 5, "`it` 5 is not a str"),
        (text, b"cpu", "`it` b'cpu' is not a str"),
        (place, 5, "`it` 5 is not a path; pass a str or a Path"),
        (place, b"a", "`it` b'a' is not a path"),
        (several, 5, "`it` 5 is neither a str nor a sequence"),
        (several, b"ab", "`it` b'ab' is neither a str nor a sequence"),
    ],
)
def test_what_is_not_is_named(check: Any, value: Any, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        check("it", value)
