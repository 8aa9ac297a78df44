from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.sidedata.sidedata import Type

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.pyav_versions import as_fraction, fraction, warnings_of_ffmpeg


def test_ratios_that_say_nothing_are_none() -> None:
    assert fraction(Fraction(1001, 30000)) == Fraction(1001, 30000)
    assert fraction(None) is None
    assert fraction(Fraction(0)) is None
    with pytest.raises(InputError, match="no time base"):
        as_fraction(None)


def test_side_data_without_a_name_has_a_member() -> None:
    unnamed = Type(9999)
    assert unnamed.name == "UNNAMED_9999"
    assert Type(9999) is unnamed
    with pytest.raises(ValueError, match="not a valid"):
        Type("a name that nobody has")


def test_warnings_are_those_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
    before = av.logging.get_level()
    with warnings_of_ffmpeg() as warnings, pytest.raises(av.FFmpegError):
        av.open(str(path))
    assert "moov atom not found" in warnings
    assert av.logging.get_level() == before
    with warnings_of_ffmpeg() as none:
        pass
    assert none == []
