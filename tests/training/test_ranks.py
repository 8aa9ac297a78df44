from concurrent.futures import ThreadPoolExecutor

import pytest
from torch._C._distributed_c10d import HashStore

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.ranks import Ranks, join_ranks, meet


@pytest.mark.parametrize(("count", "batch"), [(1, 7), (2, 7), (3, 8), (4, 4)])
def test_ranks_share_out_the_whole_batch_evenly(count: int, batch: int) -> None:
    parts = [Ranks(rank, count).part_of(batch) for rank in range(count)]
    covered = [index for first, size in parts for index in range(first, first + size)]
    assert covered == list(range(batch))
    sizes = [size for _, size in parts]
    assert max(sizes) - min(sizes) <= 1


def test_more_ranks_than_patches() -> None:
    with pytest.raises(UsageError, match="`batch` 2 is less than the 3 ranks"):
        Ranks(0, 3).part_of(2)


def test_a_run_without_torchrun_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with join_ranks() as ranks:
        assert (ranks.rank, ranks.world_size, ranks.is_main) == (0, 1, True)
        assert ranks.largest(1.0, 2.0) == (1.0, 2.0)
        assert ranks.sum(3.0) == 3.0
        assert ranks.device("cuda") == "cuda"


def test_each_rank_of_a_machine_has_its_own_gpu() -> None:
    assert Ranks(5, 8, local_rank=1).device("cuda") == "cuda:1"
    assert Ranks(5, 8, local_rank=1).device("cpu") == "cpu"


def test_ranks_meet_those_that_live_and_not_those_of_an_earlier_attempt() -> None:
    store = HashStore()
    store.set("ripfdn/greeting/1", "of a rank that died before it was answered")
    meetings = []
    for _ in range(2):  # the second time, all that the first left is there
        with ThreadPoolExecutor(3) as threads:
            meetings.append(set(threads.map(lambda rank: meet(store, rank, 3), range(3), timeout=60)))
    first, second = meetings
    assert len(first) == len(second) == 1
    assert first != second
