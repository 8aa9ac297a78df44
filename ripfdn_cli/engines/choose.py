"""Which engine, device and precision a machine gets, from what was asked for and what is there."""

import logging

from ripfdn_cli.checkpoint import Checkpoint
from ripfdn_cli.engines.contract import PRECISIONS, Engine
from ripfdn_cli.errors import UnavailableError, UsageError

log = logging.getLogger(__name__)

ENGINES = ("torch",)


def load_engine(
    checkpoint: Checkpoint,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Engine:
    """The engine that was asked for, or with `auto` the fastest this machine has at the same picture.

    Raises UsageError for unknown names, UnavailableError for what is not on this machine.
    """
    if engine not in ("auto", *ENGINES):
        raise UsageError(f"--engine {engine} is not one of auto, {', '.join(ENGINES)}")
    if precision not in ("auto", *PRECISIONS):
        raise UsageError(f"--precision {precision} is not one of auto, {', '.join(PRECISIONS)}")
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads} is less than 1")
    chosen = _torch(checkpoint, device, precision, threads)
    log.debug("engine %s on %s in %s", chosen.name, chosen.device, chosen.precision)
    return chosen


def _torch(checkpoint: Checkpoint, device: str, precision: str, threads: int | None) -> Engine:
    from ripfdn_cli.engines.torch_engine import TorchEngine, best_device

    where = best_device() if device == "auto" else device
    chosen = ("fp16" if where.startswith("cuda") else "fp32") if precision == "auto" else precision
    if chosen == "fp16" and where == "cpu":
        raise UnavailableError(
            "--precision fp16 is not for CPUs; use fp32, or bf16 where the processor has it"
        )
    return TorchEngine(checkpoint, device=where, precision=chosen, threads=threads)
