"""The networks a run may use, and the devices that run them, each in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.model.architecture import SCALES
from ripfdn_cli.model.tile_grid import DEFAULT_HALO
from ripfdn_cli.model.weights_store import list_weights, load_weights
from ripfdn_cli.upscaler import DEFAULT_MEMORY, Upscaler

DEFAULT_SCALE = 4
_FOR_COMPRESSED = {4: "x4-photo"}
"""The weights for pictures that were compressed, of the scales that have some."""
R = TypeVar("R")


@dataclass(frozen=True)
class NetworkSettings:
    """How networks run, as `Upscaler` takes it; `weights` None stands for x2, x3, x4 or x4-photo, by the size
    that is asked for and how the picture was compressed.
    """

    weights: str | None = None
    devices: tuple[str, ...] = ("auto",)
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    tile: int | str | None = "auto"
    halo: int = DEFAULT_HALO
    memory: int | None = DEFAULT_MEMORY
    ensemble: bool = False

    def choices(self) -> dict[int, str]:
        """Scale → weights that may be used. Raises CheckpointError for weights that can't be read."""
        if self.weights is not None:
            return {load_weights(self.weights).config.scale: self.weights}
        installed = list_weights()
        return {scale: f"x{scale}" for scale in SCALES if f"x{scale}" in installed}

    def choices_for_compressed(self) -> dict[int, str]:
        """The same for pictures that were compressed. Raises CheckpointError."""
        if self.weights is not None:
            return self.choices()
        installed = list_weights()
        return self.choices() | {scale: name for scale, name in _FOR_COMPRESSED.items() if name in installed}

    def all_weights(self) -> set[str]:
        """Names of all weights that may be used. Raises CheckpointError."""
        return {*self.choices().values(), *self.choices_for_compressed().values()}

    def default_scale(self) -> int:
        """How much larger results are when no size is asked for. Raises CheckpointError."""
        choices = self.choices()
        return DEFAULT_SCALE if DEFAULT_SCALE in choices else max(choices)


class NetworkUnavailableError(Exception):
    """A network can't be loaded, for any picture; `reason` is the error for the user."""

    def __init__(self, reason: RipfdnError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Networks(Mapping[int, Upscaler]):
    """Networks by their scale, loaded when they are first used. For one thread."""

    def __init__(
        self,
        choices: Mapping[int, str],
        settings: NetworkSettings,
        device: str,
        loaded: dict[str, Upscaler] | None = None,
    ) -> None:
        self._choices, self._settings, self._device = choices, settings, device
        self._loaded = {} if loaded is None else loaded

    def among(self, choices: Mapping[int, str]) -> Networks:
        """Networks with other weights; what is loaded is shared."""
        return Networks(choices, self._settings, self._device, self._loaded)

    def __getitem__(self, scale: int) -> Upscaler:
        """Raises NetworkUnavailableError."""
        name = self._choices[scale]
        if name not in self._loaded:
            try:
                self._loaded[name] = self._load(name)
            except RipfdnError as error:
                raise NetworkUnavailableError(error) from error
        return self._loaded[name]

    def __iter__(self) -> Iterator[int]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)

    def _load(self, weights: str | Path) -> Upscaler:
        settings = self._settings
        return Upscaler(
            weights,
            device=self._device,
            engine=settings.engine,
            precision=settings.precision,
            threads=settings.threads,
            tile=settings.tile,
            halo=settings.halo,
            memory=settings.memory,
            ensemble=settings.ensemble,
        )


class Devices:
    """Lends devices to threads that want a network run. One call at a time runs on each, always in the same
    thread: captured CUDA graphs and compiled code belong to the thread that made them.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        self.choices = settings.choices()
        self.choices_for_compressed = settings.choices_for_compressed()
        self.default_scale = settings.default_scale()
        self._free: queue.SimpleQueue[tuple[Networks, ThreadPoolExecutor]] = queue.SimpleQueue()
        self._executors = []
        for device in settings.devices:
            executor = ThreadPoolExecutor(1, thread_name_prefix=f"network-{device}")
            self._executors.append(executor)
            self._free.put((Networks(self.choices, settings, device), executor))

    def __len__(self) -> int:
        return len(self._executors)

    def run(self, work: Callable[[Networks], R]) -> R:
        """`work` on the next device that is free, in that device's thread."""
        networks, executor = self._free.get()
        try:
            return executor.submit(work, networks).result()
        finally:
            self._free.put((networks, executor))

    def close(self) -> None:
        for executor in self._executors:
            executor.shutdown(cancel_futures=True)


class ByteBudget:
    """Lends bytes to threads, so that what they hold together stays under `limit`; one that needs more than
    that alone waits until it is alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._lent = limit, 0
        self._changed = threading.Condition()

    @contextmanager
    def lend(self, amount: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._lent == 0 or self._lent + amount <= self._limit)
            self._lent += amount
        try:
            yield
        finally:
            with self._changed:
                self._lent -= amount
                self._changed.notify_all()
