from pathlib import Path
from typing import Any

import pytest
from support.unprivileged import as_nobody

from ripfdn_cli.pipeline.find_inputs import find_inputs


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    touch(root / "b.png", root / "a.JPG", root / "deep/er/c.webp", root / "deep/d.tif", root / "notes.txt")
    touch(root / ".hidden.png", root / ".cache/e.png", root / "Thumbs.db", root / "desktop.ini")
    return root


def below(*arguments: Path, **options: Any) -> list[str]:
    return [source.below.as_posix() for source in find_inputs(arguments, **options).sources]


def test_folders_are_searched_to_the_bottom_in_order(tree: Path) -> None:
    assert below(tree) == ["a.JPG", "b.png", "deep/d.tif", "deep/er/c.webp"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": ["*.png"]}, ["b.png"]),
        ({"include": ["*.png", "deep/*"]}, ["b.png", "deep/d.tif", "deep/er/c.webp"]),
        ({"exclude": ["deep/*"]}, ["a.JPG", "b.png"]),
        ({"include": ["deep/*"], "exclude": ["*.tif"]}, ["deep/er/c.webp"]),
    ],
)
def test_globs(tree: Path, options: dict[str, list[str]], expected: list[str]) -> None:
    assert below(tree, **options) == expected


def test_files_that_are_named_are_taken_whatever_they_are_called(tree: Path) -> None:
    """Hidden, of no known suffix, missing: what is wrong with them is found out when they are read."""
    named = [tree / ".hidden.png", tree / "notes.txt", tree / "none.png"]
    assert [source.path for source in find_inputs(named, include=["*.webp"]).sources] == named


def test_each_file_is_named_once(tree: Path) -> None:
    assert below(tree / "b.png", tree, tree / "b.png") == ["b.png", "a.JPG", "deep/d.tif", "deep/er/c.webp"]


def test_links_to_folders_are_not_followed_and_links_to_files_are(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tree / "ring").symlink_to(tree)
    (tree / "z.png").symlink_to(tree / "b.png")
    (tree / "loop.png").symlink_to(tree / "loop.png")
    with caplog.at_level("INFO"):
        assert below(tree) == ["a.JPG", "b.png", "loop.png", "z.png", "deep/d.tif", "deep/er/c.webp"]
    assert "ring is a link to a folder and is not followed" in caplog.text


def test_results_inside_the_input_are_not_inputs(tree: Path) -> None:
    touch(tree / "deep/out/b.png")
    assert "deep/out/b.png" in below(tree)
    assert "deep/out/b.png" not in below(tree, leave_out=tree / "deep/out")
    assert below(tree, leave_out=tree) == below(tree, leave_out=None)


def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_searched(tree: Path) -> None:
    (tree / "deep").chmod(0)
    with as_nobody(tree):
        found = find_inputs([tree])
    assert [source.below.as_posix() for source in found.sources] == ["a.JPG", "b.png"]
    assert [path for path, _ in found.unreadable] == [tree / "deep"]
    assert "deep: Permission denied; check its name and permissions" in str(found.unreadable[0][1])
