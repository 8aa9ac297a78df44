"""The networks a run may use, and the devices that run them, each in a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.pipeline.weights_selection import Weights, WeightsSelection
from ripfdn_cli.upscaler import Upscaler, UpscalerSettings

log = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True)
class NetworkSettings(UpscalerSettings):
    """How a run's networks run: weights as `WeightsSelection` takes them, on all of `devices`."""

    weights: Weights | None = None
    weights_to: Weights | None = None
    strength: float | None = None
    devices: tuple[str, ...] = ("auto",)

    @cached_property
    def selection(self) -> WeightsSelection:
        """The weights of a run, resolved when first asked for. Raises CheckpointError, UsageError."""
        return WeightsSelection(self.weights, self.weights_to, self.strength)

    def __getstate__(self) -> dict[str, Any]:
        """Without the weights: another process reads its own."""
        return {name: value for name, value in self.__dict__.items() if name != "selection"}


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
        loaded: dict[tuple[str, str], Upscaler] | None = None,
        *,
        precise: bool = False,
    ) -> None:
        self._choices, self._settings, self._device = choices, settings, device
        self._loaded = {} if loaded is None else loaded
        self._precise = precise and settings.precision == "auto"

    def among(self, choices: Mapping[int, str], *, precise: bool = False) -> Networks:
        """Networks with other weights; what is loaded is shared. `precise`: for samples that half precisions
        are too coarse for; auto is fp32 then.
        """
        return Networks(choices, self._settings, self._device, self._loaded, precise=precise)

    def __getitem__(self, scale: int) -> Upscaler:
        """Raises NetworkUnavailableError."""
        name = self._choices[scale]
        network = self._network(name, self._settings.precision)
        if self._precise and network.precision != "fp32":
            log.debug("%s is too coarse for more than 8 bits; using fp32", network.precision)
            network = self._network(name, "fp32")
        return network

    def __iter__(self) -> Iterator[int]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)

    def _network(self, name: str, precision: str) -> Upscaler:
        if (name, precision) not in self._loaded:
            settings = replace(self._settings, precision=precision)
            try:
                checkpoint = self._settings.selection.checkpoint(name)
                self._loaded[name, precision] = Upscaler.with_settings(checkpoint, self._device, settings)
            except RipfdnError as error:
                raise NetworkUnavailableError(error) from error
        return self._loaded[name, precision]


class Devices:
    """Lends devices to threads that want a network run. One call at a time runs on each, always in the same
    thread: captured CUDA graphs and compiled code belong to the thread that made them.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        self.selection = settings.selection
        self._free: queue.SimpleQueue[tuple[Networks, ThreadPoolExecutor]] = queue.SimpleQueue()
        self._executors = []
        for device in settings.devices:
            executor = ThreadPoolExecutor(1, thread_name_prefix=f"network-{device}")
            self._executors.append(executor)
            self._free.put((Networks(self.selection.choices, settings, device), executor))

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
        """Wait for what runs, and let go of the networks."""
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
        """Wait until `amount` bytes are free, and have them until the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._lent == 0 or self._lent + amount <= self._limit)
            self._lent += amount
        try:
            yield
        finally:
            with self._changed:
                self._lent -= amount
                self._changed.notify_all()
