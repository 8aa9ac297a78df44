import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.training_runs import Watcher, make_pictures, tiny_settings

from ripfdn_cli.errors import InputError
from ripfdn_cli.training.patches import PackedPictures, Request, Sampler
from ripfdn_cli.training.pictures import Preparation, TrainingPicture, load_copies
from ripfdn_cli.training.sources import open_source
from ripfdn_cli.training.streaming import (
    PATCHES_PER_PICTURE,
    Lookahead,
    PictureCache,
    PoolSampler,
    StreamedPictures,
)

SIZES = ((80, 96), (72, 128), (96, 80), (64, 64), (68, 72))


def streamed(folder: Path, *, pool: int = 3, cache_bytes: int = 10**9) -> StreamedPictures:
    make_pictures(folder, sizes=SIZES)
    files = [[TrainingPicture(folder / f"p{i}.png", *size)] for i, size in enumerate(SIZES)]
    sampler = PoolSampler(files, scale=4, seed=0, pool=pool)
    return StreamedPictures(files, sampler, Preparation(scale=4, smallest_side=64), cache_bytes=cache_bytes)


def test_a_pool_moves_through_all_pictures_in_turn() -> None:
    files = [[TrainingPicture(Path(f"{i}.png"), 64, 64)] for i in range(20)]
    sampler = PoolSampler(files, scale=4, seed=0, pool=4)
    batch = PATCHES_PER_PICTURE
    drawn = [set(sampler.draw(step, 16, batch)[:, 0].tolist()) for step in range(40)]
    assert all(len(found) <= 4 for found in drawn)
    assert all(len(a & b) >= 3 for a, b in pairwise(drawn) if len(a) == len(b) == 4)
    counts = Counter(p for step in range(40) for p in sampler.draw(step, 16, batch)[:, 0].tolist())
    assert set(counts) == set(range(20))
    assert max(counts.values()) < 3 * min(counts.values())


def test_a_pool_of_one_step_is_the_same_whatever_was_drawn_before() -> None:
    files = [[TrainingPicture(Path(f"{i}.png"), 64 + 4 * i, 64)] for i in range(20)]
    first = PoolSampler(files, scale=4, seed=3, pool=4).draw(11, 16, 32)
    again = PoolSampler(files, scale=4, seed=3, pool=4)
    again.draw(200, 16, 8)
    np.testing.assert_array_equal(again.draw(11, 16, 32), first)


def test_a_step_of_a_set_without_copies_sees_what_it_always_saw() -> None:
    """Runs that earlier versions began go on with the patches that they would have had."""
    files = [[TrainingPicture(Path(f"{i}.png"), 64 + 4 * i, 64)] for i in range(20)]
    drawn = PoolSampler(files, scale=4, seed=3, pool=4).draw(110, 16, 4)
    assert drawn.tolist() == [[7, 0, 2, 0, 0], [4, 0, 4, 0, 7], [7, 0, 2, 0, 7], [6, 0, 5, 0, 5]]


def test_a_file_and_its_smaller_copies_share_one_files_chance() -> None:
    preparation = Preparation(scale=4, smallest_side=64, shrink=0.25, shrink_above=1.0)
    sizes = [(1200, 1200), *[(512, 512)] * 7]
    files = [preparation.copies(Path(f"{i}.png"), *size) for i, size in enumerate(sizes)]
    assert [len(copies) for copies in files] == [7, *[1] * 7]
    sampler = PoolSampler(files, scale=4, seed=0, pool=1024)
    drawn = np.concatenate([sampler.draw(step, 16, 64) for step in range(200)])
    chances = np.bincount(drawn[:, 0]) / len(drawn)
    np.testing.assert_allclose(chances, 1 / 8, atol=0.01)
    of_large = np.bincount(drawn[drawn[:, 0] == 0, 1])
    np.testing.assert_allclose(of_large / of_large.sum(), 1 / 7, atol=0.03)
    large = np.concatenate([sampler.draw(step, 120, 64) for step in range(200)])
    assert set(large[large[:, 0] == 0, 1].tolist()) == {0, 1, 2, 3, 4}
    np.testing.assert_allclose(np.bincount(large[:, 0]) / len(large), 1 / 8, atol=0.01)


def test_shrunk_copies_are_streamed(tmp_path: Path) -> None:
    """As Pillow shrinks them."""
    make_pictures(tmp_path, sizes=((400, 480),))
    settings = tiny_settings(tmp_path, memory=1e-4, shrink=0.25, shrink_above=0.1, workers=0)
    source = open_source(settings, [], torch.device("cpu"), Watcher()).source
    assert isinstance(source, StreamedPictures)
    drawn = source._sampler.draw(0, 16, 64)
    _, hr = source.patches(Request(0, 16, 64, 0, 64))
    factors = (1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25)
    with Image.open(tmp_path / "p0.png") as image:
        copies = [
            np.asarray(image.resize((round(480 * f), round(400 * f)), Image.Resampling.BICUBIC))
            for f in factors
        ]
    seen = set()
    for patch, (_, copy, top, left, orientation) in zip(hr, drawn.tolist(), strict=True):
        if orientation == 0:
            seen.add(copy)
            expected = copies[copy][4 * top : 4 * top + 64, 4 * left : 4 * left + 64]
            np.testing.assert_array_equal(patch.permute(1, 2, 0).numpy(), expected)
    assert len(seen) > 2


