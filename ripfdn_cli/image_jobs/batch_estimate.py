"""What a batch would take, without doing it: sizes from headers, time from a trial of the network."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.image_jobs.batch import Batch
from ripfdn_cli.image_jobs.image_run import ImageTask
from ripfdn_cli.image_jobs.picture_job import aim, bytes_held
from ripfdn_cli.pictures.decoding import read_header
from ripfdn_cli.pictures.file_content import read_file
from ripfdn_cli.pictures.fitting import check_frame_count
from ripfdn_cli.pictures.formats import check_fits
from ripfdn_cli.pipeline.devices import Devices, Networks, NetworkUnavailableError
from ripfdn_cli.pipeline.network_cost import NetworkTrials

_BYTES_PER_PIXEL = {
    "png": 1.2, "jpeg": 0.4, "webp": 0.25, "tiff": 1.8, "bmp": 3.0, "avif": 0.2,
    "ppm": 3.0, "gif": 0.7, "jxl": 0.3, "heic": 0.3,
}  # fmt: skip
"""What a pixel of a result may take in a file, 8-bit RGB: assumed for a rough estimate, not measured."""


@dataclass(frozen=True)
class Estimate:
    """What `task` would take: `error` instead where its header says that it can't be done. Sizes as (width,
    height).
    """

    task: ImageTask
    size: tuple[int, int] = (0, 0)
    output_size: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    memory: int = 0
    disk: int = 0
    error: RipfdnError | None = None

    def __str__(self) -> str:
        source = self.task.input
        if self.error is not None:
            return f"{source}: {self.error}"
        sizes = f"{self.size[0]}×{self.size[1]} → {self.output_size[0]}×{self.output_size[1]} px"
        return f"{source} → {self.task.output}: {sizes}, {self.seconds:.1f} s, {self.disk / 1e6:.1f} MB"

    def record(self) -> dict[str, Any]:
        """As a line of JSON shows it."""
        record = {"input": str(self.task.input), "output": str(self.task.output), "dry_run": True}
        if self.error is not None:
            return record | self.error.record()
        return record | {
            "status": "planned",
            "format": self.task.file_format.name,
            "width": self.size[0],
            "height": self.size[1],
            "output_width": self.output_size[0],
            "output_height": self.output_size[1],
            "seconds": round(self.seconds, 2),
            "memory": self.memory,
            "disk": self.disk,
        }


class Estimator:
    """Estimates tasks of a batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch, self._devices = batch, Devices(batch.network)
        self._trials = NetworkTrials()

    def estimate(self, task: ImageTask) -> Estimate:
        """Raises what `Upscaler` raises."""
        try:
            return self._devices.run(lambda networks: self._estimate(task, networks))
        except NetworkUnavailableError as error:
            raise error.reason from error
        except RipfdnError as error:
            return Estimate(task, error=error)

    def close(self) -> None:
        """Let go of the networks."""
        self._devices.close()

    def _estimate(self, task: ImageTask, networks: Networks) -> Estimate:
        limit = self._batch.picture.max_pixels
        header = read_header(read_file(task.input, max_pixels=limit), str(task.input), max_pixels=limit)
        way = aim(self._batch.picture, header.width, header.height, header.jpeg_quality, self._devices)
        scales, target = way.route.passes, way.target
        animated = header.file_format.name != "tiff"  # which has pages
        check_frame_count(header.frames, task.file_format, str(task.input), animated=animated)
        check_fits(task.file_format, *target)
        frames = header.all_pixels / (header.width * header.height)
        rounds = frames * (2 if header.channels in (2, 4) else 1)
        cost = self._trials.cost(networks, header.width, header.height, scales)
        return Estimate(
            task,
            (header.width, header.height),
            target,
            rounds * cost.seconds / len(self._devices),
            bytes_held(header, scales) + cost.memory,
            int(prod(target) * frames * _BYTES_PER_PIXEL[task.file_format.name] * header.sample_bytes),
        )
