"""Numbered pictures are found in order, and a missing one is noticed."""

from pathlib import Path

import pytest

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.video.numbered_frames import find_frames, frame_pattern, is_pattern, is_sequence


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def names(frames: list[tuple[int, Path]]) -> list[tuple[int, str]]:
    return [(number, path.name) for number, path in frames]


def test_a_folder_is_sorted_by_number_not_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "f9.png", "f10.png", "f8.png", ".hidden", "notes.txt")
    assert names(find_frames([tmp_path])) == [(8, "f8.png"), (9, "f9.png"), (10, "f10.png")]


def test_a_glob_and_a_pattern_choose_one_series(tmp_path: Path) -> None:
    touch(tmp_path, "a01.png", "a02.png", "b01.png", "b02.png")
    assert names(find_frames([tmp_path / "b*.png"])) == [(1, "b01.png"), (2, "b02.png")]
    assert names(find_frames([tmp_path / "a%02d.png"])) == [(1, "a01.png"), (2, "a02.png")]
    with pytest.raises(InputError, match=r"several series \(aN.png, bN.png\)"):
        find_frames([tmp_path])


@pytest.mark.parametrize("given", ["", "shot_*_v2.png", "shot_%04d_v2.png"])
def test_the_number_that_counts_need_not_be_the_last(given: str, tmp_path: Path) -> None:
    files = touch(tmp_path, *(f"shot_{number:04}_v2.png" for number in (9, 10, 8)))
    expected = [(8, "shot_0008_v2.png"), (9, "shot_0009_v2.png"), (10, "shot_0010_v2.png")]
    assert names(find_frames([tmp_path / given] if given else [tmp_path])) == expected
    assert names(find_frames(files)) == expected


def test_two_versions_are_two_series_that_a_glob_tells_apart(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a{number:02}_v{version}.png" for number in (1, 2, 3) for version in (1, 2)))
    with pytest.raises(InputError, match=r"several series \(aN_v1.png, aN_v2.png\)"):
        find_frames([tmp_path])
    assert len(find_frames([tmp_path / "a*_v1.png"])) == 3


def test_a_single_frame_is_numbered_by_its_last_number(tmp_path: Path) -> None:
    touch(tmp_path, "shot7_0012.png")
    assert names(find_frames([tmp_path])) == [(12, "shot7_0012.png")]


def test_files_a_shell_has_found_are_sorted_too(tmp_path: Path) -> None:
    files = touch(tmp_path, "x-10.png", "x-9.png")
    assert names(find_frames(files)) == [(9, "x-9.png"), (10, "x-10.png")]


def test_a_gap_is_an_error_that_names_it(tmp_path: Path) -> None:
    touch(tmp_path, "f1.png", "f2.png", "f5.png")
    with pytest.raises(InputError, match=r"frame 3 to 4 of .* is missing; f5.png comes after f2.png"):
        find_frames([tmp_path])


def test_nothing_found_and_unnumbered_names_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no numbered frames"):
        find_frames([tmp_path])
    touch(tmp_path, "cover.png")
    with pytest.raises(InputError, match="no number in its name"):
        find_frames([tmp_path])


def test_patterns_make_names() -> None:
    pattern = frame_pattern(Path("out/frame_%04d.png"))
    assert pattern.path(7) == Path("out/frame_0007.png")
    assert pattern.path(12345) == Path("out/frame_12345.png")
    assert frame_pattern(Path("%d.png")).path(3) == Path("3.png")
    assert is_pattern(Path("out/%06d.png"))
    assert not is_pattern(Path("out/100%.png"))
    with pytest.raises(UsageError, match="exactly one place"):
        frame_pattern(Path("%d_%d.png"))


def test_a_real_file_with_a_bracket_in_its_name_is_no_glob(tmp_path: Path) -> None:
    (path,) = touch(tmp_path, "clip[1].png")
    assert not is_sequence(path)
    assert is_sequence(tmp_path / "clip[12].png")
    assert is_sequence(tmp_path)