def test_streamed_patches_are_cut_from_the_pairs(tmp_path: Path) -> None:
    source = streamed(tmp_path)
    lr, hr = source.patches(Request(0, 16, 6, 0, 6))
    assert lr.shape == (6, 3, 16, 16)
    assert hr.shape == (6, 3, 64, 64)
    drawn = source._sampler.draw(0, 16, 6)
    for index, (file, _, top, left, orientation) in enumerate(drawn):
        pairs = load_copies(source._files[file], source._preparation)
        assert isinstance(pairs, list)
        flat_lr, flat_hr = (torch.from_numpy(array.reshape(-1, 3).copy()) for array in pairs[0])
        packed = PackedPictures(
            flat_lr,
            flat_hr,
            np.zeros(1, np.int64),
            source._files[file],
            Sampler(source._files[file], scale=4, seed=0, by="pictures"),
            scale=4,
            device=torch.device("cpu"),
        )
        expected = packed.crop(torch.tensor([[0, top, left, orientation]]), 16)
        assert torch.equal(lr[index], expected[0][0])
        assert torch.equal(hr[index], expected[1][0])


def test_the_cache_is_bounded_and_changes_nothing(tmp_path: Path) -> None:
    roomy, narrow = streamed(tmp_path), streamed(tmp_path, cache_bytes=60_000)
    for step in range(12):
        request = Request(step, 16, 8, 0, 8)
        for a, b in zip(roomy.patches(request), narrow.patches(request), strict=True):
            assert torch.equal(a, b)
    assert narrow.cache.bytes <= 60_000 < roomy.cache.bytes


def test_what_many_threads_want_is_loaded_once() -> None:
    loads: list[int] = []

    def load(index: int) -> list[tuple[np.ndarray, np.ndarray]]:
        loads.append(index)
        time.sleep(0.05)
        return [(np.zeros((4, 4, 3), np.uint8), np.zeros((8, 8, 3), np.uint8))]

    cache = PictureCache(load, limit=10**6)
    threads = [threading.Thread(target=cache.get, args=(3,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [3]


def test_a_failed_load_is_raised_and_tried_again() -> None:
    answers: list[Exception | list[tuple[np.ndarray, np.ndarray]]] = [
        InputError("gone"),
        [(np.zeros((4, 4, 3), np.uint8), np.zeros((8, 8, 3), np.uint8))],
    ]

    def load(index: int) -> list[tuple[np.ndarray, np.ndarray]]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = PictureCache(load, limit=10**6)
    with pytest.raises(InputError):
        cache.get(0)
    assert cache.get(0)[0][0].shape == (4, 4, 3)


def test_a_picture_that_vanishes_is_named(tmp_path: Path) -> None:
    source = streamed(tmp_path)
    for path in tmp_path.glob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"p\d.png changed since the run began"):
        source.patches(Request(0, 16, 4, 0, 4))


@pytest.mark.parametrize("workers", [1, 3])
def test_making_ahead_changes_nothing_even_when_the_stage_does(tmp_path: Path, workers: int) -> None:
    plain, ahead = streamed(tmp_path), Lookahead(streamed(tmp_path), workers=workers)
    requests = [Request(step, 16, 4, 1, 3) for step in range(5)] + [
        Request(step, 18, 6, 0, 6) for step in (5, 6)
    ]
    for request in requests:
        for a, b in zip(plain.patches(request), ahead.patches(request), strict=True):
            assert torch.equal(a, b)
    ahead.close()


def test_an_error_ahead_reaches_the_step_that_needs_it(tmp_path: Path) -> None:
    ahead = Lookahead(streamed(tmp_path), workers=2)
    ahead.patches(Request(0, 16, 4, 0, 4))
    with pytest.raises(Exception, match="no picture is large enough"):
        ahead.patches(Request(1, 200, 4, 0, 4))
    ahead.close()


def test_sets_over_the_memory_are_streamed(tmp_path: Path) -> None:
    make_pictures(tmp_path)
    opened = open_source(tiny_settings(tmp_path, memory=5e-5), [], torch.device("cpu"), Watcher())
    assert isinstance(opened.source, Lookahead)
    assert isinstance(opened.source._source, StreamedPictures)
    opened.source.close()
    in_memory = open_source(tiny_settings(tmp_path), [], torch.device("cpu"), Watcher())
    assert isinstance(in_memory.source, PackedPictures)
