"""The network that learns, its running average and its optimizer: everything that a step changes."""

import copy
import logging
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from ripfdn_cli.cpu_bf16 import no_bf16
from ripfdn_cli.errors import CheckpointError, UnavailableError
from ripfdn_cli.model.architecture import NetworkConfig, attention_geometry
from ripfdn_cli.model.network import RIPFDN, bilinear_start, build_network
from ripfdn_cli.model.weights_store import load_weights
from ripfdn_cli.torch_devices import can_compile, native_bf16
from ripfdn_cli.training.adversary import Adversary, Pictures
from ripfdn_cli.training.cpu_workers import Workers
from ripfdn_cli.training.losses import sharpened, sub_pixels, total_loss
from ripfdn_cli.training.optimizers import (
    add_gradients,
    in_layout_of,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
    tensors_below,
)
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.settings import Stage, TrainingSettings
from ripfdn_cli.training.training_network import TrainingNetwork, channels_last
from ripfdn_cli.training.vgg_loss import VggLoss

log = logging.getLogger(__name__)

CPU_MICRO_BATCH_PIXELS = {False: 4 * 64 * 64, True: 8 * 64 * 64}
"""LR pixels that a core takes at once, by whether it computes in bf16: more are no faster, and make a signal
wait longer.
"""

Matrices = tuple[Tensor, Tensor]
MicroBatch = tuple[Tensor, Tensor, float, bool]
"""LR and HR patches (uint8), the share of the step they are, and whether they are its last."""


