from pathlib import Path
from typing import Any

import pytest
from support.unprivileged import as_nobody

from ripfdn_cli.errors import InputError
from ripfdn_cli.evaluation.datasets import pair_folders
from ripfdn_cli.files.storage import Location, is_folder, location
from ripfdn_cli.pictures.file_content import read_file
from ripfdn_cli.pictures.find_pictures import find_pictures
from ripfdn_cli.pipeline.find_inputs import find_inputs
from ripfdn_cli.training.find_files import find_files
from ripfdn_cli.video.numbered_frames import find_frames

NAMES = [
    "1.png",
    "2.PNG",
    "sub/3.png",
    ".4.png",
    "Thumbs.db",
    "desktop.ini",
    ".cache/5.png",
    "notes.txt",
    "6",
]


@pytest.fixture(params=["files", "store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    place = tmp_path / "in" if request.param == "files" else location(f"memory://{tmp_path.name}/in")
    for name in NAMES:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return place


def names(folder: Location, **options: Any) -> list[str]:
    return [below.as_posix() for below in find_pictures(folder, **options)]


def test_pictures_are_found_by_suffix_in_order_without_what_is_hidden(folder: Location) -> None:
    assert names(folder) == ["1.png", "2.PNG", "sub/3.png"]
    assert names(folder, deep=False) == ["1.png", "2.PNG"]
    assert names(folder, leave_out=folder / "sub") == ["1.png", "2.PNG"]
    assert names(folder, leave_out=folder) == names(folder)


def test_all_that_look_for_pictures_find_the_same(tmp_path: Path) -> None:
    """Hidden files and the system's own are pictures to none of them, a suffix in capitals is to all."""
    for name in (*NAMES, "thumbs.db.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "sub" / "3.png").unlink()
    (tmp_path / "thumbs.db.png").unlink()
    found = [tmp_path / "1.png", tmp_path / "2.PNG"]
    assert [source.path for source in find_inputs([tmp_path]).sources] == found
    assert [file.path for file in find_files([str(tmp_path)], [], 4)] == found
    assert [pair.lr for pair in pair_folders(None, tmp_path, 4).pairs] == found
    found[1].rename(tmp_path / "2.png")
    assert [path for _, path in find_frames([tmp_path])] == [tmp_path / "1.png", tmp_path / "2.png"]


def test_a_folder_that_cannot_be_read_is_an_error_where_nobody_asks_to_go_on(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    with as_nobody(locked), pytest.raises(InputError, match=r"can't read .*locked: Permission denied"):
        list(find_pictures(tmp_path))
    troubles: list[Path] = []
    with as_nobody(locked):
        list(find_pictures(tmp_path, on_unreadable=lambda path, _: troubles.append(path)))
    assert troubles == [locked]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "ring").symlink_to(tmp_path)
    assert names(tmp_path) == ["real/a.png"]
    assert [file.path for file in find_files([str(tmp_path)], [], 4)] == [tmp_path / "real" / "a.png"]


def test_what_lies_in_a_folder_that_cannot_be_entered_is_an_input_that_fails(tmp_path: Path) -> None:
    """Looking at it is no error yet: it is listed with its reason where it is read."""
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "a.png").touch()
    locked.chmod(0)
    with as_nobody(locked):
        assert not is_folder(locked / "a.png")
        assert [source.path for source in find_inputs([locked / "a.png"]).sources] == [locked / "a.png"]
        with pytest.raises(InputError, match=r"can't read .*a.png: Permission denied"):
            read_file(locked / "a.png")
