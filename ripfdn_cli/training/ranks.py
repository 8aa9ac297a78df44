"""The processes of one run, as torchrun starts them; a run started plainly is one rank."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from ripfdn_cli.errors import InternalError, UsageError

_ENVIRONMENT = ("WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_TIMEOUT = timedelta(minutes=30)
"""How long ranks wait for each other: the first validates and compiles while the others wait."""

_GREETING_SECONDS = 0.05
"""Between two looks at who has come."""


@dataclass(frozen=True)
class Ranks:
    """The place of a process among `world_size`."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the one that validates, writes and reports."""
        return self.rank == 0

    def device(self, wanted: str) -> str:
        """Of the ranks of one machine, each takes a GPU of its own."""
        return f"cuda:{self.local_rank}" if wanted == "cuda" and self.world_size > 1 else wanted

    def part_of(self, batch: int) -> tuple[int, int]:
        """First and count of this rank's patches of a global `batch`. Raises UsageError where there are too
        few.
        """
        if batch < self.world_size:
            raise UsageError(
                f"`batch` {batch} is less than the {self.world_size} ranks; raise `batch`, or start fewer"
            )
        first = batch * self.rank // self.world_size
        return first, batch * (self.rank + 1) // self.world_size - first

    def largest(self, *values: float) -> tuple[float, ...]:
        """The largest of each value over all ranks; all get the same."""
        if self.world_size == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
        return tuple(shared.tolist())

    def sum(self, value: float) -> float:
        """The sum of `value` over all ranks; all get the same."""
        if self.world_size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        distributed.all_reduce(shared)
        return float(shared.item())

    def sum_tensors(self, tensors: list[torch.Tensor]) -> None:
        """Put into each of `tensors` the sum of those of all ranks."""
        for tensor in tensors if self.world_size > 1 else ():
            distributed.all_reduce(tensor)

    def wait(self) -> None:
        """Until all ranks are here."""
        self.largest(0.0)


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Meet the other ranks that torchrun's environment names, for the time of the block.

    Raises UsageError for half an environment, InternalError where another rank is lost.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks()
        return
    missing = [name for name in _ENVIRONMENT if name not in os.environ]
    if missing:
        raise UsageError(f"RANK is set but {', '.join(missing)} is not; start distributed runs with torchrun")
    local_rank = int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    # What ranks agree on are numbers on the CPU, by gloo, so that agreeing never waits for a device.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    environment = rendezvous("env://", timeout=_TIMEOUT)
    store, rank, world_size = next(environment)
    store.set_timeout(_TIMEOUT)
    try:
        own = PrefixStore(meet(store, rank, world_size), store)
        distributed.init_process_group(backend, store=own, rank=rank, world_size=world_size, timeout=_TIMEOUT)
        yield Ranks(rank, world_size, local_rank)
    except (distributed.DistError, RuntimeError) as error:
        if not _is_of_the_network(error):
            raise
        raise InternalError(
            f"rank {rank} lost contact with another rank: {str(error).splitlines()[0]}; "
            "look at its messages, and start the run again with `resume`"
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def meet(store: Store, rank: int, world_size: int) -> str:
    """A name for this meeting of `world_size` ranks, the same on each.

    torchrun's store may outlive the ranks it restarts (seen with torch 2.13): the addresses that dead ones
    left in it would be taken for those of their successors. So the first rank answers the others' greetings
    until each of them has shown that it is alive.
    """
    own = uuid.uuid4().hex
    if rank:
        store.set(f"ripfdn/greeting/{rank}", own)
        meeting: str = store.get(f"ripfdn/answer/{own}").decode()
        store.set(f"ripfdn/{meeting}/{rank}", "here")
        return meeting
    missing = set(range(1, world_size))
    deadline = time.monotonic() + _TIMEOUT.total_seconds()
    while missing:
        for other in sorted(missing):
            if store.check([f"ripfdn/greeting/{other}"]):
                greeting = store.get(f"ripfdn/greeting/{other}").decode()
                store.set(f"ripfdn/answer/{greeting}", own)
        missing = {other for other in missing if not store.check([f"ripfdn/{own}/{other}"])}
        if time.monotonic() > deadline:
            raise InternalError(
                f"ranks {sorted(missing)} did not start within {_TIMEOUT}; look at their messages"
            )
        time.sleep(_GREETING_SECONDS)
    return own


def _is_of_the_network(error: Exception) -> bool:
    """Whether it says that ranks can't reach each other: gloo has plain RuntimeErrors for that."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