class Learner:
    """RIPFDN in training on `device`, with its optimizer, an average of its weights over the last steps, and
    a discriminator where a stage has one.
    """

    def __init__(
        self, network: RIPFDN, settings: TrainingSettings, device: torch.device, ranks: Ranks
    ) -> None:
        self.device = device
        self._settings, self._ranks = settings, ranks
        self.network = channels_last(network.to(device)).train()
        self.average: RIPFDN | None = (
            copy.deepcopy(self.network).eval().requires_grad_(False) if settings.ema else None
        )
        self.optimizer = make_optimizer(self.network, settings, device)
        self._vgg = VggLoss().to(device) if any(stage.vgg for stage in settings.stages) else None
        self._renewal = torch.zeros((), device=device)
        self.bf16 = _wants_bf16(settings.precision, device)
        self.adversary = (
            Adversary(settings, device, ranks, bf16=self.bf16) if settings.has_discriminator else None
        )
        self.compiled = _wants_compile(settings.compile, device)
        self._matrices: dict[int, Matrices] = {}
        self._model = self._distributed(TrainingNetwork(self.network))
        self._workers = self._cpu_workers()
        self._result: Callable[..., Tensor] = (
            torch.compile(self._model, dynamic=False) if self.compiled else self._model
        )

    @property
    def best_guess(self) -> RIPFDN:
        """What is validated: the average, where one is kept."""
        return self.average if self.average is not None else self.network

    def micro_batch(self, stage: Stage, count: int) -> int:
        """Patches that go through the network at once, of `count` that this rank has."""
        if self._settings.micro_batch:
            return min(self._settings.micro_batch, count)
        if self.device.type != "cpu":
            return count
        workers = self._workers.count if self._workers else 1
        return min(-(-count // workers), max(1, CPU_MICRO_BATCH_PIXELS[self.bf16] // stage.patch**2))

    def gradients(self, batches: Iterable[MicroBatch], stage: Stage) -> Tensor:
        """Add up the gradients of `batches`. The step's loss on this rank, a scalar."""
        self.optimizer.zero_grad(set_to_none=True)
        adversary = self._adversary_in(stage)
        if self.adversary:
            self.adversary.clear()
        total = torch.zeros((), device=self.device)
        if self._workers:
            parameters = list(self.network.parameters())
            self._geometry(stage.patch)  # made here, and not by each worker at once
            found = self._workers.map(lambda batch: self._gradients_of(batch, stage, parameters), batches)
            for loss, gradients, of_adversary in found:  # in their order: another one would round otherwise
                total += loss
                add_gradients(parameters, gradients)
                if adversary:
                    adversary.add(of_adversary)
            return total
        for lr, hr, share, last in batches:
            with self._no_sync(last), adversary.frozen() if adversary else nullcontext():
                loss, pictures = self._loss_and_pictures(lr, hr, stage)
                loss = loss * share
                # DDP takes the mean over ranks; the shares of all ranks add up to 1.
                (loss * self._ranks.world_size).backward()
            total += loss.detach()
            if adversary:
                adversary.add(adversary.gradients(pictures, share))
        if adversary:
            adversary.sum_over_ranks()
        return total

    def _gradients_of(
        self, batch: MicroBatch, stage: Stage, parameters: list[nn.Parameter]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The loss, its gradients, and those of the discriminator where there is one."""
        lr, hr, share, _ = batch
        loss, pictures = self._loss_and_pictures(lr, hr, stage)
        loss = loss * share
        gradients = torch.autograd.grad(loss, parameters)
        adversary = self._adversary_in(stage)
        return (
            loss.detach(),
            in_layout_of(parameters, gradients),
            adversary.gradients(pictures, share) if adversary else [],
        )

    def _adversary_in(self, stage: Stage) -> Adversary | None:
        return self.adversary if stage.has_discriminator else None

    def set_rates(self, rate: float, ema_decay: float) -> None:
        """The learning rate and the average's decay of the next update; on CUDA they are read by a captured
        step.
        """
        set_learning_rate(self.optimizer, rate)
        if self.adversary:
            self.adversary.set_rate(rate)
        self._renewal.fill_(1 - ema_decay)

    def update(self) -> None:
        """One step of the optimizer, and of the average, by the gradients there are."""
        if self._settings.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.clip)
        self.optimizer.step()
        if self.average is not None:
            averaged = [p.data for p in self.average.parameters()]
            distance = torch._foreach_sub([p.data for p in self.network.parameters()], averaged)
            torch._foreach_mul_(distance, self._renewal)
            torch._foreach_add_(averaged, distance)
        if self.adversary:
            self.adversary.update()

    def state(self) -> dict[str, Tensor]:
        """All tensors of a saved state, by name."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        if self.adversary:
            tensors |= {f"adversary.{name}": tensor for name, tensor in self.adversary.state().items()}
        kept = optimizer_tensors(self.optimizer, self.network)
        return tensors | {f"optimizer.{name}": tensor for name, tensor in kept.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `state` gave. Raises CheckpointError where the tensors are of another network."""
        try:
            self.network.load_state_dict(tensors_below("network.", tensors))
            if self.average is not None:
                self.average.load_state_dict(tensors_below("average.", tensors))
        except RuntimeError as error:
            raise CheckpointError(
                f"the state is of another network: {str(error).splitlines()[-1].strip()}"
            ) from error
        restore_optimizer(self.optimizer, self.network, tensors_below("optimizer.", tensors))
        if self.adversary:
            self.adversary.restore(tensors_below("adversary.", tensors))

    def _distributed(self, model: nn.Module) -> nn.Module:
        if self._ranks.world_size == 1:
            return model
        return DistributedDataParallel(model, gradient_as_bucket_view=True)

    def _cpu_workers(self) -> Workers | None:
        """Where there are several threads and nothing that shares out each operation or each step."""
        threads = torch.get_num_threads()
        if self.device.type != "cpu" or threads == 1 or self.compiled or self._ranks.world_size > 1:
            return None
        return Workers(threads, min(stage.batch for stage in self._settings.stages))

    def _no_sync(self, last: bool) -> Any:
        if last or not isinstance(self._model, DistributedDataParallel):
            return nullcontext()
        return self._model.no_sync()

    def loss(self, lr: Tensor, hr: Tensor, stage: Stage) -> Tensor:
        """Of the network on LR and HR patches (uint8); a scalar."""
        return self._loss_and_pictures(lr, hr, stage)[0]

    def _loss_and_pictures(self, lr: Tensor, hr: Tensor, stage: Stage) -> tuple[Tensor, Pictures]:
        """The loss, and what a discriminator looks at then, without gradients."""
        rows, columns = self._geometry(stage.patch)
        pixels = (lr.to(self.device).float() / 255).contiguous(memory_format=torch.channels_last)
        target = self._target(hr.to(self.device), stage)
        # Without the cache of cast weights: a captured step would go on using the first ones.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            result = self._result(pixels, rows, columns)
        loss = total_loss(stage, result.float(), target, self._settings.scale)
        adversary = self._adversary_in(stage)
        if adversary is None and not stage.vgg:
            return loss, (result, target)
        shown, wanted = (functional.pixel_shuffle(x, self._settings.scale) for x in (result.float(), target))
        if self._vgg is not None and stage.vgg:
            loss = loss + stage.vgg * self._vgg(shown, wanted)
        if adversary is not None:
            loss = loss + adversary.loss((shown, wanted), stage)
        return loss, (shown.detach(), wanted)

    def _target(self, hr: Tensor, stage: Stage) -> Tensor:
        if not stage.sharpen:
            return sub_pixels(hr, self._settings.scale).float() / 255
        target = sharpened(hr.float() / 255, stage.sharpen, stage.overshoot)
        return sub_pixels(target, self._settings.scale)

    def _geometry(self, patch: int) -> Matrices:
        if patch not in self._matrices:
            geometry = attention_geometry(height=patch, width=patch)
            rows, columns = torch.tensor(geometry.rows), torch.tensor(geometry.columns)
            self._matrices[patch] = rows.to(self.device), columns.to(self.device)
        return self._matrices[patch]


def start_network(settings: TrainingSettings) -> tuple[RIPFDN, dict[str, str]]:
    """The network before its first step, and what it was started from, for its provenance.

    Weights of the same scale are taken whole; of another scale, all but the upsampler, which starts bilinear.
    Where they have fewer blocks, those that follow change nothing at first. Raises CheckpointError where the
    weights are of a network of other dimensions.
    """
    torch.manual_seed(settings.seed)
    network = RIPFDN(settings.network)
    if settings.start == "bilinear":
        bilinear_start(network)
    if not settings.init_from:
        return network, {"start": settings.start}
    checkpoint = load_weights(settings.init_from)
    source = build_network(checkpoint)
    _require_no_larger(source.config, settings)
    if source.config.scale != settings.scale:
        log.info("%s is for scale %d; all but its upsampler is used", settings.init_from, source.config.scale)
    if source.config.blocks < settings.blocks:
        log.info(
            "%s has %d blocks; the %d after them start without effect",
            settings.init_from,
            source.config.blocks,
            settings.blocks - source.config.blocks,
        )
    take_over(network, source)
    return network, {
        "init_from": Path(settings.init_from).name,
        "init_from_sha256": checkpoint.sha256,
    }


def _require_no_larger(config: NetworkConfig, settings: TrainingSettings) -> None:
    widths = config.channels, config.partial_ratio
    if widths != (settings.channels, settings.partial_ratio) or config.blocks > settings.blocks:
        raise CheckpointError(
            f"{settings.init_from} is for a network of {config.channels} channels and {config.blocks} "
            f"blocks, but the run's network has {settings.channels} and {settings.blocks}; give weights of "
            "the same channels (and `partial_ratio`) and no more blocks"
        )


@torch.no_grad()
def take_over(network: RIPFDN, source: RIPFDN) -> None:
    """Give `network` the weights of `source`, in place; of another scale, all but the upsampler. `source` has
    as many channels and no more blocks: those that follow add nothing to what they are given, and nothing is
    made of their outputs, so that both networks compute the same (as in Net2Net, Chen et al., ICLR 2016).
    """
    weights = source.state_dict()
    if source.config.scale != network.config.scale:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("upsample.")}
    fuse = torch.zeros_like(network.fuse.weight)
    fuse[:, : source.fuse.in_channels] = weights["fuse.weight"]
    network.load_state_dict(weights | {"fuse.weight": fuse}, strict=False)
    for block in list(network.blocks)[source.config.blocks :]:
        for parameter in block.get_submodule("project").parameters():
            parameter.zero_()


def _wants_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16; where it isn't native it is slower than fp32. Raises
    UnavailableError.
    """
    native = device.type == "cuda" or (device.type == "cpu" and native_bf16())
    if precision == "bf16" and not native:
        if device.type == "cpu":
            raise no_bf16()
        raise UnavailableError(
            f"`precision` bf16 is not native on {device.type}; use `precision` fp32 or auto"
        )
    return native and precision != "fp32"


def _wants_compile(choice: str, device: torch.device) -> bool:
    return choice == "on" or (choice == "auto" and can_compile(device))
