"""Add up weights: what one run has learned, its difference from its start, can be carried onto others.

    python scripts/mix_weights.py RESULT 1 x4-photo.safetensors 1 x4.safetensors -1 older-x4.safetensors

See `ripfdn_cli.model.mixing.mixed`. Two weights of one origin are mixed by `ripfdn weights mix`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.mixing import Term, mixed


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


if __name__ == "__main__":
    main()
