"""The processes of one run, as torchrun starts them; a run started plainly is one rank."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from ripfdn_cli.errors import UsageError

_TIMEOUT = timedelta(minutes=30)
"""How long ranks wait for each other: the first validates and compiles while the others wait."""


@dataclass(frozen=True)
class Ranks:
    """This process's place among `count`."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    control: Any = None
    """A gloo group beside NCCL, so that agreeing never waits for the device; None for a run of one rank."""

    @property
    def first(self) -> bool:
        """Whether this is the one that validates, writes and reports."""
        return self.rank == 0

    def device(self, wanted: str) -> str:
        """Of the ranks of one machine, each takes a GPU of its own."""
        return f"cuda:{self.local_rank}" if wanted == "cuda" and self.count > 1 else wanted

    def part_of(self, batch: int) -> tuple[int, int]:
        """First and count of this rank's patches of a global `batch`. Raises UsageError where there are too
        few.
        """
        if batch < self.count:
            raise UsageError(
                f"batch {batch} is less than the {self.count} ranks; raise --batch, or start fewer"
            )
        first = batch * self.rank // self.count
        return first, batch * (self.rank + 1) // self.count - first

    def largest(self, *values: float) -> tuple[float, ...]:
        """The largest of each value over all ranks; all get the same."""
        if self.count == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(shared, op=distributed.ReduceOp.MAX, group=self.control)
        return tuple(shared.tolist())

    def sum(self, value: float) -> float:
        """The sum of `value` over all ranks; all get the same."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        distributed.all_reduce(shared, group=self.control)
        return float(shared.item())

    def close(self) -> None:
        if self.count > 1:
            distributed.destroy_process_group()


def join_ranks(device: str) -> Ranks:
    """Meet the other ranks that torchrun's environment names. Raises UsageError for half an environment."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Ranks()
    missing = [
        name for name in ("WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ
    ]
    if missing:
        raise UsageError(f"RANK is set but {', '.join(missing)} is not; start distributed runs with torchrun")
    backend = "nccl" if device.startswith("cuda") else "gloo"
    local_rank = int(os.environ["LOCAL_RANK"])
    if backend == "nccl":
        torch.cuda.set_device(local_rank)
    distributed.init_process_group(backend, timeout=_TIMEOUT)
    control = distributed.new_group(backend="gloo", timeout=_TIMEOUT)
    return Ranks(distributed.get_rank(), distributed.get_world_size(), local_rank, control)
