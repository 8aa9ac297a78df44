"""Work done in threads of its own before and after the network, a bounded number of items ahead or behind."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_END = object()


def prefetched(items: Iterator[T], depth: int) -> Generator[T]:
    """What `items` gives, which runs in a thread, up to `depth` items ahead; its exceptions come out here.

    `items` is left where it is when this generator is closed; nothing of it runs any more then.
    """
    with ThreadPoolExecutor(1, "prefetch") as pool:
        try:
            waiting = deque(pool.submit(next, items, _END) for _ in range(depth))
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, items, _END))
                yield item  # type: ignore[misc]
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def write_behind(work: Callable[[T], None], depth: int) -> Iterator[Callable[[T], None]]:
    """A function that has `work` done on an item in a thread, in order, and waits while `depth` are waiting.

    What `work` raises comes out of a later call, or at the end of the block. What is waiting when the block
    fails is still done; after an interrupt it is not.
    """
    with ThreadPoolExecutor(1, "write-behind") as pool:
        waiting: deque[Future[None]] = deque()

        def put(item: T) -> None:
            waiting.append(pool.submit(work, item))
            while len(waiting) > depth or (waiting and waiting[0].done()):
                waiting.popleft().result()

        try:
            yield put
            while waiting:
                waiting.popleft().result()
        except Exception:
            wait(waiting)  # what was put before an error is good, and worth its time
            raise
        finally:
            pool.shutdown(cancel_futures=True)
