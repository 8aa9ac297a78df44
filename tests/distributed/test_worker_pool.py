"""Tasks on real actors that die, raise, refuse, and are given more to do."""

import gc
import os
from collections import deque
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from ripfdn_cli.distributed.ray_run import RayCluster, _connected
from ripfdn_cli.distributed.worker_pool import Fatal, Home, WorkerPool
from ripfdn_cli.errors import InternalError, UnavailableError, UsageError

pytestmark = [
    pytest.mark.any_precision,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Ray leaves its processes to the end of its own."""

# Not importorskip: Ray takes its way of authentication from the environment when it is imported.
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")


class Fickle:
    """Does what its tasks say."""

    def ready(self) -> None:
        return None

    def work(self, task: str, again: bool) -> Any:
        if task == "die" or (task == "die once" and not again):
            os._exit(1)
        if task == "raise":
            raise ValueError("a fault")
        return Fatal(UsageError("for all")) if task == "refuse" else task.upper()


@pytest.fixture
def ray() -> Iterator[Any]:
    with _connected(RayCluster()) as module:
        yield module
    gc.collect()


def pool_of(ray: Any, actors: int) -> WorkerPool[str, str]:
    remote = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=0)(Fickle)
    return WorkerPool(ray, [remote.remote() for _ in range(actors)], 1)


@needs_ray
def test_every_task_ends_once_whatever_becomes_of_its_worker(ray: Any) -> None:
    pool, waiting = pool_of(ray, 2), deque(["a", "die once", "raise", "b"])
    ended: dict[str, str | InternalError] = {}
    for task, result in pool.run(waiting):
        assert task not in ended
        ended[task] = result
        if task == "b":
            waiting.append("die")
    pool.stop()
    assert {task: result for task, result in ended.items() if isinstance(result, str)} == {
        "a": "A",
        "b": "B",
        "die once": "DIE ONCE",
    }
    assert "a fault" in str(ended["raise"])
    assert "5 workers died with it" in str(ended["die"])
    with pytest.raises(UsageError, match="for all"):
        list(pool_of(ray, 1).run(deque(["refuse", "a"])))


def test_a_worker_of_another_version_is_none_of_the_run() -> None:
    Home(None).enter()
    with pytest.raises(UnavailableError, match=r"has 0\.0; install the same version"):
        Home(None, version="0.0").enter()
