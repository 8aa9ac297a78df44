"""Threads of a cancelled run stop at their next tile."""

import pytest

from ripfdn_cli.pipeline.cancellation import Cancellation, Cancelled


def test_progress_is_passed_on_until_the_run_is_cancelled() -> None:
    cancellation, tiles = Cancellation(), []
    tile_done = cancellation.progress(lambda done, total: tiles.append((done, total)))
    tile_done(1, 3)
    cancellation.cancel()
    with pytest.raises(Cancelled):
        tile_done(2, 3)
    assert tiles == [(1, 3)]


def test_without_a_callback_it_only_checks() -> None:
    cancellation = Cancellation()
    cancellation.progress()(1, 1)
    cancellation.cancel()
    with pytest.raises(Cancelled):
        cancellation.progress()(1, 1)
