"""The weights that a run may use: which of them for what, each file read once."""

from __future__ import annotations

import threading

from ripfdn_cli.errors import UsageError
from ripfdn_cli.model.architecture import SCALES
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.mixing import between
from ripfdn_cli.model.weights_store import list_weights, load_weights

DEFAULT_SCALE = 4
Weights = str | Checkpoint
"""A name, the path of a file, or a checkpoint that is loaded."""
_FOR_COMPRESSED = {4: "x4-photo"}
"""The weights for pictures that were compressed, of the scales that have some."""


class WeightsSelection:
    """`weights`: a name, a path or a checkpoint, or None for x2, x3, x4 or x4-photo, by the size asked for
    and how the picture was compressed. With `weights_to`, others of one origin, those that lie between the
    two by `strength`, 0 to 1. For any number of threads. Raises CheckpointError for weights that can't be
    read, UsageError for two that can't be mixed.
    """

    def __init__(
        self, weights: Weights | None, weights_to: Weights | None = None, strength: float | None = None
    ) -> None:
        self._loaded: dict[str, Checkpoint] = {}
        self._loading = threading.Lock()
        if weights_to is not None or strength is not None:
            if weights is None or weights_to is None or strength is None:
                raise UsageError("`strength` mixes two weights; name them with `weights` and `weights_to`")
            weights = between(load_weights(weights), load_weights(weights_to), strength)
        if isinstance(weights, Checkpoint):
            self._loaded[weights.name] = weights.identified()
            weights = weights.name
        if weights is not None:
            self.choices = {self.checkpoint(weights).config.scale: weights}
            self.choices_for_compressed = self.choices
            return
        installed = list_weights()
        self.choices = {scale: f"x{scale}" for scale in SCALES if f"x{scale}" in installed}
        """Scale → weights."""
        self.choices_for_compressed = self.choices | {
            scale: name for scale, name in _FOR_COMPRESSED.items() if name in installed
        }
        """The same for pictures that were compressed."""

    @property
    def default_scale(self) -> int:
        """How much larger results are when no size is asked for."""
        return DEFAULT_SCALE if DEFAULT_SCALE in self.choices else max(self.choices)

    def checkpoint(self, name: str) -> Checkpoint:
        """The weights `name` of the choices."""
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = load_weights(name).identified()
            return self._loaded[name]

    def sha256(self) -> dict[str, str]:
        """Name → SHA-256 of the file, of all weights that may be used."""
        names = {*self.choices.values(), *self.choices_for_compressed.values()}
        return {name: self.checkpoint(name).sha256 for name in sorted(names)}
