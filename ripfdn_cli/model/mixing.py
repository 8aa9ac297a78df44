"""Weights made of others: between two of one origin, and sums of what runs have learned. NumPy only."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import UsageError
from ripfdn_cli.model.checkpoint import Checkpoint

LEAST_SIMILARITY = 0.5
"""Cosine between all weights of two files, above which they are taken to be of one origin. One run from the
other's weights leaves over 0.9; networks that were trained apart are at 0.1 and less, and what lies between
them makes no picture.
"""

Term = tuple[float, Checkpoint]
"""A factor, and the weights it is for."""


def between(first: Checkpoint, second: Checkpoint, strength: float) -> Checkpoint:
    """`first` at `strength` 0, `second` at 1, and in between every weight on the line between the two.

    That is interpolation of networks (Wang et al. 2019, "Deep Network Interpolation", arXiv:1811.10515),
    which needs two of one origin. Its `sha256` is that of the file it would be. Raises UsageError.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"`strength` {strength} is not between 0 and 1")
    if first.config != second.config:
        raise UsageError(
            f"{first.source} and {second.source} are for networks of different dimensions or scales; mix "
            "two of which one was trained from the other"
        )
    similarity = _similarity(first, second)
    if similarity < LEAST_SIMILARITY:
        raise UsageError(
            f"{first.source} and {second.source} do not share an origin (the cosine between them is "
            f"{similarity:.2f}); mix two of which one was trained from the other"
        )
    if strength in (0, 1):
        return second if strength else first
    result = mixed([(1 - strength, first), (strength, second)])
    return replace(result, source=f"{first.name} with {strength:g} of {second.name}").identified()


def mixed(terms: Sequence[Term]) -> Checkpoint:
    """The sum of factor · weights, with the first's config and provenance, which gets the terms: task
    arithmetic (Ilharco et al. 2023, arXiv:2212.04089).

    A tensor that has another shape elsewhere, as the upsampler of another scale, is taken from the first as
    it is. Raises UsageError where they differ in more than the scale.
    """
    first = terms[0][1]
    for _, other in terms[1:]:
        if replace(other.config, scale=first.config.scale) != first.config:
            raise UsageError(f"{other.source} is for a network of other dimensions than {first.source}")
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, tensor in first.tensors.items():
        parts = [factor * other.tensors[name] for factor, other in terms]
        alike = all(part.shape == tensor.shape for part in parts)
        tensors[name] = np.asarray(np.sum(parts, axis=0, dtype=np.float32)) if alike else tensor
    mixed = [{"factor": factor, "sha256": other.sha256} for factor, other in terms]
    return replace(first, tensors=tensors, provenance=first.provenance | {"mixed": mixed}, sha256="")


def _similarity(first: Checkpoint, second: Checkpoint) -> float:
    """The cosine between all weights of the two, which are of one config."""
    a, b = (_flat(checkpoint) for checkpoint in (first, second))
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), np.finfo(np.float64).tiny))


def _flat(checkpoint: Checkpoint) -> NDArray[np.float64]:
    return np.concatenate([checkpoint.tensors[name].ravel() for name in sorted(checkpoint.tensors)]).astype(
        np.float64
    )
