"""Micro-batches side by side on a CPU's cores.

Threads that share one operation wait for each other at its end, some hundred times a step; threads that
have a micro-batch each meet once.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

LARGEST_COUNT = 8
"""Workers: each holds the activations of a micro-batch."""

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Up to `most` Python threads that have PyTorch's `threads` among them."""

    def __init__(self, threads: int, most: int) -> None:
        self.count = min(threads, most, LARGEST_COUNT)
        self._pool = ThreadPoolExecutor(
            self.count, "ripfdn-train", initializer=_take_threads, initargs=(threads // self.count,)
        )

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """`function` of each item, in their order."""
        return self._pool.map(function, items)


def _take_threads(count: int) -> None:
    torch.get_num_threads()  # a thread's first question sets the number for all, so it comes first
    torch.set_num_threads(count)
