"""Frames decoded ahead of the network, upscaled on every device, and encoded behind it, in order: three
things at once, with a bounded number of frames between them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from ripfdn_cli.pipeline.cancellation import Cancellation
from ripfdn_cli.pipeline.devices import Devices, Networks
from ripfdn_cli.pipeline.lookahead import prefetched, write_behind
from ripfdn_cli.upscaler import Progress

ALIKE = 2
"""Results kept for frames that come again: still pictures, cartoons, a cursor that blinks."""
WRITE_BEHIND = 2


class Comparable(Protocol):
    """A frame, ready for the network."""

    def equals(self, other: Self) -> bool:
        """Whether both would give the same result."""


F = TypeVar("F", bound=Comparable)
R = TypeVar("R")
C = TypeVar("C")


class FramePipeline(Generic[F, R]):
    """Runs frames through `upscale`, which takes up to `batch_size` of them at once and gives a result for
    each; one that is equal to a frame shortly before has that one's. `read_ahead`: frames that may wait for a
    device. `computed`: frames that were upscaled.
    """

    def __init__(
        self,
        devices: Devices,
        upscale: Callable[[Networks, Sequence[F], Progress], Sequence[R]],
        *,
        batch_size: int,
        read_ahead: int,
    ) -> None:
        self._devices, self._upscale = devices, upscale
        self._batch_size, self._read_ahead = batch_size, read_ahead
        self._cancellation = Cancellation()
        self.computed = 0

    def run(self, frames: Iterator[tuple[F, C]], write: Callable[[R, C], None]) -> None:
        """Have `write` called with the result of each of `frames`, in order, and what came with the frame.

        `frames` runs in a thread of its own, and `write` in another. Raises what either or `upscale` raises;
        what came before is written then.
        """
        workers = ThreadPoolExecutor(len(self._devices), "network")

        def write_result(item: tuple[_Result[R], C]) -> None:
            write(item[0].get(), item[1])

        try:
            with (
                closing(prefetched(frames, self._read_ahead)) as waiting,
                write_behind(write_result, WRITE_BEHIND + self._batch_size * len(self._devices)) as put,
            ):
                for item in self._through_network(waiting, workers):
                    put(item)
        finally:
            self._cancellation.cancel()
            workers.shutdown(cancel_futures=True)

    def _through_network(
        self, frames: Iterable[tuple[F, C]], workers: ThreadPoolExecutor
    ) -> Iterator[tuple[_Result[R], C]]:
        """Each frame's result to come, and what came with it."""
        recent: deque[tuple[F, _Result[R]]] = deque(maxlen=ALIKE)
        for batch in _batches(frames, self._batch_size):
            results: list[tuple[_Result[R], C]] = []
            new: list[tuple[F, _Result[R]]] = []
            for frame, context in batch:
                result = next((known for other, known in recent if frame.equals(other)), None)
                if result is None:
                    result = _Result(len(new))
                    new.append((frame, result))
                    recent.append(new[-1])
                results.append((result, context))
            if new:
                future = workers.submit(self._run, [frame for frame, _ in new])
                for _, fresh in new:
                    fresh.future = future
            self.computed += len(new)
            yield from results

    def _run(self, frames: Sequence[F]) -> Sequence[R]:
        progress = self._cancellation.progress()
        return self._devices.run(lambda networks: self._upscale(networks, frames, progress))


@dataclass
class _Result(Generic[R]):
    """One of the results that `future` will have."""

    place: int
    future: Future[Sequence[R]] | None = None

    def get(self) -> R:
        assert self.future is not None
        return self.future.result()[self.place]


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size`, the last one shorter; what came before an error is not lost with it."""
    batch: list[Any] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    except Exception:
        yield batch
        raise
    if batch:
        yield batch
