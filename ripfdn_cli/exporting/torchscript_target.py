"""TorchScript: for programs that embed libtorch, and those that load nothing else."""

import io
import json
import warnings
import zipfile

import numpy as np
import torch
from numpy.typing import NDArray

from ripfdn_cli.exporting.export_target import METADATA_NAME, Files, Form, Metadata, Runner, Target
from ripfdn_cli.exporting.whole_image import WholeImage, traced
from ripfdn_cli.model.checkpoint import Checkpoint

_SUFFIX = ".pt"
_SOURCES = ".debug_pkl"
EXTRA_FILE = f"{METADATA_NAME}.json"
"""The entry of the archive with the metadata; `torch.jit.load(path, _extra_files={"ripfdn.json": ""})`."""


def build(checkpoint: Checkpoint, form: Form, metadata: Metadata) -> Files:
    """The TorchScript archive."""
    module = traced(WholeImage.of(checkpoint, form, half=form.half))
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(module, stream, _extra_files={EXTRA_FILE: json.dumps(metadata, sort_keys=True)})
    return {_SUFFIX: _without_sources(stream)}


def _without_sources(archive: io.BytesIO) -> bytes:
    """`archive` without the entries that name, for each operator, the file of this machine it is from."""
    result = io.BytesIO()
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():
            if not entry.filename.endswith(_SOURCES):
                target.writestr(entry, source.read(entry))
    return result.getvalue()


def load(files: Files) -> Runner:
    """The archive in torch, as a function of an array (N, 3, H, W)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(io.BytesIO(files[_SUFFIX]), "cpu")

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            result: NDArray[np.float32] = module(torch.from_numpy(x)).numpy()
        return result

    return run


TORCHSCRIPT = Target((_SUFFIX,), build, load)
