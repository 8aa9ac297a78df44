"""How a run that stops early tells its threads: they look after every tile."""

import threading

from ripfdn_cli.upscaler import Progress


class Cancelled(Exception):  # noqa: N818 - it is not an error
    """The run is stopping; the thread that raises it has nothing to report."""


class Cancellation:
    """Shared by the threads of one run."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Let all threads stop at their next tile."""
        self._cancelled.set()

    def check(self) -> None:
        """Raises Cancelled once the run is stopping."""
        if self._cancelled.is_set():
            raise Cancelled

    def progress(self, report: Progress | None = None) -> Progress:
        """A callback for `Upscaler` that checks, and then calls `report`."""

        def tile_done(done: int, total: int) -> None:
            self.check()
            if report is not None:
                report(done, total)

        return tile_done
