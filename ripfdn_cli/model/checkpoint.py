"""RIPFDN weights on disk: one safetensors file with the network's config and the weights' provenance in its
metadata.

No torch: an engine with a warm cache needs the config and the hash only. No pickles: `released_checkpoint.py`
reads the authors'.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from ripfdn_cli.errors import CheckpointError, UsageError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.model.architecture import NetworkConfig

AnyTensor = TypeVar("AnyTensor")

METADATA_KEY = "ripfdn"
FORMAT_VERSION = 1
SUFFIX = ".safetensors"
RELEASED_SUFFIX = ".pth"
"""Of the authors' format."""
_LARGEST_FILE = 256 * 2**20
"""Bytes. The published network is 1 MiB; a bound keeps a wrong path from filling the memory."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name (float32, the shapes of `network.RIPFDN`), what they are for, and where they come from.

    `provenance` is any JSON object: data, licence, steps, scores. `sha256` is that of the file it was read
    from, empty for one made in memory.
    """

    config: NetworkConfig
    tensors: dict[str, NDArray[np.float32]] = field(repr=False)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    sha256: str = ""
    source: str = "these weights"

    @property
    def name(self) -> str:
        """What to call them: x4 of the file x4.safetensors."""
        path = Path(self.source)
        return path.stem if suffix_of(path) in (SUFFIX, RELEASED_SUFFIX) else self.source

    def identified(self) -> Self:
        """The same with a `sha256`, for one made in memory that of the file it would be."""
        return self if self.sha256 else replace(self, sha256=hashlib.sha256(self.to_bytes()).hexdigest())

    @property
    def parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(array.size for array in self.tensors.values())

    def require_shapes(self, expected: dict[str, tuple[int, ...]]) -> None:
        """Raise a CheckpointError that names the first tensor which is missing, unexpected, misshapen or not
        finite float32.
        """
        for name in sorted(expected.keys() - self.tensors.keys()):
            raise CheckpointError(
                f"{self.source}: tensor {name} is missing; the file is not a complete RIPFDN checkpoint"
            )
        for name in sorted(self.tensors.keys() - expected.keys()):
            raise CheckpointError(
                f"{self.source}: tensor {name} is unexpected; the file is for another network"
            )
        for name, shape in expected.items():
            array = self.tensors[name]
            if array.shape != shape:
                raise CheckpointError(
                    f"{self.source}: tensor {name} has shape {array.shape}, but the config requires {shape}"
                )
            if array.dtype != np.float32:
                raise CheckpointError(f"{self.source}: tensor {name} is {array.dtype}, not float32")
            if not np.isfinite(array).all():
                raise CheckpointError(
                    f"{self.source}: tensor {name} has values that are not finite; the weights are damaged"
                )

    def to_bytes(self) -> bytes:
        """The file's content; the same checkpoint always gives the same bytes."""
        description = {
            "format_version": FORMAT_VERSION,
            "config": self.config.as_dict(),
            "provenance": self.provenance,
        }
        # One key only: safetensors writes several in random order.
        metadata = {METADATA_KEY: json.dumps(description, sort_keys=True)}
        arrays = {name: np.ascontiguousarray(array) for name, array in self.tensors.items()}
        return save_safetensors(arrays, metadata=metadata)

    def save(self, path: Path) -> None:
        """Write to `path` atomically. Raises OutputError."""
        write_bytes(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `path`. Anything but a whole checkpoint of this format is a CheckpointError that says what it
        is.
        """
        content = read_bounded(path)
        metadata, tensors = parse_safetensors(content, path)
        config, provenance = _parse_metadata(metadata, path)
        return cls(config, tensors, provenance, hashlib.sha256(content).hexdigest(), str(path))


def suffix_of(path: Path) -> str:
    """By which files of networks are told apart: X4.PTH is what x4.pth is."""
    return path.suffix.lower()


def is_own_format(path: Path) -> bool:
    """Whether the safetensors file `path` is one that `Checkpoint.save` wrote. Raises CheckpointError."""
    return METADATA_KEY in _metadata_of(read_bounded(path), path)


def read_bounded(path: Path) -> bytes:
    """The bytes of a weights file. Raises CheckpointError where it can't be read or is absurdly large."""
    return read_file(path, largest=_LARGEST_FILE)


def read_file(path: Path, *, largest: int | None = None) -> bytes:
    """The bytes of a file of tensors. Raises CheckpointError where it can't be read, or has over `largest`
    bytes.
    """
    try:
        if not path.is_file():
            what = (
                "is a folder"
                if path.is_dir()
                else "is not a regular file"
                if path.exists()
                else "does not exist"
            )
            raise CheckpointError(
                f"{path} {what}; give a checkpoint file or a name from 'ripfdn weights list'"
            )
        if largest is not None and path.stat().st_size > largest:
            raise CheckpointError(f"{path} is over {largest >> 20} MiB; it is not a RIPFDN checkpoint")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"can't read {path}: {error.strerror or error}") from error


def parse_safetensors(content: bytes, path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Metadata and tensors of a safetensors file's `content`; `path` is for the message. Raises
    CheckpointError.
    """
    tensors = parse_tensors(load_safetensors, content, path)
    return _metadata_of(content, path), tensors


def parse_tensors(
    load: Callable[[bytes], dict[str, AnyTensor]], content: bytes, path: Path
) -> dict[str, AnyTensor]:
    """The tensors that a `load` of safetensors finds in `content`; `path` is for the message. Raises
    CheckpointError.
    """
    try:
        return load(content)
    except KeyError as error:  # of its table of types
        raise _of_unknown_type(path, str(error.args[0])) from error
    except (SafetensorError, ValueError) as error:
        if unknown := re.search("unknown variant `(.+?)`", str(error)):
            raise _of_unknown_type(path, unknown[1]) from error
        raise _incomplete(path, error) from error


def _metadata_of(content: bytes, path: Path) -> dict[str, str]:
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata: dict[str, str] = header.get("__metadata__", {})
    except (ValueError, AttributeError) as error:
        raise _incomplete(path, error) from error
    return metadata


def _of_unknown_type(path: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{path} has tensors of the type {name}, which can't be read here; save them as float32 (F32)"
    )


def _incomplete(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a complete safetensors file ({error}); "
        "convert the authors' .pth with 'ripfdn weights import', or get the file again"
    )


def _parse_metadata(metadata: dict[str, str], path: Path) -> tuple[NetworkConfig, dict[str, Any]]:
    if METADATA_KEY not in metadata:
        raise CheckpointError(
            f"{path} is a safetensors file of another program (no '{METADATA_KEY}' in its metadata); "
            "weights under the authors' names are converted with 'ripfdn weights import'"
        )
    try:
        description = json.loads(metadata[METADATA_KEY])
        version, provenance = description["format_version"], description["provenance"]
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format version {version!r}; this ripfdn reads {FORMAT_VERSION}: update ripfdn"
            )
        config = NetworkConfig.from_dict(description["config"])
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise CheckpointError(f"{path}: damaged metadata ({error}); get the file again") from error
    if not isinstance(provenance, dict):
        raise CheckpointError(f"{path}: damaged metadata (provenance is not an object); get the file again")
    return config, provenance
