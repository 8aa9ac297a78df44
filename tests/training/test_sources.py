import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.small_inputs import photograph
from support.training_runs import Watcher, make_pictures, tiny_settings

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.evaluation.datasets import LoadedPair
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.training.patches import PatchSource, Request
from ripfdn_cli.training.sources import OpenedSource, open_source
from ripfdn_cli.training.validation import ValidationSet

BAD = ("broken.png", "text.jpg", "thin.png", "twin.png")
CPU = torch.device("cpu")


def opened(data: Path, validation: list[ValidationSet] | None = None, **changes: object) -> OpenedSource:
    return open_source(tiny_settings(data, **changes), validation or [], CPU, Watcher())


def pairs(source: PatchSource, steps: int = 8) -> list[tuple[np.ndarray, np.ndarray]]:
    found = []
    for step in range(steps):
        lr, hr = source.patches(Request(step, 16, 4, 0, 4))
        found += [
            (a.permute(1, 2, 0).numpy(), b.permute(1, 2, 0).numpy()) for a, b in zip(lr, hr, strict=True)
        ]
    return found


def assert_aligned(lr: np.ndarray, hr: np.ndarray) -> None:
    """Up to one level: 8-bit bicubic rounds after each axis, and turning a patch swaps the axes."""
    difference = np.abs(lr.astype(int) - imresize(hr, 0.25))[2:-2, 2:-2]
    assert difference.max() <= 1
    assert difference.mean() < 0.2


def test_lr_and_hr_are_aligned(tmp_path: Path) -> None:
    """Inside a patch its LR is what bicubic makes of its HR; at its edge the whole picture's shows."""
    for lr, hr in pairs(opened(make_pictures(tmp_path)).source):
        assert_aligned(lr, hr)


def test_many_unusable_pictures_are_counted_not_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_pictures(tmp_path)
    for number in range(9):
        Image.fromarray(photograph(20, 20)).save(tmp_path / f"thumb{number}.png")
    with caplog.at_level(logging.INFO, logger="ripfdn_cli"):
        opened(tmp_path)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len([line for line in warnings if "20×20" in line]) == 5
    assert "4 more pictures" in warnings[-1]
    assert len([record for record in caplog.records if "20×20" in record.message]) == 9


def test_bad_pictures_are_listed_and_the_others_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_pictures(tmp_path)
    (tmp_path / "broken.png").write_bytes((tmp_path / "p0.png").read_bytes()[:3000])
    (tmp_path / "text.jpg").write_text("no picture")
    Image.fromarray(photograph(20, 300)).save(tmp_path / "thin.png")
    twin = photograph(64, 64, seed=9)
    Image.fromarray(imresize(twin, size=(100, 90))).save(tmp_path / "twin.png")
    validation = ValidationSet("Set", 4, (LoadedPair("q", imresize(twin, 0.25), twin),))
    with caplog.at_level(logging.WARNING, logger="ripfdn_cli"):
        result = opened(tmp_path, [validation])
    assert result.pictures == 3
    told = {next(name for name in BAD if name in message): message for message in caplog.messages}
    assert set(told) == set(BAD)
    assert "Set/q" in told["twin.png"]
    assert "300×20 px" in told["thin.png"]
    for lr, hr in pairs(result.source):  # nothing of the holes that the bad ones left
        assert_aligned(lr, hr)


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    Image.fromarray(photograph(20, 20)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="none of 1 pictures"):
        opened(tmp_path)


def test_a_later_stage_that_no_picture_is_large_enough_for_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="64×64"):
        opened(make_pictures(tmp_path), patch="16,64")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        opened(tmp_path / "none")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("memory", [8.0, 5e-5])
def test_degraded_patches_are_the_same_each_time(tmp_path: Path, workers: int, memory: float) -> None:
    make_pictures(tmp_path)
    reference = pairs(opened(tmp_path, degrade=True, workers=0, memory=memory).source)
    source = opened(tmp_path, degrade=True, workers=workers, memory=memory).source
    for (lr, hr), (same_lr, same_hr) in zip(pairs(source), reference, strict=True):
        np.testing.assert_array_equal(lr, same_lr)
        np.testing.assert_array_equal(hr, same_hr)
    source.close()
    clean = sum(np.array_equal(lr, imresize(hr, 0.25)) for lr, hr in reference)
    assert clean < len(reference) / 2
    assert len({lr.tobytes() for lr, _ in reference}) == len(reference)


def test_degraded_patches_are_the_same_for_ranks_that_share_them_out(tmp_path: Path) -> None:
    source = opened(make_pictures(tmp_path), degrade=True, workers=0).source
    whole = source.patches(Request(3, 16, 6, 0, 6))[0]
    parts = [source.patches(Request(3, 16, 6, first, 3))[0] for first in (0, 3)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.fixture
def darkened(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of HR, and of LR of half their brightness."""
    hr, lr = make_pictures(tmp_path / "sharp"), tmp_path / "scans"
    lr.mkdir()
    for path in hr.iterdir():
        low = imresize(np.asarray(Image.open(path)), 0.25)
        Image.fromarray(low // 2).save(lr / path.name)
    return hr, lr


@pytest.mark.parametrize("memory", [8.0, 5e-5], ids=["in memory", "streamed"])
def test_given_lr_are_shown_and_turned_as_their_hr(darkened: tuple[Path, Path], memory: float) -> None:
    hr, lr = darkened
    source = opened(hr, lr_folder=[str(lr)], memory=memory, workers=0).source
    for low, high in pairs(source):
        difference = np.abs(low * 2.0 - imresize(high, 0.25))[2:-2, 2:-2]
        assert difference.mean() < 1.2


def test_lr_of_other_places_and_sizes_are_listed(
    darkened: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    hr, lr = darkened
    low = np.asarray(Image.open(lr / "p1.png"))
    Image.fromarray(np.roll(low, (2, -1), axis=(0, 1))).save(lr / "p1.png")
    Image.fromarray(np.zeros((20, 26, 3), np.uint8)).save(lr / "p0.png")
    with caplog.at_level(logging.WARNING, logger="ripfdn_cli"):
        assert opened(hr, lr_folder=[str(lr)]).pictures == 1
    told = sorted(caplog.messages)
    assert told[0].startswith(
        f"skipped: {lr / 'p0.png'} has 26×20 px and {hr / 'p0.png'} 96×80: they are not"
    )
    assert told[1] == f"skipped: {lr / 'p1.png'} lies 2 LR px below and 1 LR px left of {hr / 'p1.png'}"


def test_a_folder_with_the_same_pictures_in_small_is_refused(darkened: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match=r"scans/p0\.png is .*sharp/p0\.png at 1/4 of its size"):
        opened(darkened[0].parent)
