"""The weights that a run may use: which of them for what, each file read once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ripfdn_cli.errors import UsageError
from ripfdn_cli.model.architecture import SCALES
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.mixing import between
from ripfdn_cli.model.weights_store import list_weights, load_weights
from ripfdn_cli.pipeline.output_size import passes

DEFAULT_SCALE = 4
Weights = str | Checkpoint
"""A name, the path of a file, or a checkpoint that is loaded."""
PHOTO, SHARP = "x4-photo", "x4-sharp"
"""The weights for compressed pictures, which keep to what is known, and those that draw edges sharper than
they can be known. Both are of one scale: other results are shrunk from theirs. On strongly compressed
pictures that scores more than x2 and x3, which enlarge the blocks (weights/README.md), and the cost depends
on the input's pixels alone.
"""


class Compression(Enum):
    """How much of a picture was lost when it was saved."""

    NONE = "none"
    LIGHT = "light"
    STRONG = "strong"


@dataclass(frozen=True)
class Route:
    """The scales of the networks that a picture goes through, one after the other, and scale → weights."""

    passes: tuple[int, ...]
    choices: Mapping[int, str]


class WeightsSelection:
    """`weights`: a name, a path or a checkpoint, or None for x2, x3, x4, x4-photo or x4-sharp, by the size
    asked for and how the picture was compressed. With `weights_to`, others of one origin, those that lie
    between the two by `strength`, 0 to 1. With `strength` alone, those between the faithful weights for the
    picture and x4-sharp. For any number of threads. Raises CheckpointError for weights that can't be read,
    UsageError for two that can't be mixed.
    """

    def __init__(
        self, weights: Weights | None, weights_to: Weights | None = None, strength: float | None = None
    ) -> None:
        self._loaded: dict[str, Checkpoint] = {}
        self._loading = threading.Lock()
        if weights is None and weights_to is None:
            self._choose_by_picture(strength)
            return
        if weights_to is not None or strength is not None:
            if weights is None or weights_to is None or strength is None:
                raise UsageError("`strength` mixes two weights; name them with `weights` and `weights_to`")
            weights = between(load_weights(weights), load_weights(weights_to), strength)
        assert weights is not None
        name = self._keep(weights) if isinstance(weights, Checkpoint) else weights
        self.choices = {self.checkpoint(name).config.scale: name}
        """Scale → weights."""
        self.choices_for_compressed = dict.fromkeys((Compression.LIGHT, Compression.STRONG), self.choices)
        """The same for pictures that were compressed."""

    def _choose_by_picture(self, strength: float | None) -> None:
        installed = list_weights()
        self.choices = {scale: f"x{scale}" for scale in SCALES if f"x{scale}" in installed}
        light = {DEFAULT_SCALE: PHOTO} if PHOTO in installed else self.choices
        strong = {DEFAULT_SCALE: SHARP} if SHARP in installed and strength is None else light
        if strength:
            self.choices, light = (self._sharpened(names, strength) for names in (self.choices, light))
            strong = light
        self.choices_for_compressed = {Compression.LIGHT: light, Compression.STRONG: strong}

    def _sharpened(self, choices: Mapping[int, str], strength: float) -> dict[int, str]:
        """Those of `choices` that are of x4-sharp's scale, moved by `strength` of the way towards it."""
        start, sharp = self.checkpoint(choices[DEFAULT_SCALE]), self.checkpoint(SHARP)
        return {DEFAULT_SCALE: self._keep(between(start, sharp, strength))}

    def _keep(self, checkpoint: Checkpoint) -> str:
        self._loaded[checkpoint.name] = checkpoint.identified()
        return checkpoint.name

    @property
    def default_scale(self) -> int:
        """How much larger results are when no size is asked for."""
        return DEFAULT_SCALE if DEFAULT_SCALE in self.choices else max(self.choices)

    def route(self, size: tuple[int, int], target: tuple[int, int], compression: Compression) -> Route:
        """How a picture of `size` (width, height) px grows to `target` at least. What was compressed goes
        through weights for such pictures first, and a second network sees their result, which is clean.
        Raises UsageError for more than the networks can do.
        """
        clean = Route(passes(size, target, self.choices), self.choices)
        first = self.choices_for_compressed.get(compression, self.choices)
        if not clean.passes or first == self.choices:
            return clean
        ((scale, _),) = first.items()
        larger = (scale * size[0], scale * size[1])
        rest = passes(larger, target, self.choices)
        if scale in rest:  # networks of one scale are not told apart, so others have to do it
            others = self.choices.keys() - {scale}
            if not others:
                return clean
            rest = passes(larger, target, others)
        return Route((scale, *rest), {**self.choices, **first})

    def checkpoint(self, name: str) -> Checkpoint:
        """The weights `name` of the choices."""
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = load_weights(name).identified()
            return self._loaded[name]

    def sha256(self) -> dict[str, str]:
        """Name → SHA-256 of the file, of all weights that may be used."""
        every = (self.choices, *self.choices_for_compressed.values())
        names = {name for choices in every for name in choices.values()}
        return {name: self.checkpoint(name).sha256 for name in sorted(names)}
