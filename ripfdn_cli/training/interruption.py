"""Signals in the middle of a step: what must not be cut in two is finished first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DEFERRED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """A Ctrl-C or SIGTERM that arrives inside takes effect when the block ends."""
    if threading.current_thread() is not threading.main_thread():  # signals never arrive there
        yield
        return
    arrived: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        arrived.append(signum)

    handlers = {number: signal.signal(number, note) for number in DEFERRED}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])
