"""Results beside their inputs: known as results by the journal, as long as nobody changes them."""

from pathlib import Path

from ripfdn_cli.files.storage import stamp_of
from ripfdn_cli.pipeline.find_inputs import find_inputs
from ripfdn_cli.pipeline.journal import open_journal
from ripfdn_cli.pipeline.own_results import without_own_results


def kept(folder: Path) -> list[str]:
    sources = find_inputs([folder]).sources
    return [source.below.name for source in without_own_results(sources, [folder], folder, "")]


def recorded(folder: Path, source: Path, output: Path) -> None:
    read, written = stamp_of(source), stamp_of(output)
    assert read is not None
    assert written is not None
    with open_journal(folder) as journal:
        journal.add(source, read, output, written, "settings")


def test_a_recorded_result_is_not_an_input(tmp_path: Path) -> None:
    for name in ("a.png", "a_x4.png", "b_x4.png"):
        (tmp_path / name).write_bytes(name.encode())
    assert kept(tmp_path) == ["a.png", "a_x4.png", "b_x4.png"]
    recorded(tmp_path, tmp_path / "a.png", tmp_path / "a_x4.png")
    assert kept(tmp_path) == ["a.png", "b_x4.png"]


def test_a_result_that_was_changed_is_a_picture_like_others(tmp_path: Path) -> None:
    for name in ("a.png", "a_x4.png"):
        (tmp_path / name).write_bytes(name.encode())
    recorded(tmp_path, tmp_path / "a.png", tmp_path / "a_x4.png")
    (tmp_path / "a_x4.png").write_bytes(b"painted over by hand")
    assert kept(tmp_path) == ["a.png", "a_x4.png"]


def test_a_result_of_something_else_is_a_picture_like_others(tmp_path: Path) -> None:
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere.png"
    photos.mkdir()
    elsewhere.write_bytes(b"not among the inputs")
    (photos / "made.png").write_bytes(b"result")
    recorded(photos, elsewhere, photos / "made.png")
    assert kept(photos) == ["made.png"]


def test_results_in_a_folder_below_are_known_by_the_journal_there(tmp_path: Path) -> None:
    """A run into photos/x2, then one into photos/x4: what lies in x2 is left out, but for what was put there
    by hand; where x2 itself is asked for, it is taken.
    """
    below = tmp_path / "x2" / "trip"
    below.mkdir(parents=True)
    for path in (tmp_path / "a.png", below / "a.png", below / "by-hand.png"):
        path.write_bytes(str(path).encode())
    read, written = stamp_of(tmp_path / "a.png"), stamp_of(below / "a.png")
    assert read is not None
    assert written is not None
    with open_journal(tmp_path / "x2") as journal:
        journal.add(tmp_path / "a.png", read, below / "a.png", written, "settings")
    sources = find_inputs([tmp_path]).sources
    found = without_own_results(sources, [tmp_path], tmp_path / "x4", "")
    assert sorted(str(source.below) for source in found) == ["a.png", "x2/trip/by-hand.png"]
    sources = find_inputs([tmp_path / "x2"]).sources
    assert without_own_results(sources, [tmp_path / "x2"], tmp_path / "other", "") == sources
