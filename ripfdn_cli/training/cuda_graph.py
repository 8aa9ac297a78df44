"""On one GPU a step is hundreds of small kernels: captured once as a CUDA graph, they start as one."""

import logging

import torch
from torch import Tensor

from ripfdn_cli.training.learner import Learner
from ripfdn_cli.training.patches import PackedPictures
from ripfdn_cli.training.settings import Stage

log = logging.getLogger(__name__)

_WARM_UP_STEPS = 3


class CapturedStep:
    """Crops, network, gradients, optimizer and average of one stage's step, for any patches that are drawn.

    Making one leaves the learner as it was. `run` gives the loss as a scalar on the device without waiting
    for it.
    """

    def __init__(self, learner: Learner, source: PackedPictures, stage: Stage) -> None:
        self.stage = stage
        self._learner, self._source = learner, source
        self._drawn = torch.zeros((stage.batch, 4), dtype=torch.int64, device=learner.device)
        self._loss = torch.zeros((), device=learner.device)
        self._graph = torch.cuda.CUDAGraph()
        self._capture()

    def run(self, drawn: Tensor, rate: float, ema_decay: float) -> Tensor:
        """One step on the patches `drawn` (batch, 4)."""
        self._learner.set_rates(rate, ema_decay)
        self._drawn.copy_(drawn.pin_memory(), non_blocking=True)
        self._graph.replay()
        return self._loss

    def _capture(self) -> None:
        before = {name: tensor.clone() for name, tensor in self._learner.state().items()}
        self._learner.set_rates(0.0, 0.0)
        # Compiling, choosing kernels and making the optimizer's state must happen outside of the graph.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                captured_body(self._learner, self._source, self._drawn, self.stage)
        torch.cuda.current_stream().wait_stream(stream)
        self._learner.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph):
            self._loss = captured_body(self._learner, self._source, self._drawn, self.stage)
        put_back(self._learner, before)
        log.info("captured a step of %d patches of %d px", self.stage.batch, self.stage.patch)


def captured_body(learner: Learner, source: PackedPictures, drawn: Tensor, stage: Stage) -> Tensor:
    """What is captured: a whole step by `drawn`, with nothing that the CPU decides or waits for."""
    learner.optimizer.zero_grad(set_to_none=True)
    loss = learner.loss(*source.crop(drawn, stage.patch), stage)
    loss.backward()
    learner.update()
    return loss.detach()


@torch.no_grad()
def put_back(learner: Learner, before: dict[str, Tensor]) -> None:
    """Give every tensor of `learner` the value it had in `before`, where it stands; the optimizer's that
    were not there start from zero.
    """
    for name, tensor in learner.state().items():
        if name in before:
            tensor.copy_(before[name])
        else:
            tensor.zero_()
