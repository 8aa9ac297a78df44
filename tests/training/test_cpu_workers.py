import threading

import pytest
import torch

from ripfdn_cli.training.cpu_workers import LARGEST_COUNT, Workers


@pytest.mark.parametrize(("threads", "most", "count"), [(8, 3, 3), (2, 16, 2), (64, 64, LARGEST_COUNT)])
def test_workers_share_the_threads(threads: int, most: int, count: int) -> None:
    """Each has its share, all work at once, and the caller's own number stays."""
    before = torch.get_num_threads()
    workers = Workers(threads, most)
    assert workers.count == count
    meeting = threading.Barrier(count, timeout=30)

    def own_threads(item: int) -> tuple[int, int]:
        meeting.wait()  # an item each, or it breaks
        return item, torch.get_num_threads()

    expected = [(item, threads // count) for item in range(count)]
    assert list(workers.map(own_threads, range(count))) == expected
    assert torch.get_num_threads() == before
