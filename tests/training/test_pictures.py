from pathlib import Path

import numpy as np
from PIL import Image
from support.small_inputs import photograph

from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.training.pictures import (
    Preparation,
    Skipped,
    TrainingPicture,
    in_threads,
    load_copies,
    measure,
    thumbnail_of,
)

SCALE_2 = Preparation(scale=2, smallest_side=32)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_what_is_of_no_use_is_left_out_with_its_reason(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.png", photograph(64, 48))
    half = tmp_path / "half.png"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    small = save(tmp_path / "small.png", photograph(64, 31))
    (tmp_path / "no.png").write_text("no picture")
    assert measure(whole, SCALE_2) == [TrainingPicture(whole, 64, 48)]
    assert "31×64 px" in left_out(measure(small, SCALE_2))
    assert "no.png" in left_out(measure(tmp_path / "no.png", SCALE_2))
    assert "half.png" in left_out(load_copies([TrainingPicture(half, 64, 48)], SCALE_2))
    assert "size" in left_out(load_copies([TrainingPicture(whole, 48, 64)], SCALE_2))


def left_out(outcome: object) -> str:
    assert isinstance(outcome, Skipped)
    return f"{outcome.path.name}: {outcome.reason}"


def test_near_duplicates_of_the_validation_set_are_found_at_other_sizes(tmp_path: Path) -> None:
    original = photograph(96, 128, seed=3)
    other = photograph(96, 128, seed=40)
    preparation = Preparation(scale=2, smallest_side=16, known=(("Set/a", thumbnail_of(original)),))
    smaller = save(tmp_path / "smaller.jpg", imresize(original, size=(60, 80)))
    near = load_copies([TrainingPicture(smaller, 60, 80)], preparation)
    assert "nearly the same as Set/a" in left_out(near)
    unlike = save(tmp_path / "unlike.png", other)
    assert not isinstance(load_copies([TrainingPicture(unlike, 96, 128)], preparation), Skipped)


def test_lr_is_matlabs_of_the_whole_picture_cut_to_a_multiple(tmp_path: Path) -> None:
    pixels = photograph(67, 50)
    path = save(tmp_path / "a.png", pixels)
    loaded = load_copies([TrainingPicture(path, 67, 50)], Preparation(scale=4, smallest_side=16))
    assert not isinstance(loaded, Skipped)
    lr, hr = loaded[0]
    np.testing.assert_array_equal(hr, pixels[:64, :48])
    np.testing.assert_array_equal(lr, imresize(pixels[:64, :48], 0.25))
    assert lr.dtype == np.uint8


def test_large_pictures_have_smaller_copies(tmp_path: Path) -> None:
    pixels = photograph(100, 200)
    path = save(tmp_path / "a.png", pixels)
    preparation = Preparation(scale=2, smallest_side=60, shrink=0.5, shrink_above=0.02)
    copies = measure(path, preparation)
    assert not isinstance(copies, Skipped)
    assert [(p.factor, p.height, p.width) for p in copies] == [
        (1.0, 100, 200),
        (0.875, 88, 175),
        (0.75, 75, 150),
        (0.625, 62, 125),
    ]  # half of it would be under the smallest side
    loaded = load_copies(copies, preparation)
    assert not isinstance(loaded, Skipped)
    lr, hr = loaded[2]
    assert (hr.shape, lr.shape) == ((74, 150, 3), (37, 75, 3))
    small = measure(path, Preparation(scale=2, smallest_side=60, shrink=0.5, shrink_above=0.03))
    assert not isinstance(small, Skipped)
    assert len(small) == 1


def test_threads_keep_the_order_and_count() -> None:
    done: list[int] = []
    assert list(in_threads(lambda x: x * x, range(20), done.append)) == [x * x for x in range(20)]
    assert sum(done) == 20
