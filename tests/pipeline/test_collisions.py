import os
from pathlib import Path

import pytest

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.pipeline.collisions import check_collisions, check_existing, file_system_folds_names


def never(folder: Path) -> bool:
    return False


def always(folder: Path) -> bool:
    return True


def test_two_results_of_one_name_are_named_with_their_inputs(tmp_path: Path) -> None:
    pairs = [(Path("in/a.png"), tmp_path / "a.png"), (Path("in/a.jpg"), tmp_path / "x/../a.png")]
    with pytest.raises(UsageError, match=r"in/a.png and in/a.jpg would both become .*a.png"):
        check_collisions(pairs, inputs=[], folds_names=never)


def test_a_name_in_other_case_hides_no_collision(tmp_path: Path) -> None:
    names = ("A.webp", "a.webp", "a.webp")
    pairs = [(Path(f"in/{number}"), tmp_path / name) for number, name in enumerate(names)]
    with pytest.raises(UsageError, match=r"in/1 and in/2 would both become .*a.webp"):
        check_collisions(pairs, inputs=[], folds_names=never)


@pytest.mark.parametrize(
    ("first", "second"), [("a.png", "A.PNG"), ("straße", "STRASSE"), ("\u00e9", "e\u0301")]
)
def test_names_that_a_file_system_takes_for_one(tmp_path: Path, first: str, second: str) -> None:
    pairs = [(Path("1"), tmp_path / first), (Path("2"), tmp_path / second)]
    check_collisions(pairs, inputs=[], folds_names=never)
    with pytest.raises(UsageError, match="1 and 2 would both become one file"):
        check_collisions(pairs, inputs=[], folds_names=always)


def test_a_file_system_is_asked_only_where_it_matters(tmp_path: Path) -> None:
    def asked(folder: Path) -> bool:
        raise AssertionError

    pairs = [
        (Path("1"), tmp_path / "a.png"),
        (Path("2"), tmp_path / "b.png"),
        (Path("3"), tmp_path / "x/a.png"),
    ]
    check_collisions(pairs, inputs=[], folds_names=asked)


def test_this_file_system_tells_what_it_does(tmp_path: Path) -> None:
    (tmp_path / "probe").touch()
    expected = (tmp_path / "PROBE").exists()
    assert file_system_folds_names(tmp_path / "not" / "there") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


@pytest.mark.parametrize("kind", ["itself", "another input", "hard link", "symbolic link", "other spelling"])
def test_a_result_that_is_an_input_is_refused(tmp_path: Path, kind: str) -> None:
    first, second, output = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    match kind:
        case "itself":
            output = first
        case "another input":
            output = second
        case "hard link":
            os.link(second, output)
        case "symbolic link":
            output.symlink_to(second)
        case "other spelling":
            output = tmp_path / "." / "x" / ".." / "b.png"
            (tmp_path / "x").mkdir()
    with pytest.raises(UsageError, match=r"the result of .*a.png would replace"):
        check_collisions([(first, output)], inputs=[first, second], folds_names=never)


def test_inputs_that_are_links_to_each_other_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    pairs = [(tmp_path / name, tmp_path / "out" / name) for name in ("a.png", "b.png")]
    check_collisions(pairs, inputs=[source for source, _ in pairs], folds_names=never)


def test_what_is_there_is_kept_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "broken.png").symlink_to(tmp_path / "none")
    (tmp_path / "folder.png").mkdir()
    check_existing([tmp_path / "b.png"], overwrite=False)
    for name in ("a.png", "broken.png"):
        with pytest.raises(OutputError, match=rf"{name} exists already.*`overwrite`"):
            check_existing([tmp_path / name], overwrite=False)
        check_existing([tmp_path / name], overwrite=True)
    with pytest.raises(OutputError, match="is a folder"):
        check_existing([tmp_path / "folder.png"], overwrite=True)
