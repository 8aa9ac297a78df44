"""Targets that a teacher has part in: other weights' own guess, averaged over eight flips and rotations.

No network can know the detail that shrinking has thrown away, so it is noise in what a step learns. The
teacher's results are free of it, and a little better than what one pass of the same network gives.
"""

from pathlib import Path

import numpy as np

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.pictures import Pixels
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.upscaler import Upscaler

_SIXTEEN_BIT = 257
"""8-bit samples, spread over 16 bit; the teacher's results are rounded only once they are mixed."""


class Teacher:
    """The weights `settings.teacher`, which have the share `settings.teacher_share` in every target."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Raises CheckpointError, UnavailableError; UsageError for weights of another scale."""
        self._name = Path(settings.teacher).name
        self._share = settings.teacher_share
        self._upscaler = Upscaler(
            settings.teacher,
            device=settings.device,
            precision="fp32",  # what is learned must not depend on the machine
            threads=settings.threads or None,
            ensemble=True,
        )
        if self._upscaler.scale != settings.scale:
            raise UsageError(
                f"teacher {settings.teacher} is for scale {self._upscaler.scale}, the run for "
                f"{settings.scale}; give weights of the same scale"
            )

    @property
    def provenance(self) -> dict[str, str]:
        return {"teacher": self._name, "teacher_sha256": self._upscaler.checkpoint_sha256}

    def target(self, lr: Pixels, hr: Pixels) -> Pixels:
        """`hr` (s·H, s·W, 3) mixed with what the teacher makes of `lr` (H, W, 3); uint8."""
        guess = self._upscaler.upscale(lr.astype(np.uint16) * _SIXTEEN_BIT).astype(np.float32) / _SIXTEEN_BIT
        mixed = (1 - self._share) * hr.astype(np.float32) + self._share * guess
        return np.rint(mixed).astype(np.uint8)
