"""Add up weights: what one run has learned, its difference from its start, can be carried onto others.

    python scripts/mix_weights.py RESULT 1 x4-photo.safetensors 1 x4.safetensors -1 older-x4.safetensors

That is task arithmetic (Ilharco et al. 2023, arXiv:2212.04089). The first file's config rules: a tensor that
has another shape elsewhere, as the upsampler of another scale, is taken from it as it is.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.model.checkpoint import Checkpoint

Term = tuple[float, Checkpoint]
"""A factor, and the weights it is for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("terms", nargs="+", metavar="FACTOR FILE")
    arguments = parser.parse_args()
    try:
        mixed(terms_of(arguments.terms)).save(arguments.result)
    except (ValueError, RipfdnError) as error:
        parser.error(str(error))


def terms_of(arguments: Sequence[str]) -> list[Term]:
    """Raises ValueError where factors and files don't alternate, and InputError for a bad file."""
    if len(arguments) % 2:
        raise ValueError(f"a factor and a file each are wanted; {arguments[-1]} is left over")
    pairs = zip(arguments[::2], arguments[1::2], strict=True)
    return [(float(factor), Checkpoint.load(Path(file))) for factor, file in pairs]


def mixed(terms: Sequence[Term]) -> Checkpoint:
    """The sum of factor · weights, with the first's config and provenance, which gets the terms. Raises
    ValueError where they differ in more than the scale.
    """
    first = terms[0][1]
    for _, other in terms[1:]:
        if replace(other.config, scale=first.config.scale) != first.config:
            raise ValueError(f"{other.source} is of a network of other dimensions than {first.source}")
    tensors = {}
    for name, tensor in first.tensors.items():
        parts = [factor * other.tensors[name] for factor, other in terms]
        alike = all(part.shape == tensor.shape for part in parts)
        tensors[name] = np.sum(parts, axis=0, dtype=np.float32) if alike else tensor
    told = [{"factor": factor, "sha256": other.sha256} for factor, other in terms]
    return replace(first, tensors=tensors, provenance=first.provenance | {"mixed": told}, sha256="")


if __name__ == "__main__":
    main()
