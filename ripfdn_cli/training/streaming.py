"""Patches of sets that don't fit in memory, and making patches ahead of the step that needs them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_math.dihedral import transformed
from ripfdn_cli.training.patches import (
    ORDER_STREAM,
    SAMPLING_STREAM,
    Patches,
    PatchSource,
    Request,
    generator,
    large_enough,
    lr_sides,
    placed,
)
from ripfdn_cli.training.pictures import Pixels, Preparation, Skipped, TrainingPicture, load_copies

PATCHES_PER_PICTURE = 64
"""Drawn on average from a picture while it is among those that are drawn from: what its decoding is shared
by.
"""
LARGEST_POOL = 1024

Pair = tuple[Pixels, Pixels]


class PoolSampler:
    """Draws from a pool of pictures that moves slowly through the whole set in random order, so that a
    bounded cache serves nearly every draw. Like `Sampler`, a function of the seed and the step; all pictures
    have the same chance.
    """

    def __init__(self, pictures: Sequence[TrainingPicture], *, scale: int, seed: int, pool: int) -> None:
        self._sides, self._seed, self._pool = lr_sides(pictures, scale), seed, pool
        self._eligible: dict[int, NDArray[np.intp]] = {}

    def draw(self, step: int, patch: int, batch: int) -> NDArray[np.int64]:
        """(batch, 4): picture, top, left (LR px), orientation. Raises UsageError where no picture is large
        enough.
        """
        uniform = generator(self._seed, SAMPLING_STREAM, step).random((batch, 4))
        passed = (step * batch + np.arange(batch)) // PATCHES_PER_PICTURE
        fitting = self._fitting(patch)
        count = len(fitting)
        position = passed + (uniform[:, 0] * min(self._pool, count)).astype(np.int64)
        orders = {
            epoch: _permutation(self._seed, epoch, count) for epoch in set((position // count).tolist())
        }
        picture = fitting[[orders[at // count][at % count] for at in position.tolist()]]
        return np.column_stack((picture, placed(uniform[:, 1:], self._sides[picture], patch)))

    def _fitting(self, patch: int) -> NDArray[np.intp]:
        if patch not in self._eligible:
            self._eligible[patch] = np.flatnonzero(large_enough(self._sides, patch))
        return self._eligible[patch]


@lru_cache(maxsize=8)
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.intp]:
    return generator(seed, ORDER_STREAM, epoch).permutation(count)


class PictureCache:
    """Decoded pairs by picture, the least recently used dropped beyond `limit` bytes. For any number of
    threads: a picture that several want at once is decoded once.
    """

    def __init__(self, load: Callable[[int], Pair], *, limit: int) -> None:
        self._load, self._limit = load, limit
        self._lock = threading.Lock()
        self._pairs: OrderedDict[int, Future[Pair]] = OrderedDict()
        self.bytes = 0

    def get(self, index: int) -> Pair:
        """The pair at `index`, loaded once however many threads ask. Raises what `load` raises; then the next
        asks again.
        """
        with self._lock:
            known = self._pairs.get(index)
            if known is not None:
                self._pairs.move_to_end(index)
            else:
                mine: Future[Pair] = Future()
                self._pairs[index] = mine
        if known is not None:
            return known.result()
        try:
            pair = self._load(index)
        except BaseException as error:
            with self._lock:
                del self._pairs[index]
            mine.set_exception(error)
            raise
        mine.set_result(pair)
        self._count(_bytes(pair))
        return pair

    def _count(self, added: int) -> None:
        with self._lock:
            self.bytes += added
            for index, future in list(self._pairs.items())[:-1]:
                if self.bytes <= self._limit:
                    break
                if future.done():
                    self.bytes -= _bytes(future.result())
                    del self._pairs[index]


class StreamedPictures:
    """Patches cut from pictures that are decoded when they are drawn."""

    def __init__(
        self,
        pictures: Sequence[TrainingPicture],
        sampler: PoolSampler,
        preparation: Preparation,
        *,
        cache_bytes: int,
    ) -> None:
        self._pictures, self._sampler, self._preparation = pictures, sampler, preparation
        self.cache = PictureCache(self._load, limit=cache_bytes)

    def patches(self, request: Request) -> Patches:
        """As PatchSource says, on the CPU. Raises InputError for a picture that can't be read any more."""
        drawn = self._sampler.draw(request.step, request.patch, request.batch)
        wanted = drawn[request.first : request.first + request.count].tolist()
        lr, hr = zip(*(self._cut(row, request.patch) for row in wanted), strict=True)
        return _batched(lr), _batched(hr)

    def close(self) -> None:
        """Nothing works ahead."""

    def _cut(self, drawn: Sequence[int], patch: int) -> Pair:
        picture, top, left, orientation = drawn
        s = self._preparation.scale
        lr, hr = self.cache.get(picture)
        return (
            transformed(lr[top : top + patch, left : left + patch], orientation),
            transformed(hr[top * s : (top + patch) * s, left * s : (left + patch) * s], orientation),
        )

    def _load(self, index: int) -> Pair:
        loaded = load_copies([self._pictures[index]], self._preparation)
        if isinstance(loaded, Skipped):
            raise InputError(
                f"{loaded.path} changed since the run began: {loaded.reason}; restore it and `resume`"
            )
        return loaded[0]


class Lookahead:
    """`source` with its next steps made in `workers` threads while the network is busy with this one.

    Threads, for decoding, NumPy and PyTorch leave the interpreter free, and share one cache.
    """

    def __init__(self, source: PatchSource, *, workers: int) -> None:
        self._source, self._depth = source, 2 * workers
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="patches")
        self._made: dict[Request, Future[Patches]] = {}

    def patches(self, request: Request) -> Patches:
        """As PatchSource says; those of the next steps are made meanwhile."""
        upcoming = [request]
        while len(upcoming) <= self._depth:
            upcoming.append(upcoming[-1].next_step())
        self._drop_others(set(upcoming))
        for wanted in upcoming:
            if wanted not in self._made:
                self._made[wanted] = self._pool.submit(self._source.patches, wanted)
        return self._made.pop(request).result()

    def _drop_others(self, upcoming: set[Request]) -> None:
        """What was made for another stage is not needed any more."""
        for request in self._made.keys() - upcoming:
            self._made.pop(request).cancel()

    def close(self) -> None:
        """Drop what isn't begun, wait for what is, and close the source."""
        self._pool.shutdown(cancel_futures=True)
        self._source.close()


def _batched(squares: Sequence[Pixels]) -> torch.Tensor:
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)


def _bytes(pair: Pair) -> int:
    # A shrunk or cut HR may be a view of a larger array, which stays in memory with it.
    return sum(
        array.nbytes if array.base is None else getattr(array.base, "nbytes", array.nbytes) for array in pair
    )
