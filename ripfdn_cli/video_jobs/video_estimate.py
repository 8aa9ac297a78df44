"""What a video would take, without doing it: time from a trial of the network, memory from what is held."""

from dataclasses import dataclass
from math import prod

import numpy as np

from ripfdn_cli.pipeline.devices import Devices, Networks, NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.frame_pipeline import ALIKE, WRITE_BEHIND
from ripfdn_cli.pipeline.network_cost import NetworkTrials
from ripfdn_cli.video_jobs.segment_maker import READ_AHEAD, frames_per_batch
from ripfdn_cli.video_jobs.video_plan import VideoPlan


@dataclass(frozen=True)
class VideoEstimate:
    """`seconds` of the network, next to which the rest hardly counts, and bytes of `memory` besides what the
    program takes for itself. Frames that repeat take no time, and are not foreseen.
    """

    seconds: float
    memory: int


class VideoEstimator:
    """Estimates jobs that are run as `network` says."""

    def __init__(self, network: NetworkSettings) -> None:
        self._devices, self._trials = Devices(network), NetworkTrials()

    def estimate(self, plan: VideoPlan) -> VideoEstimate:
        """Raises what `Upscaler` raises."""
        try:
            return self._devices.run(lambda networks: self._estimate(plan, networks))
        except NetworkUnavailableError as error:
            raise error.reason from error

    def close(self) -> None:
        """Let go of the devices."""
        self._devices.close()

    def _estimate(self, plan: VideoPlan, networks: Networks) -> VideoEstimate:
        source = plan.source
        cost = self._trials.cost(networks, source.width, source.height, plan.passes)
        frames = len(np.unique(plan.target.timeline.source)) * (2 if source.has_alpha else 1)
        at_once = frames_per_batch(networks, plan.passes) * len(self._devices)
        return VideoEstimate(
            frames * cost.seconds / len(self._devices),
            frames_held(plan, at_once) + at_once * cost.memory,
        )


def frames_held(plan: VideoPlan, in_network: int) -> int:
    """About how many bytes the frames of `plan` take that are in memory at once, with `in_network` of them
    going through networks.
    """
    source, (width, height) = plan.source, plan.size
    pixel = np.dtype(source.samples).itemsize * (4 if source.has_alpha else 3)
    frame = source.width * source.height * pixel
    growths = [prod(plan.passes[: number + 1]) for number in range(len(plan.passes))]
    results = frame * sum(growth**2 for growth in growths)
    waiting = WRITE_BEHIND + in_network + ALIKE
    finished = 2 * width * height * pixel  # the frame, and what is made of it for the encoder
    return (READ_AHEAD + waiting) * frame + waiting * results + finished + plan.target.held_bytes
