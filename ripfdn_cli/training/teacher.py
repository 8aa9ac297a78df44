"""Targets that a teacher has part in: another network's guess at what shrinking has thrown away.

No network can know that detail, so it is noise in what a step learns. A teacher's results are free of it; the
teacher may be a stronger network, or the eight-fold average of the weights that a run starts from.
"""

import hashlib
import logging
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import CheckpointError, UsageError
from ripfdn_cli.files.sealed_cache import Key, SealedCache
from ripfdn_cli.foreign_networks import is_onnx, load_onnx, load_with_spandrel, may_be_foreign
from ripfdn_cli.image_math.dihedral import DIHEDRAL_TRANSFORMS, inverse, transformed
from ripfdn_cli.image_math.levels import as_levels
from ripfdn_cli.model.weights_store import load_weights
from ripfdn_cli.torch_devices import best_device
from ripfdn_cli.training.pictures import Pixels
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.upscaler import Upscaler

log = logging.getLogger(__name__)

RESULTS = SealedCache(name="teachers", suffix=".pixels", what="a teacher's result", limit=32 * 2**30)
"""What teachers made of pictures: (s·h, s·w, 3) uint8 by the SHA-256 of the teacher and of the LR pixels."""
_OWN_RESULTS_VERSION, _FOREIGN_RESULTS_VERSION = "2", "1"
"""Of how results are computed, by RIPFDN and by networks of others. Those of another version are not used."""
_TRIM_EVERY = 100
"""Results between two looks at the size of the cache."""


class TeacherNetwork(Protocol):
    """A network to learn from. `sha256` is of its file."""

    scale: int
    sha256: str

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(h, w, 3) RGB in 0..1 → (s·h, s·w, 3), finite, not clamped."""
        ...


class Teacher:
    """A network with a share in every target. Its results are computed once for each picture, and kept for
    the next run.
    """

    def __init__(
        self,
        network: TeacherNetwork,
        *,
        name: str,
        version: str,
        share: float,
        ensemble: bool,
        precision: str = "fp32",
    ) -> None:
        self._network, self._name, self._version, self._share = network, name, version, share
        self._ensemble, self._precision = ensemble, precision
        self._kept, self._keeps = 0, True  # a cache that can't be written is told once

    @property
    def provenance(self) -> dict[str, str]:
        """What a checkpoint says of its teacher."""
        return {
            "teacher": self._name,
            "teacher_sha256": self._network.sha256,
            "teacher_ensemble": "on" if self._ensemble else "off",
            "teacher_precision": self._precision,
        }

    def target(self, lr: Pixels, hr: Pixels) -> Pixels:
        """`hr` (s·H, s·W, 3) mixed with what the teacher makes of `lr` (H, W, 3); uint8."""
        guess = self.guess(lr).astype(np.float32)
        return np.rint((1 - self._share) * hr.astype(np.float32) + self._share * guess).astype(np.uint8)

    def guess(self, lr: Pixels) -> Pixels:
        """What the teacher makes of `lr` (H, W, 3), from the cache where it has been asked before; uint8."""
        shape = (self._network.scale * lr.shape[0], self._network.scale * lr.shape[1], 3)
        key = {
            "version": self._version,
            "teacher": self._network.sha256,
            "ensemble": str(self._ensemble),
            "precision": self._precision,
            "picture": hashlib.sha256(np.ascontiguousarray(lr).tobytes()).hexdigest(),
            "shape": "×".join(map(str, lr.shape)),
        }
        kept = RESULTS.find(key)
        if kept is not None and len(kept) == np.prod(shape):
            return np.frombuffer(kept, np.uint8).reshape(shape)
        result = self._computed(np.asarray(lr / np.float32(255), np.float32))
        levels: Pixels = as_levels(result)
        self._keep(key, levels)
        return levels

    def _keep(self, key: Key, levels: Pixels) -> None:
        if not self._keeps:
            return
        self._kept += 1
        self._keeps = RESULTS.keep(key, levels.tobytes(), trim=self._kept % _TRIM_EVERY == 1)

    def _computed(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self._ensemble:
            return self._network(pixels)
        total = np.zeros((1, 1, 3), np.float32)
        for number in DIHEDRAL_TRANSFORMS:
            result = self._network(np.ascontiguousarray(transformed(pixels, number)))
            total = total + transformed(result, inverse(number))
        return total / np.float32(len(DIHEDRAL_TRANSFORMS))


def open_teacher(settings: TrainingSettings) -> Teacher:
    """The teacher that `settings` name, tried on a small picture. Raises CheckpointError for a file that is
    not a super-resolution network, UsageError for another scale, UnavailableError for a missing package.
    """
    network, foreign = _network(settings)
    if network.scale != settings.scale:
        raise UsageError(
            f"teacher {settings.teacher} is for scale {network.scale}, the run for {settings.scale}; "
            "give a teacher of the same scale"
        )
    ensemble = settings.teacher_ensemble == "on" or (settings.teacher_ensemble == "auto" and not foreign)
    return Teacher(
        network,
        name=Path(settings.teacher).name,
        version=_FOREIGN_RESULTS_VERSION if foreign else _OWN_RESULTS_VERSION,
        share=settings.teacher_share,
        ensemble=ensemble,
        precision=settings.teacher_precision,
    )


def _network(settings: TrainingSettings) -> tuple[TeacherNetwork, bool]:
    """The network, and whether it is another than RIPFDN."""
    path = Path(settings.teacher)
    threads = settings.threads or None
    if is_onnx(path):
        return load_onnx(path, threads, settings.teacher_precision), True
    if settings.teacher_precision != "fp32":
        raise UsageError("`teacher_precision` bf16 is for teachers in ONNX files; use fp32")
    try:
        return _OwnNetwork(settings), False
    except CheckpointError as error:
        if not may_be_foreign(path):
            raise
        log.info("%s; trying spandrel", error)
    device = best_device() if settings.device == "auto" else settings.device
    return load_with_spandrel(path, device), True


class _OwnNetwork:
    """RIPFDN weights, by name or path."""

    def __init__(self, settings: TrainingSettings) -> None:
        checkpoint = load_weights(settings.teacher)
        self._upscaler = Upscaler(
            checkpoint,
            device=settings.device,
            precision="fp32",  # what is learned must not depend on the machine
            threads=settings.threads or None,
        )
        self.scale, self.sha256 = checkpoint.config.scale, checkpoint.sha256

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._upscaler.upscale(pixels, unit_range=True)
