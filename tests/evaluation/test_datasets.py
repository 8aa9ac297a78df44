from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.evaluation.datasets import find_data_set, load_pair, pair_folders
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.pictures.decoding import read_rgb


def write_picture(path: Path, height: int, width: int, seed: int = 0, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def test_a_folder_with_hr_and_lr_is_paired_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_picture(tmp_path / "Set" / "HR" / f"{name}.png", 32, 48)
        write_picture(tmp_path / "Set" / "LRbicx4" / f"{name}.bmp", 8, 12)
    found = find_data_set(tmp_path / "Set", 4)
    assert (found.name, found.scale, found.has_hr) == ("Set", 4, True)
    assert [pair.name for pair in found.pairs] == ["a", "b"]
    assert found.pairs[0].hr == tmp_path / "Set" / "HR" / "a.png"
    assert found.pairs[0].lr == tmp_path / "Set" / "LRbicx4" / "a.bmp"


def test_lr_of_another_scale_is_not_taken(tmp_path: Path) -> None:
    write_picture(tmp_path / "HR" / "a.png", 33, 50)
    write_picture(tmp_path / "LRbicx4" / "a.png", 8, 12)
    (pair,) = find_data_set(tmp_path, 2).pairs
    assert pair.lr is None
    loaded = load_pair(pair, 2)
    hr = read_rgb(tmp_path / "HR" / "a.png")[:32, :50]
    np.testing.assert_array_equal(loaded.lr, imresize(hr, 0.5))
    np.testing.assert_array_equal(loaded.hr, hr)


def test_hr_is_cut_to_the_scaled_lr(tmp_path: Path) -> None:
    write_picture(tmp_path / "HR" / "a.png", 35, 49)
    write_picture(tmp_path / "LRbicx4" / "a.png", 8, 12)
    loaded = load_pair(find_data_set(tmp_path, 4).pairs[0], 4)
    assert loaded.hr is not None
    np.testing.assert_array_equal(loaded.hr, read_rgb(tmp_path / "HR" / "a.png")[:32, :48])


def test_grey_pictures_are_read_as_rgb(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "HR" / "a.png", 8, 12, mode="L")
    loaded = load_pair(find_data_set(tmp_path, 4).pairs[0], 4)
    np.testing.assert_array_equal(loaded.hr, np.asarray(Image.open(path))[..., None].repeat(3, axis=2))
    assert loaded.lr.shape == (2, 3, 3)


def test_two_folders_are_paired_the_way_div2k_names_them(tmp_path: Path) -> None:
    write_picture(tmp_path / "valid_HR" / "0801.png", 16, 16)
    write_picture(tmp_path / "valid_HR" / "fox4.png", 16, 16)
    write_picture(tmp_path / "X4" / "0801x4.png", 4, 4)
    write_picture(tmp_path / "X4" / "fox4.png", 4, 4)
    found = pair_folders(tmp_path / "valid_HR", tmp_path / "X4", 4)
    assert found.name == "valid_HR"
    assert {pair.name: pair.lr.name for pair in found.pairs if pair.lr} == {
        "0801": "0801x4.png",
        "fox4": "fox4.png",
    }


def test_without_hr_there_are_only_lr_pictures(tmp_path: Path) -> None:
    write_picture(tmp_path / "photos" / "a.png", 5, 6)
    found = pair_folders(None, tmp_path / "photos", 4)
    assert not found.has_hr
    loaded = load_pair(found.pairs[0], 4)
    assert loaded.hr is None
    assert loaded.lr.shape == (5, 6, 3)


def test_files_that_are_no_pictures_are_passed_over(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 5, 6)
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "._a.png").write_bytes(b"x")
    (tmp_path / "more.png").mkdir()
    assert [pair.name for pair in pair_folders(tmp_path, None, 4).pairs] == ["a"]


def test_a_picture_without_partner_is_an_error_that_names_it(tmp_path: Path) -> None:
    for name in "abc":
        write_picture(tmp_path / "HR" / f"{name}.png", 16, 16)
    write_picture(tmp_path / "LRbicx4" / "a.png", 4, 4)
    with pytest.raises(InputError, match=r"b\.png has no partner .*2 such"):
        find_data_set(tmp_path, 4)
    write_picture(tmp_path / "LRbicx4" / "b.png", 4, 4)
    write_picture(tmp_path / "LRbicx4" / "c.png", 4, 4)
    write_picture(tmp_path / "LRbicx4" / "d.png", 4, 4)
    with pytest.raises(InputError, match=r"d\.png has no partner in .*HR;"):
        find_data_set(tmp_path, 4)


def test_names_that_collide_are_an_error(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 16, 16)
    write_picture(tmp_path / "a.bmp", 16, 16)
    with pytest.raises(InputError, match=r"a\.bmp and .*a\.png have the same name"):
        pair_folders(tmp_path, None, 4)


@pytest.mark.parametrize("lr_size", [(8, 11), (9, 12), (16, 24)])
def test_sizes_that_do_not_belong_together_are_an_error(tmp_path: Path, lr_size: tuple[int, int]) -> None:
    write_picture(tmp_path / "HR" / "a.png", 32, 48)
    write_picture(tmp_path / "LRbicx4" / "a.png", *lr_size)
    with pytest.raises(InputError, match="they are not a pair at scale 4"):
        load_pair(find_data_set(tmp_path, 4).pairs[0], 4)


def test_folders_that_are_no_data_set_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder HR or LRbicx4"):
        find_data_set(tmp_path, 4)
    with pytest.raises(InputError, match="has no pictures"):
        pair_folders(tmp_path, None, 4)
    with pytest.raises(InputError, match="is not a folder"):
        pair_folders(tmp_path / "nowhere", None, 4)
    with pytest.raises(UsageError, match="needs a folder"):
        pair_folders(None, None, 4)


def test_a_damaged_or_tiny_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 3, 16)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    small, damaged = pair_folders(tmp_path, None, 4).pairs
    with pytest.raises(InputError, match=r"a\.png has 16×3 px"):
        load_pair(small, 4)
    with pytest.raises(InputError, match=r"b\.png"):
        load_pair(damaged, 4)


def test_two_lr_pictures_of_one_hr_picture_are_an_error(tmp_path: Path) -> None:
    """One was left out, and the other scored."""
    write_picture(tmp_path / "HR" / "a.png", 16, 16)
    for name in ("a.png", "ax4.png"):
        write_picture(tmp_path / "LRbicx4" / name, 4, 4)
    with pytest.raises(InputError, match=r"a\.png and .*ax4\.png have the same name; remove one of them"):
        find_data_set(tmp_path, 4)
    (tmp_path / "LRbicx4" / "a.png").unlink()
    assert find_data_set(tmp_path, 4).pairs[0].lr == tmp_path / "LRbicx4" / "ax4.png"
