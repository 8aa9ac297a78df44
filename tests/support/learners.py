"""Learners on the CPU, and patches for them."""

import torch

from ripfdn_cli.training.learner import Learner, start_network
from ripfdn_cli.training.ranks import Ranks
from ripfdn_cli.training.settings import TrainingSettings

CPU = torch.device("cpu")


def learner_of(settings: TrainingSettings) -> Learner:
    return Learner(start_network(settings)[0], settings, CPU, Ranks())


def pixels(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """LR and HR, for patches of 16 px and ×4."""
    random = torch.Generator().manual_seed(0)
    lr = torch.randint(0, 256, (count, 3, 16, 16), generator=random, dtype=torch.uint8)
    return lr, torch.randint(0, 256, (count, 3, 64, 64), generator=random, dtype=torch.uint8)
