import logging
from pathlib import Path

import pytest
from PIL import Image
from support.small_inputs import photograph

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.training.find_files import PictureFile, SizedFile, find_files, refuse_shrunk_copies


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph(16, 16)).save(path)
    return path


def test_files_are_found_below_folders_but_not_hidden_ones(tmp_path: Path) -> None:
    wanted = [save(tmp_path / name) for name in ("a.png", "deep/er/b.jpg")]
    for name in (".hidden.png", ".cache/c.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    assert find_files([str(tmp_path)], [], 4) == [PictureFile(path) for path in wanted]


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        find_files([str(tmp_path / "none")], [], 4)
    with pytest.raises(InputError, match="has no pictures"):
        find_files([str(tmp_path)], [], 4)


def test_a_benchmark_is_pairs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hr = [save(tmp_path / "HR" / f"{name}.png") for name in "ab"]
    lr = [save(tmp_path / "LRbicx4" / name) for name in ("a.png", "bx4.png")]
    save(tmp_path / "LRbicx2" / "a.png")
    with caplog.at_level(logging.INFO, logger="ripfdn_cli"):
        assert find_files([str(tmp_path)], [], 4) == [PictureFile(*pair) for pair in zip(hr, lr, strict=True)]
    assert "LRbicx4 as LR" in caplog.text
    assert find_files([str(tmp_path)], [], 3) == [PictureFile(path) for path in hr]
    assert find_files([str(tmp_path)], [], 4, use_lr=False) == [PictureFile(path) for path in hr]


def test_lr_without_hr_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "LRbicx2" / "a.png")
    with pytest.raises(InputError, match="LRbicx2 without HR"):
        find_files([str(tmp_path)], [], 4)


def test_own_pairs_go_by_name_and_what_is_alone_is_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hr = {name: save(tmp_path / "sharp" / f"{name}.png") for name in ("a", "deep/b", "alone", "x4")}
    lr = {name: save(tmp_path / "scans" / name) for name in ("a.jpg", "deep/bx4.png", "other.png", "x4.png")}
    with caplog.at_level(logging.WARNING, logger="ripfdn_cli"):
        found = find_files([str(tmp_path / "sharp")], [str(tmp_path / "scans")], 4)
    assert found == [
        PictureFile(hr["a"], lr["a.jpg"]),
        PictureFile(hr["deep/b"], lr["deep/bx4.png"]),
        PictureFile(hr["x4"], lr["x4.png"]),
    ]
    assert [message.split()[1] for message in caplog.messages] == [
        str(hr["alone"]),
        str(lr["other.png"]),
    ]


def test_folders_that_have_no_name_in_common(tmp_path: Path) -> None:
    save(tmp_path / "sharp" / "a.png")
    save(tmp_path / "scans" / "b.png")
    with pytest.raises(InputError, match="of the same name"):
        find_files([str(tmp_path / "sharp")], [str(tmp_path / "scans")], 4)
    save(tmp_path / "scans" / "b.jpg")
    with pytest.raises(InputError, match=r"b\.jpg and .*b\.png have the same name"):
        find_files([str(tmp_path / "sharp")], [str(tmp_path / "scans")], 4)


def sized(folder: str, *sizes: tuple[int, int], suffix: str = "") -> list[SizedFile]:
    return [SizedFile(Path(folder, f"{n}{suffix}.png"), *size) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    "small",
    [
        sized("LR", (25, 30), (20, 21)),
        sized("LR", (25, 31), (20, 20), suffix="x4"),
        sized("HR", (25, 30), (20, 20), suffix="x4"),
    ],
    ids=["rounded", "named as in DIV2K", "beside the large ones"],
)
def test_the_same_pictures_in_small_are_no_sharp_ones(small: list[SizedFile]) -> None:
    with pytest.raises(UsageError, match=r"0(x4)?\.png is HR/0\.png at 1/4 of its size \(and 1 more"):
        refuse_shrunk_copies([*sized("HR", (100, 121), (80, 81)), *small], 4)


@pytest.mark.parametrize(
    "others",
    [
        sized("b", (100, 120), (80, 80)),  # frames of another sequence
        sized("b", (50, 60), (40, 40)),  # shrunk by another factor: sharp ones, still
        sized("b", (25, 30), (80, 80), (80, 80)),  # one of three
    ],
)
def test_other_pictures_of_the_same_names_are_welcome(others: list[SizedFile]) -> None:
    refuse_shrunk_copies([*sized("a", (100, 120), (80, 80)), *others], 4)


def test_two_lr_pictures_of_one_picture(tmp_path: Path) -> None:
    save(tmp_path / "sharp" / "a.png")
    for name in ("a.png", "ax4.png"):
        save(tmp_path / "scans" / name)
    with pytest.raises(InputError, match=r"a\.png and .*ax4\.png have the same name; remove one of them"):
        find_files([str(tmp_path / "sharp")], [str(tmp_path / "scans")], 4)
