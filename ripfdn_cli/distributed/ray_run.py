"""Pictures, and segments of videos, upscaled by the workers of a Ray cluster, each with an engine of its own.

Ray finds places for the workers, starts them (on machines that its autoscaler adds, too) and starts them anew
where one dies. What a worker was at then is given to another. Workers read and write by themselves, as a
single machine does, so that the driver moves neither pictures nor frames.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ripfdn_cli.distributed.picture_worker import PictureJob, PictureWorker
from ripfdn_cli.distributed.worker_pool import Home, WorkerPool
from ripfdn_cli.errors import InternalError, RipfdnError, UnavailableError, UsageError
from ripfdn_cli.files.storage import Location, is_remote
from ripfdn_cli.image_jobs.image_run import Digests, ImageTask, Outcome
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings

if TYPE_CHECKING:
    from ripfdn_cli.video_jobs.segment_schedule import MadeSegment, SegmentTask
    from ripfdn_cli.video_jobs.video_run import SegmentOrder

log = logging.getLogger(__name__)

_PICTURES_AT_ONCE = 3
"""Pictures that a worker has at a time: one is decoded, one in the network, one encoded."""
_SEGMENTS_AT_ONCE = {"cpu": 1, "cuda": 2}
"""Segments by device: a GPU would wait while one is encoded to its end and the next one's place is sought."""
_MOST_THREADS = 4
"""CPU threads of a worker, where `threads` is not set: several small engines do more than a large one."""


Resources = dict[str, float]
"""What a node of a cluster has, by Ray's names: CPU, GPU, and others."""


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
            share, needs = share_of(network, _nodes(ray))
            weights = Digests(picture, network).weights
            home = _home([place for task in tasks for place in (task.input, task.output)])
            job = PictureJob(picture, share, overwrite, journal, weights, home)
            actors = _start(ray, self, PictureWorker, job, needs, len(tasks), _PICTURES_AT_ONCE)
            pool: WorkerPool[ImageTask, Outcome] = WorkerPool(ray, actors, _PICTURES_AT_ONCE)
            try:
                for task, result in pool.run(deque(tasks)):
                    if isinstance(result, InternalError):
                        result = Outcome(task.input, task.output, error=_named(str(task.input), result))
                    yield replace(result, source=task.input)
            finally:
                pool.stop()

    def make_segments(
        self, order: SegmentOrder, waiting: deque[SegmentTask]
    ) -> Generator[tuple[SegmentTask, MadeSegment | RipfdnError]]:
        """What became of each task, in the order they end; between two, `waiting` may be changed. Closing the
        iterator stops the workers.

        Raises UnavailableError where there is no Ray or no such cluster, or a worker can't do what this
        machine can, and DiskFullError.
        """
        # Imported here: pictures need no FFmpeg.
        from ripfdn_cli.distributed.segment_worker import SegmentJob, SegmentWorker

        with _connected(self) as ray:
            share, needs = share_of(order.network, _nodes(ray))
            at_once = _SEGMENTS_AT_ONCE[share.devices[0]]
            job = SegmentJob(replace(order, network=share), _home([*order.paths, order.output]))
            actors = _start(ray, self, SegmentWorker, job, needs, len(waiting), at_once)
            pool: WorkerPool[SegmentTask, MadeSegment | RipfdnError] = WorkerPool(ray, actors, at_once)
            try:
                for task, result in pool.run(waiting):
                    if isinstance(result, InternalError):
                        result = _named(f"{order.output}, segment {task.number}", result)
                    yield task, result
            finally:
                pool.stop()


def _named(name: str, error: InternalError) -> InternalError:
    return InternalError(f"{name}: {error}")


def _home(places: Sequence[Location]) -> Home:
    relative = any(not is_remote(place) and not place.is_absolute() for place in places)
    return Home(str(Path.cwd()) if relative else None)


def _start(
    ray: Any,
    cluster: RayCluster,
    worker: type,
    job: Any,
    needs: dict[str, float],
    tasks: int,
    at_once: int,
) -> list[Any]:
    """Actors of the class `worker`, made with `job`: as many as there is room for, at most `tasks`."""
    count = min(cluster.workers or max(1, fitting(needs, _nodes(ray))), tasks)
    log.info("%d workers on Ray, %s each", count, ", ".join(f"{n} {a:g}" for n, a in _by_ray_name(needs)))
    # Calls that a death interrupts are not repeated by Ray but by the pool, where they are counted.
    remote = ray.remote(max_restarts=-1, max_task_retries=0, max_concurrency=at_once, **needs)(worker)
    return [remote.remote(job) for _ in range(count)]


def _nodes(ray: Any) -> list[Resources]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def fitting(needs: dict[str, float], nodes: Sequence[Resources]) -> int:
    """How many workers there is room for: each has what it `needs` from one node."""
    wanted = _by_ray_name(needs)
    return sum(min(int(node.get(name, 0) // amount) for name, amount in wanted) for node in nodes)


def share_of(
    network: NetworkSettings, nodes: Sequence[Resources]
) -> tuple[NetworkSettings, dict[str, float]]:
    """The settings of a worker, and what it needs of a node: a GPU, or some cores. Raises UsageError."""
    if network.devices not in (("auto",), ("cpu",), ("cuda",)):
        raise UsageError(
            f"`device` {','.join(network.devices)}: Ray gives each worker its device; use auto, cpu or cuda"
        )
    has_gpu = any(node.get("GPU", 0) >= 1 for node in nodes)
    if network.devices == ("cuda",) or (network.devices == ("auto",) and has_gpu):
        return replace(network, devices=("cuda",)), {"num_gpus": 1, "num_cpus": 1}
    # No more than the smallest node has, so that none idles; one without cores takes no worker anyway.
    cores = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    threads = network.threads or min([_MOST_THREADS, *(cores or [1])])
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
