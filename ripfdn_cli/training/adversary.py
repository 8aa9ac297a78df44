"""A discriminator that is trained along: it tells the network's pictures from the targets, and the network is
trained to be taken for one. It learns nothing in stages where its weights are zero.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from ripfdn_cli.errors import CheckpointError
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
from ripfdn_cli.training.training_network import channels_last

LEVELS = 3
"""How often the discriminator halves a picture."""
SLOPE = 0.2
"""Of its leaky ReLUs, for what is negative."""
_SEED_OFFSET = 1
_STEPS = "steps"

Pictures = tuple[Tensor, Tensor]
"""The network's and the targets, both (N, 3, H, W) in [0, 1] (the network's not clamped)."""


class Discriminator(nn.Module):
    """Whether each pixel is real or made: a U-Net (Schönfeld et al., CVPR 2020) whose inner convolutions have
    spectral norms of 1 (Miyato et al., ICLR 2018), as Real-ESRGAN was trained with (Wang et al., ICCVW 2021).

    The norms are those of the last `renew_norms`, so that a forward pass changes nothing.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels << level for level in range(LEVELS + 1)]
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 4, 2, 1, bias=False)) for before, after in pairwise(widths)
        )
        self.up = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 3, padding=1, bias=False))
            for before, after in pairwise(reversed(widths))
        )
        self.mix = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1, bias=False))
        self.last = nn.Conv2d(channels, 1, 3, padding=1)
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, 3, H, W) in [0, 1], sides from 8 px on → logits (N, 1, H, W), positive for what looks like a
        target, and the features of the way down, (N, C·2ⁱ, H/2ⁱ, W/2ⁱ).
        """
        features = [_leaky(self.first(x.contiguous(memory_format=torch.channels_last)))]
        for convolution in self.down:
            features.append(_leaky(convolution(features[-1])))
        y = features[-1]
        for convolution, skipped in zip(self.up, features[-2::-1], strict=True):
            # As large as what was skipped, also where a side was odd.
            y = functional.interpolate(y, skipped.shape[-2:], mode="bilinear", align_corners=False)
            y = _leaky(convolution(y)) + skipped
        logits: Tensor = self.last(_leaky(self.mix(y)))
        return logits, features

    @torch.no_grad()
    def renew_norms(self) -> None:
        """One step of the power iteration in each normalised convolution."""
        for convolution in (*self.down, *self.up, self.mix):
            parametrization = convolution.parametrizations
            parametrization.train()
            _ = convolution.weight  # where it is looked at in training, it iterates
            parametrization.eval()


class Adversary:
    """A discriminator with its optimizer. `steps`: how many it has made; `bf16`: whether its convolutions
    compute in it. Logits, losses and weights are fp32.
    """

    def __init__(
        self, settings: TrainingSettings, device: torch.device, ranks: Ranks, *, bf16: bool = False
    ) -> None:
        self._settings, self._ranks, self._device, self._bf16 = settings, ranks, device, bf16
        with torch.random.fork_rng(devices=[]):  # the same on every rank, whatever was drawn before
            torch.manual_seed(settings.seed + _SEED_OFFSET)
            self.discriminator = channels_last(Discriminator(settings.gan_channels).to(device))
        self.optimizer = make_optimizer(self.discriminator, settings.of_discriminator, device)
        self.parameters = list(self.discriminator.parameters())
        self.steps = 0

    def ramp(self) -> float:
        """What share of their weights the losses have at the next step."""
        return min(1.0, self.steps / self._settings.gan_ramp) if self._settings.gan_ramp else 1.0

    def loss(self, pictures: Pictures, stage: Stage) -> Tensor:
        """The network's part: to be taken for a target, and features like those of the target; a scalar."""
        result, target = pictures
        logits, features = self._looked_at(result)
        loss = stage.gan * deceiving_loss(self._settings.gan_loss, logits)
        if stage.gan_features:
            with torch.no_grad():
                wanted = self._looked_at(target)[1]
            loss = loss + stage.gan_features * feature_loss(features, wanted)
        return self.ramp() * loss

    def gradients(self, pictures: Pictures, share: float) -> list[Tensor]:
        """Of the discriminator's own loss on `pictures`, which have no gradient, times `share`."""
        result, target = pictures
        of_target, of_result = self._looked_at(target)[0], self._looked_at(result)[0]
        loss = telling_loss(self._settings.gan_loss, of_target, of_result)
        return in_layout_of(self.parameters, torch.autograd.grad(loss * share, self.parameters))

    def _looked_at(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        # Without the cache of cast weights, as the network: norms are renewed between steps.
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16, cache_enabled=False):
            logits, features = self.discriminator(pictures)
        return logits.float(), [level.float() for level in features]

    def clear(self) -> None:
        """Forget the gradients of a step that was not finished."""
        self.optimizer.zero_grad(set_to_none=True)

    def add(self, gradients: list[Tensor]) -> None:
        """Add `gradients` of a micro-batch to those of the step."""
        add_gradients(self.parameters, gradients)

    def sum_over_ranks(self) -> None:
        """Make the step's gradients those of all ranks."""
        self._ranks.sum_tensors([p.grad for p in self.parameters if p.grad is not None])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """In the block, what goes backward through the discriminator leaves no gradients in it."""
        self.discriminator.requires_grad_(False)
        try:
            yield
        finally:
            self.discriminator.requires_grad_(True)

    def set_rate(self, rate: float) -> None:
        """The discriminator's learning rate at the network's `rate`."""
        set_learning_rate(self.optimizer, rate * self._settings.gan_rate)

    def update(self) -> None:
        """One step by the gradients there are, and the norms of what came of it; nothing where there are
        none.
        """
        if all(parameter.grad is None for parameter in self.parameters):
            return
        self.optimizer.step()
        self.discriminator.renew_norms()
        self.steps += 1
        self.clear()

    def state(self) -> dict[str, Tensor]:
        """All that steps have changed, by name."""
        kept = optimizer_tensors(self.optimizer, self.discriminator)
        return {
            _STEPS: torch.tensor(self.steps),
            **{f"network.{name}": tensor for name, tensor in self.discriminator.state_dict().items()},
            **{f"optimizer.{name}": tensor for name, tensor in kept.items()},
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `state` gave. Raises CheckpointError where the tensors are of another one."""
        try:
            self.steps = int(tensors[_STEPS])
            self.discriminator.load_state_dict(tensors_below("network.", tensors))
        except (KeyError, RuntimeError) as error:
            raise CheckpointError("the state has no discriminator of this size; start a new run") from error
        restore_optimizer(self.optimizer, self.discriminator, tensors_below("optimizer.", tensors))


def telling_loss(name: str, of_targets: Tensor, of_results: Tensor) -> Tensor:
    """The discriminator's loss by its logits; a scalar.

    `hinge`: Lim and Ye, "Geometric GAN" (2017). `bce`: cross-entropy, Goodfellow et al. (NeurIPS 2014).
    """
    if name == "hinge":
        return functional.relu(1 - of_targets).mean() + functional.relu(1 + of_results).mean()
    assert name == "bce", name
    return functional.softplus(-of_targets).mean() + functional.softplus(of_results).mean()


def deceiving_loss(name: str, of_results: Tensor) -> Tensor:
    """The network's loss, of the same sources; of `bce` the one that does not saturate."""
    if name == "hinge":
        return -of_results.mean()
    assert name == "bce", name
    return functional.softplus(-of_results).mean()


def feature_loss(features: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Feature matching: the mean L1 distance of the discriminator's features on its way down, each level with
    the same weight (Wang et al., "pix2pixHD", CVPR 2018).
    """
    distances = [functional.l1_loss(one, other) for one, other in zip(features, wanted, strict=True)]
    return torch.stack(distances).mean()


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)
