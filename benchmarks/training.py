"""Throughput of training: this project's step as a ratio to a plain eager loop, in turn in one process.

    python benchmarks/training.py [--device cuda] [--patch 64] [--batch 16] [--threads N] [--precision fp32]

The plain loop is the network in channels-last memory, the whole batch at once, autocast for bf16, L1, Adam,
on patches that lie ready. Ours is measured with Adam and with SOAP, in each precision that the device has
natively; it also draws its patches, clips and averages weights. The best of several rounds counts, as others
may use the machine.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ripfdn_cli.training.cuda_graph import CapturedStep
from ripfdn_cli.training.learner import Learner, start_network
from ripfdn_cli.training.patches import PackedPictures, Request, Sampler
from ripfdn_cli.training.pictures import TrainingPicture
from ripfdn_cli.training.presets import resolve_settings
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.run_device import device_name, prepare_device
from ripfdn_cli.training.settings import Stage, TrainingSettings

PICTURE_SIDE = 1024
PICTURES = 4
OPTIMIZERS = ("adam", "soap")


def main() -> None:
    options = _options()
    settings = _settings(options)
    device = prepare_device(settings, Ranks())
    source = _noise(settings, device)
    stage = settings.stages[0]
    print(
        f"{device_name(device)}, torch {torch.__version__}; patches a second, best of {options.rounds} rounds"
    )
    print(f"{stage.batch} LR patches of {stage.patch}×{stage.patch} px a step")
    for precision in _precisions(settings, device):
        candidates = {"plain eager loop": _eager_loop(settings, source, stage, precision)}
        for optimizer in OPTIMIZERS:
            own = replace(settings, precision=precision, optimizer=optimizer)
            learner = Learner(start_network(own)[0], own, device, Ranks())
            candidates[f"ours, {optimizer}"] = _ours(learner, source, stage, captured=optimizer != "soap")
        rates = _best_rates(candidates, options, stage, device)
        baseline = rates["plain eager loop"]
        for name, rate in rates.items():
            print(f"{precision}  {name:>16}: {rate:8.2f}   ratio {rate / baseline:5.2f}")


def _best_rates(
    candidates: dict[str, Callable[[int], None]],
    options: argparse.Namespace,
    stage: Stage,
    device: torch.device,
) -> dict[str, float]:
    """Patches a second of each of `candidates`, which take turns."""
    best = dict.fromkeys(candidates, 0.0)
    for step in candidates.values():
        step(0)
        step(1)
    for _ in range(options.rounds):
        for name, step in candidates.items():
            best[name] = max(best[name], _rate(step, options.seconds, stage.batch, device))
    return best


def _precisions(settings: TrainingSettings, device: torch.device) -> list[str]:
    """The one that is asked for, or all that are native."""
    if settings.precision != "auto":
        return [settings.precision]
    native = Learner(start_network(settings)[0], settings, device, Ranks()).bf16
    return ["bf16", "fp32"] if native else ["fp32"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--micro-batch", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--compile", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--deterministic", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> TrainingSettings:
    changes = {name: value for name, value in vars(options).items() if name not in ("rounds", "seconds")}
    return resolve_settings("quick", None, {**changes, "share": 1, "loss": "l1", "fft": 0})


def _noise(settings: TrainingSettings, device: torch.device) -> PackedPictures:
    """A set of random pixels; what they show makes no difference to the time."""
    pictures = [
        TrainingPicture(Path(f"{index}.png"), PICTURE_SIDE, PICTURE_SIDE) for index in range(PICTURES)
    ]
    low = (PICTURE_SIDE // settings.scale) ** 2
    random = torch.Generator().manual_seed(0)
    lr, hr = (
        torch.randint(0, 256, (PICTURES * count, 3), dtype=torch.uint8, generator=random)
        for count in (low, PICTURE_SIDE**2)
    )
    sampler = Sampler(pictures, scale=settings.scale, seed=0, by="pixels")
    starts = np.arange(PICTURES, dtype=np.int64) * low
    return PackedPictures(lr, hr, starts, pictures, sampler, scale=settings.scale, device=device)


def _ours(learner: Learner, source: PackedPictures, stage: Stage, *, captured: bool) -> Callable[[int], None]:
    def request(index: int) -> Request:
        return Request(index, stage.patch, stage.batch, 0, stage.batch)

    if learner.device.type == "cuda" and captured:
        step = CapturedStep(learner, source, stage)

        def run_captured(index: int) -> None:
            step.run(source.drawn(request(index)), 1e-4, 0.999)

        return run_captured

    micro = learner.micro_batch(stage, stage.batch)

    def run(index: int) -> None:
        lr, hr = source.patches(request(index))
        parts = zip(lr.split(micro), hr.split(micro), strict=True)
        learner.gradients([(a, b, len(a) / stage.batch, False) for a, b in parts], stage)
        learner.set_rates(1e-4, 0.999)
        learner.update()

    return run


def _eager_loop(
    settings: TrainingSettings, source: PackedPictures, stage: Stage, precision: str
) -> Callable[[int], None]:
    """What a plain training script does: one call of the network for the batch, its loss, Adam."""
    network = start_network(replace(settings, ema=0.0))[0].to(source.device).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    lr, hr = source.patches(Request(0, stage.patch, stage.batch, 0, stage.batch))
    x, y = (pixels.float().div(255).contiguous(memory_format=torch.channels_last) for pixels in (lr, hr))

    def run(index: int) -> None:
        optimizer.zero_grad()
        with torch.autocast(source.device.type, torch.bfloat16, enabled=precision == "bf16"):
            result = network(x)
        torch.nn.functional.l1_loss(result.float(), y).backward()
        optimizer.step()

    return run


def _rate(step: Callable[[int], None], seconds: float, batch: int, device: torch.device) -> float:
    """Patches a second."""
    _wait(device)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(1 if device.type == "cpu" else 20):  # a queue of steps is full soon
            count += 1
            step(count)
        _wait(device)
    return count * batch / (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
