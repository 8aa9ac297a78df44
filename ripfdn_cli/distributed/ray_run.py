"""Pictures upscaled by the workers of a Ray cluster, each with an engine of its own.

Ray finds places for the workers, starts them (on machines that its autoscaler adds, too) and starts them anew
where one dies. What a worker was at then is given to another. Workers read, write and record results
themselves, as a single machine does: each has a part of the journal, so that the driver moves no pictures.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ripfdn_cli import __version__
from ripfdn_cli.errors import DiskFullError, InternalError, RipfdnError, UnavailableError, UsageError
from ripfdn_cli.files.storage import Location, is_remote
from ripfdn_cli.image_jobs.image_run import Digests, ImageRun, ImageTask, Outcome
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.journal import open_shard_journal, read_journal

log = logging.getLogger(__name__)

_AT_ONCE = 3
"""Pictures that a worker has at a time: one is decoded, one in the network, one encoded."""
_MOST_ATTEMPTS = 5
"""A picture that so many workers died with is a picture that failed."""
_MOST_THREADS = 4
"""CPU threads of a worker, where `threads` is not set: several small engines do more than a large one."""
_SAY_WAITING_SECONDS = 60.0


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster: `address` as `ray.init` takes it (None: RAY_ADDRESS, else one on this machine), and how
    many `workers` (None: as many as it has GPUs, or CPUs for).
    """

    address: str | None = None
    workers: int | None = None

    def run(
        self,
        tasks: Sequence[ImageTask],
        picture: PictureSettings,
        network: NetworkSettings,
        *,
        overwrite: bool,
        journal: Location,
    ) -> Generator[Outcome]:
        """What became of each task, in the order they end. Closing the iterator stops the workers. `journal`
        is the folder of the journal.

        Raises UnavailableError where there is no Ray or no such cluster, and what `ImageRun.run` raises.
        """
        if not tasks:
            return
        with _connected(self) as ray:
            pool = _Pool(ray, _start(ray, self, tasks, picture, network, overwrite, journal))
            try:
                yield from pool.run(tasks)
            finally:
                pool.stop()


@dataclass(frozen=True)
class Fatal:
    """An error that would befall all other pictures, too."""

    error: RipfdnError


@dataclass(frozen=True)
class Job:
    """What a worker is told. `weights`: SHA-256 of the files the driver has; `cwd`: where relative paths
    begin, None where there are none; `journal`: its folder.
    """

    picture: PictureSettings
    network: NetworkSettings
    overwrite: bool
    journal: Location
    weights: dict[str, str]
    cwd: str | None
    version: str = __version__


class Worker:
    """Lives in a process that Ray starts. Calls come in several threads at once."""

    def __init__(self, job: Job) -> None:
        self._fatal: Fatal | None = None
        self._journal = job.journal
        self._open = ExitStack()  # until the end of the process
        try:
            self._run = _started(job, self._open)
        except (RipfdnError, OSError) as error:
            known = error if isinstance(error, RipfdnError) else UnavailableError(f"worker: {error}")
            self._fatal = Fatal(known)

    def ready(self) -> Fatal | None:
        """Answers once the worker has started: the error that keeps it from working, or None."""
        return self._fatal

    def upscale(self, task: ImageTask, again: bool) -> Outcome | Fatal:
        """`again`: a worker died with `task`, and may have written its result."""
        if self._fatal is not None:
            return self._fatal
        if again and self._is_done(task):
            return Outcome(task.input, task.output)
        try:
            return self._run.attempt(task)
        except NetworkUnavailableError as error:
            return Fatal(error.reason)
        except DiskFullError as error:
            return Fatal(error)

    def _is_done(self, task: ImageTask) -> bool:
        digest = self._run.digests.of(task.file_format)
        return read_journal(self._journal).is_done(task.input, task.output, digest)


def _started(job: Job, stack: ExitStack) -> ImageRun:
    """Raises RipfdnError, OSError."""
    if job.version != __version__:
        raise UnavailableError(
            f"a worker has ripfdn-cli {__version__}, and this machine has {job.version}; install the same "
            "version everywhere"
        )
    if job.cwd is not None:
        os.chdir(job.cwd)
    journal = stack.enter_context(open_shard_journal(job.journal, f"ray-{secrets.token_hex(8)}"))
    run = ImageRun(job.picture, job.network, overwrite=job.overwrite, journal=journal)
    if run.digests.weights != job.weights:
        raise UnavailableError(
            "a worker has other weights under the same name; install the same weights everywhere"
        )
    return run


@dataclass(eq=False)
class _Place:
    """A worker of the pool, `ready` for pictures or still being started; `busy`: how many it has."""

    actor: Any
    ready: bool = False
    busy: int = 0


