"""Patches of sets that don't fit in memory, and making patches ahead of the step that needs them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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
from ripfdn_cli.training.pictures import Copies, Pixels, Preparation, Skipped, load_copies

PATCHES_PER_PICTURE = 64
"""Drawn on average from a picture while it is among those that are drawn from: what its decoding is shared
by.
"""
LARGEST_POOL = 1024

Pair = tuple[Pixels, Pixels]
Pairs = list[Pair]


@dataclass(frozen=True)
class _Fitting:
    """The pictures that hold a patch, those of one file together: of each such file the first one's place
    among them, and how many it has.
    """

    pictures: NDArray[np.intp]
    firsts: NDArray[np.intp]
    counts: NDArray[np.intp]


class PoolSampler:
    """Draws from a pool of files that moves slowly through the whole set in random order, so that a bounded
    cache serves nearly every draw. Like `Sampler`, a function of the seed and the step, but also of how many
    files the `pool` has, which follows from the memory allowed; all files have the same chance, which a
    picture and its smaller copies share.
    """

    def __init__(self, files: Sequence[Copies], *, scale: int, seed: int, pool: int) -> None:
        self._sides = lr_sides([picture for copies in files for picture in copies], scale)
        numbers = [(file, copy) for file, copies in enumerate(files) for copy in range(len(copies))]
        self._numbers = np.array(numbers, np.int64)
        self._seed, self._pool = seed, pool
        self._eligible: dict[int, _Fitting] = {}

    def draw(self, step: int, patch: int, batch: int) -> NDArray[np.int64]:
        """(batch, 5): file, which of its copies, top, left (LR px), orientation. Raises UsageError where no
        picture is large enough.
        """
        random = generator(self._seed, SAMPLING_STREAM, step)
        uniform, of_copies = random.random((batch, 4)), random.random(batch)
        passed = (step * batch + np.arange(batch)) // PATCHES_PER_PICTURE
        fitting = self._fitting(patch)
        count = len(fitting.counts)
        position = passed + (uniform[:, 0] * min(self._pool, count)).astype(np.int64)
        orders = {
            epoch: _permutation(self._seed, epoch, count) for epoch in set((position // count).tolist())
        }
        file = np.array([orders[at // count][at % count] for at in position.tolist()])
        copy = (of_copies * fitting.counts[file]).astype(np.int64)
        picture = fitting.pictures[fitting.firsts[file] + copy]
        return np.column_stack((self._numbers[picture], placed(uniform[:, 1:], self._sides[picture], patch)))

    def _fitting(self, patch: int) -> _Fitting:
        if patch not in self._eligible:
            pictures = np.flatnonzero(large_enough(self._sides, patch))
            _, firsts, counts = np.unique(self._numbers[pictures, 0], return_index=True, return_counts=True)
            self._eligible[patch] = _Fitting(pictures, firsts, counts)
        return self._eligible[patch]


@lru_cache(maxsize=8)
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.intp]:
    return generator(seed, ORDER_STREAM, epoch).permutation(count)


class PictureCache:
    """Decoded pairs by file, one for each copy, the least recently used dropped beyond `limit` bytes. For any
    number of threads: a file that several want at once is decoded once.
    """

    def __init__(self, load: Callable[[int], Pairs], *, limit: int) -> None:
        self._load, self._limit = load, limit
        self._lock = threading.Lock()
        self._pairs: OrderedDict[int, Future[Pairs]] = OrderedDict()
        self.bytes = 0

    def get(self, index: int) -> Pairs:
        """The pairs of the file `index`, loaded once however many threads ask. Raises what `load` raises;
        then the next asks again.
        """
        with self._lock:
            known = self._pairs.get(index)
            if known is not None:
                self._pairs.move_to_end(index)
            else:
                mine: Future[Pairs] = Future()
                self._pairs[index] = mine
        if known is not None:
            return known.result()
        try:
            pairs = self._load(index)
        except BaseException as error:
            with self._lock:
                del self._pairs[index]
            mine.set_exception(error)
            raise
        mine.set_result(pairs)
        self._count(_bytes(pairs))
        return pairs

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
        files: Sequence[Copies],
        sampler: PoolSampler,
        preparation: Preparation,
        *,
        cache_bytes: int,
    ) -> None:
        self._files, self._sampler, self._preparation = files, sampler, preparation
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
        file, copy, top, left, orientation = drawn
        s = self._preparation.scale
        lr, hr = self.cache.get(file)[copy]
        return (
            transformed(lr[top : top + patch, left : left + patch], orientation),
            transformed(hr[top * s : (top + patch) * s, left * s : (left + patch) * s], orientation),
        )

    def _load(self, index: int) -> Pairs:
        loaded = load_copies(self._files[index], self._preparation)
        if isinstance(loaded, Skipped):
            raise InputError(
                f"{loaded.path} changed since the run began: {loaded.reason}; restore it and `resume`"
            )
        return loaded


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


def _bytes(pairs: Pairs) -> int:
    # A shrunk or cut HR may be a view of a larger array, which stays in memory with it.
    return sum(
        array.nbytes if array.base is None else getattr(array.base, "nbytes", array.nbytes)
        for pair in pairs
        for array in pair
    )
