"""ncnn: for programs that run on any GPU by Vulkan, as Real-ESRGAN's, Upscayl and video2x.

pnnx converts what torch has traced. Those programs know one pair of names: `data` in, `output` out.
"""

import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ripfdn_cli.errors import InternalError, UnavailableError
from ripfdn_cli.exporting.export_target import Files, Form, Metadata, Runner, Target
from ripfdn_cli.exporting.whole_image import WholeImage, traced_at
from ripfdn_cli.model.checkpoint import Checkpoint

PARAM, WEIGHTS = ".param", ".bin"
INPUT_BLOB, OUTPUT_BLOB = "data", "output"
"""As Real-ESRGAN's programs, and those made of them, call them."""
_MADE_INPUT, _MADE_OUTPUT = "in0", "out0"
_SHAPES = ((48, 40), (60, 72))
"""(H, W) of two inputs, from which pnnx sees that both sides are free."""
_SIZE_EXPRESSION = ' 9="1w,1h"'
"""Tells new versions of ncnn that an interpolation goes to the size of its second input. The flag 5=1 says so
to all versions, and old ones can't read the expression.
"""


def build(checkpoint: Checkpoint, form: Form, metadata: Metadata) -> Files:
    """The graph as text, and its weights. Neither has a place for `metadata`."""
    shapes = _SHAPES if form.tile is None else (form.tile,)
    script = traced_at(WholeImage.of(checkpoint, form, half=False), shapes[0])
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, and what pnnx reads
            torch.jit.save(script, folder / "network.pt")
        names = ("inputshape", "inputshape2")
        inputs = [f"{name}=[1,3,{h},{w}]f32" for name, (h, w) in zip(names, shapes, strict=False)]
        _convert(folder, inputs, half=form.half)
        param = (folder / "network.ncnn.param").read_text("ascii")
        weights = (folder / "network.ncnn.bin").read_bytes()
    return {PARAM: _renamed(param).encode(), WEIGHTS: weights}


def _convert(folder: Path, inputs: list[str], *, half: bool) -> None:
    try:
        from pnnx import EXEC_PATH
    except ImportError as error:
        raise UnavailableError(
            "ncnn files are made by pnnx, which is not installed; pip install 'ripfdn-cli[ncnn]'"
        ) from error
    command = [EXEC_PATH, "network.pt", *inputs, f"fp16={int(half)}"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if result.returncode or not (folder / "network.ncnn.bin").is_file():
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise InternalError(f"pnnx can't convert the network: {lines[-1] if lines else result.returncode}")


def _renamed(param: str) -> str:
    """The graph with the names of input and output that programs look for."""
    lines = []
    for line in param.replace(_SIZE_EXPRESSION, "").splitlines():
        words = line.split(" ")
        lines.append(" ".join({_MADE_INPUT: INPUT_BLOB, _MADE_OUTPUT: OUTPUT_BLOB}.get(w, w) for w in words))
    return "\n".join(lines) + "\n"


def load(files: Files) -> Runner:
    """The files in ncnn on the CPU, in fp32, as a function of an array (N, 3, H, W)."""
    try:
        import ncnn
    except ImportError as error:
        raise UnavailableError(
            "checking ncnn files needs ncnn, which is not installed; pip install 'ripfdn-cli[ncnn]'"
        ) from error
    net = ncnn.Net()
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    with tempfile.TemporaryDirectory() as name:
        for suffix, content in files.items():
            (Path(name) / f"network{suffix}").write_bytes(content)
        paths = [str(Path(name) / f"network{suffix}") for suffix in (PARAM, WEIGHTS)]
        if net.load_param(paths[0]) or net.load_model(paths[1]):
            raise InternalError("ncnn can't read the exported files")

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([_one(ncnn, net, picture) for picture in x])

    return run


def _one(ncnn: Any, net: Any, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """One picture (3, H, W): ncnn has no batches."""
    extractor = net.create_extractor()
    extractor.input(INPUT_BLOB, ncnn.Mat(np.ascontiguousarray(picture)).clone())
    status, result = extractor.extract(OUTPUT_BLOB)
    if status:
        raise InternalError(f"ncnn can't run the exported files (status {status})")
    return np.array(result, np.float32)


NCNN = Target((PARAM, WEIGHTS), build, load)