def _start(
    ray: Any,
    cluster: RayCluster,
    tasks: Sequence[ImageTask],
    picture: PictureSettings,
    network: NetworkSettings,
    overwrite: bool,
    journal: Location,
) -> list[Any]:
    resources = ray.cluster_resources()
    share, needs = _share(network, resources)
    places = [place for task in tasks for place in (task.input, task.output)]
    relative = any(not is_remote(place) and not place.is_absolute() for place in places)
    job = Job(
        picture=picture,
        network=share,
        overwrite=overwrite,
        journal=journal,
        weights=Digests(picture, network).weights,
        cwd=str(Path.cwd()) if relative else None,
    )
    fitting = min(int(resources.get(name, 0) // amount) for name, amount in _by_ray_name(needs))
    count = min(cluster.workers or max(1, fitting), len(tasks))
    log.info("%d workers on Ray, %s each", count, ", ".join(f"{n} {a:g}" for n, a in _by_ray_name(needs)))
    # Calls that a death interrupts are not repeated by Ray but here, where they are counted.
    remote = ray.remote(max_restarts=-1, max_task_retries=0, max_concurrency=_AT_ONCE, **needs)(Worker)
    return [remote.remote(job) for _ in range(count)]


class _Pool:
    """Gives pictures to workers that are ready."""

    def __init__(self, ray: Any, actors: list[Any]) -> None:
        self._ray = ray
        self._places = [_Place(actor) for actor in actors]
        self._calls: dict[Any, tuple[_Place, ImageTask | None]] = {}
        self._deaths: Counter[str] = Counter()

    def run(self, tasks: Sequence[ImageTask]) -> Iterator[Outcome]:
        waiting, left = deque(tasks), len(tasks)
        for place in self._places:
            self._ask_ready(place)
        while left:
            for place in self._places:
                while waiting and place.ready and place.busy < _AT_ONCE:
                    self._give(place, waiting.popleft())
            for place, task, result in self._ended():
                if task is None:
                    place.ready = True
                    continue
                place.busy -= 1
                if result is None:
                    waiting.append(task)
                    continue
                left -= 1
                yield replace(result, source=task.input)

    def stop(self) -> None:
        for place in self._places:
            with suppress(Exception):
                self._ray.kill(place.actor, no_restart=True)

    def _ask_ready(self, place: _Place) -> None:
        place.ready = False
        self._calls[place.actor.ready.remote()] = place, None

    def _give(self, place: _Place, task: ImageTask) -> None:
        place.busy += 1
        again = self._deaths[str(task.input)] > 0
        self._calls[place.actor.upscale.remote(task, again)] = place, task

    def _ended(self) -> Iterator[tuple[_Place, ImageTask | None, Outcome | None]]:
        """Calls that have ended: a worker has started (no task), a picture has its outcome, or none as its
        worker died. Raises the error of a Fatal.
        """
        done, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=_SAY_WAITING_SECONDS)
        if not done and not any(place.ready for place in self._places):
            log.warning("still waiting for Ray to start a worker; see what it has with 'ray status'")
        for call in done:
            place, task = self._calls.pop(call)
            try:
                result = self._ray.get(call)
            except self._ray.exceptions.RayActorError as error:
                result = self._died(place, task, error)
                if task is None:
                    continue
            except self._ray.exceptions.RayError as error:
                result = _failed(task, f"internal error, {' '.join(str(error).split())}")
            if isinstance(result, Fatal):
                raise result.error
            yield place, task, result

    def _died(self, place: _Place, task: ImageTask | None, error: Exception) -> Outcome | None:
        log.debug("a worker died: %s", error)
        if place.ready or task is None:
            self._ask_ready(place)  # answered by the one that Ray starts in its place
        if task is None:
            return None
        name = str(task.input)
        self._deaths[name] += 1
        if self._deaths[name] < _MOST_ATTEMPTS:
            return None
        reason = (
            f"{_MOST_ATTEMPTS} workers died with it; it may need more memory than they have, see `memory`"
        )
        return _failed(task, reason)


def _failed(task: ImageTask | None, reason: str) -> Outcome:
    if task is None:
        raise InternalError(f"a worker can't be started: {reason}")
    return Outcome(task.input, task.output, error=InternalError(f"{task.input}: {reason}"))


def _share(network: NetworkSettings, resources: dict[str, float]) -> tuple[NetworkSettings, dict[str, float]]:
    """The settings of a worker, and what it needs of a machine: a GPU, or some cores. Raises UsageError."""
    if network.devices not in (("auto",), ("cpu",), ("cuda",)):
        raise UsageError(
            f"`device` {','.join(network.devices)}: Ray gives each worker its device; use auto, cpu or cuda"
        )
    if network.devices == ("cuda",) or (network.devices == ("auto",) and resources.get("GPU", 0) >= 1):
        return replace(network, devices=("cuda",)), {"num_gpus": 1, "num_cpus": 1}
    threads = network.threads or max(1, min(_MOST_THREADS, int(resources.get("CPU", 1))))
    return replace(network, devices=("cpu",), threads=threads), {"num_cpus": threads}


def _by_ray_name(needs: dict[str, float]) -> list[tuple[str, float]]:
    return [({"num_gpus": "GPU", "num_cpus": "CPU"}[name], amount) for name, amount in needs.items()]


@contextmanager
def _connected(cluster: RayCluster) -> Iterator[Any]:
    """The module ray, connected. Token authentication is on unless the environment says something else."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UnavailableError(
            "`on` ray needs a package that is not installed; pip install 'ripfdn-cli[ray]'"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    address = cluster.address or os.environ.get("RAY_ADDRESS") or "local"
    with _own_sigterm():
        try:
            local: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            reason = " ".join(str(error).split())
            raise UnavailableError(
                f"can't reach Ray at {address}: {reason}; check `address` and the token (RAY_AUTH_TOKEN_PATH)"
            ) from error
    # What Ray says of itself would go to stdout, where only results go.
    ray._private.worker.print_to_stdstream = _log_said
    try:
        yield ray
    finally:
        ray.shutdown()


def _log_said(data: dict[str, Any], ignore_prefix: bool) -> None:
    for line in data["lines"]:
        log.debug("ray: %s", line)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray sets a handler of its own, which would end the command before it has told what became of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
