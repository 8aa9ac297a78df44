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
