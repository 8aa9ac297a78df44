"""Tasks of any kind for actors of a Ray cluster: given to those that are ready, and again where one dies."""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ripfdn_cli import __version__
from ripfdn_cli.errors import InternalError, RipfdnError, UnavailableError

log = logging.getLogger(__name__)

_MOST_ATTEMPTS = 5
"""A task that so many workers died with is a task that failed."""
_SAY_WAITING_SECONDS = 60.0

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Fatal:
    """An error that would befall all other tasks, too."""

    error: RipfdnError


@dataclass(frozen=True)
class Home:
    """What every worker of a run has in common with its driver. `cwd`: where relative paths begin, None where
    there are none.
    """

    cwd: str | None
    version: str = __version__

    def enter(self) -> None:
        """Make this process one of the run's. Raises UnavailableError, OSError."""
        if self.version != __version__:
            raise UnavailableError(
                f"{a_worker()} has ripfdn-cli {__version__}, and this machine has {self.version}; install "
                "the same version everywhere"
            )
        if self.cwd is not None:
            os.chdir(self.cwd)


def a_worker() -> str:
    """What messages of this process call it."""
    return f"a worker on {socket.gethostname()}"


def other_weights() -> UnavailableError:
    """What a worker says that has other weights than its driver."""
    return UnavailableError(
        f"{a_worker()} has other weights under the same name; install the same weights everywhere"
    )


@dataclass(eq=False)
class _Place:
    """A worker of the pool, `ready` for tasks or still being started; `busy`: how many it has."""

    actor: Any
    ready: bool = False
    busy: int = 0


@dataclass
class _Attempt(Generic[T]):
    """A task that `deaths` workers died with."""

    task: T
    deaths: int = 0


class WorkerPool(Generic[T, R]):
    """Gives tasks to `actors`, up to `at_once` to each.

    An actor has the methods `ready()`, which answers once it has started, and `work(task, again)`, where
    `again` is whether a worker died with the task; both may answer with a Fatal.
    """

    def __init__(self, ray: Any, actors: list[Any], at_once: int) -> None:
        self._ray, self._at_once = ray, at_once
        self._places = [_Place(actor) for actor in actors]
        self._calls: dict[Any, tuple[_Place, _Attempt[T] | None]] = {}
        self._again: deque[_Attempt[T]] = deque()

    def run(self, waiting: deque[T]) -> Iterator[tuple[T, R | InternalError]]:
        """What each task of `waiting` gave, in the order they end: an error where workers died with it, or it
        raised something. Between two, `waiting` may be changed. Raises the error of a Fatal.
        """
        for place in self._places:
            self._ask_ready(place)
        while waiting or self._again or any(place.busy for place in self._places):
            for place in self._places:
                while (waiting or self._again) and place.ready and place.busy < self._at_once:
                    self._give(place, _Attempt(waiting.popleft()) if waiting else self._again.popleft())
            yield from self._ended()

    def stop(self) -> None:
        """End the workers, whatever they are at."""
        for place in self._places:
            with suppress(Exception):
                self._ray.kill(place.actor, no_restart=True)

    def _ask_ready(self, place: _Place) -> None:
        place.ready = False
        self._calls[place.actor.ready.remote()] = place, None

    def _give(self, place: _Place, attempt: _Attempt[T]) -> None:
        place.busy += 1
        self._calls[place.actor.work.remote(attempt.task, attempt.deaths > 0)] = place, attempt

    def _ended(self) -> Iterator[tuple[T, R | InternalError]]:
        """Tasks of calls that have ended; workers that have started are ready then."""
        done, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=_SAY_WAITING_SECONDS)
        if not done and not any(place.ready for place in self._places):
            log.warning("still waiting for Ray to start a worker; see what it has with 'ray status'")
        for call in done:
            place, attempt = self._calls.pop(call)
            result = self._result(call, place, attempt)
            if isinstance(result, Fatal):
                raise result.error
            if attempt is None:
                continue
            place.busy -= 1
            if result is not None:
                yield attempt.task, result

    def _result(self, call: Any, place: _Place, attempt: _Attempt[T] | None) -> Any:
        """What `call` gave; None where its worker died and others are left to try."""
        try:
            result = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            return self._died(place, attempt, error)
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())
            if attempt is None:
                raise InternalError(f"a worker can't be started: internal error, {reason}") from error
            return InternalError(f"internal error, {reason}")
        place.ready = place.ready or attempt is None
        return result

    def _died(self, place: _Place, attempt: _Attempt[T] | None, error: Exception) -> InternalError | None:
        log.debug("a worker died: %s", error)
        if place.ready or attempt is None:
            self._ask_ready(place)  # answered by the one that Ray starts in its place
        if attempt is None:
            return None
        attempt.deaths += 1
        if attempt.deaths < _MOST_ATTEMPTS:
            self._again.append(attempt)
            return None
        return InternalError(
            f"{_MOST_ATTEMPTS} workers died with it; it may need more memory than they have, see `memory`"
        )
