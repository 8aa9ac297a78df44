"""Super-resolution networks of others: ONNX files, and what spandrel reads.

They are run in fp32 unless bf16 is asked for: there colours shift a little, and neither what is learned from
them nor how they are seen should depend on the machine.
"""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.cpu_bf16 import no_bf16
from ripfdn_cli.errors import CheckpointError, UnavailableError
from ripfdn_cli.model.checkpoint import suffix_of
from ripfdn_cli.model.tile_grid import SMALLEST_TILE, TileGrid, fixed_grid, whole_grid
from ripfdn_cli.openvino_runtime import native_bf16, openvino

FOREIGN_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
"""Of files that spandrel may read."""
LARGEST_WHOLE = 512 * 512
"""LR pixels up to which a picture goes through a network at once."""
TILE, HALO = 384, 32
"""Inner side and context of the tiles of a larger picture, in LR pixels."""
_PROBE_SIDE = 64
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Tried in turn where a network doesn't say of what its sides must be multiples."""
_LEAST_SIDE = 16
"""Of what a network gets: smaller pictures are padded, as many networks pool."""

_FATAL = 4
"""Of ONNX Runtime's levels of logging."""

Image = NDArray[np.float32]
Run = Callable[[Image], Any]
"""(1, 3, h, w) RGB in 0..1 → (1, 3, s·h, s·w), both float32."""


class ForeignNetwork:
    """`run` on pictures of any size: sides are padded to multiples of `multiple`, or to `side` where a
    network takes no other; larger pictures go through it in tiles. `name` is for messages, `runtime` what
    runs it on `device`.
    """

    def __init__(
        self,
        run: Run,
        *,
        name: str,
        sha256: str,
        scale: int,
        multiple: int = 1,
        side: tuple[int, int] | None,
        runtime: str,
        device: str = "cpu",
    ) -> None:
        self.scale, self.sha256, self.runtime, self.device = scale, sha256, runtime, device
        self._run, self._name, self._multiple, self._side = run, name, multiple, side

    def __call__(self, pixels: Image) -> Image:
        """(h, w, 3) RGB in 0..1 → (s·h, s·w, 3). Raises CheckpointError where that is not what comes out."""
        height, width = pixels.shape[:2]
        s = self.scale
        result = np.empty((height * s, width * s, 3), np.float32)
        for tile in self._grid(height, width):
            rows, columns = tile.rows, tile.columns
            part = self._padded_run(pixels[rows.start : rows.stop, columns.start : columns.stop])
            top, left = s * (rows.keep_start - rows.start), s * (columns.keep_start - columns.start)
            kept = (
                slice(s * rows.keep_start, s * rows.keep_stop),
                slice(s * columns.keep_start, s * columns.keep_stop),
            )
            target = result[kept]
            target[:] = part[top : top + target.shape[0], left : left + target.shape[1]]
        return result

    def _grid(self, height: int, width: int) -> TileGrid:
        if self._side is not None:
            if height <= self._side[0] and width <= self._side[1]:
                return whole_grid(height, width)
            shortest = min(self._side)
            halo = min(HALO, (shortest - SMALLEST_TILE) // 2)
            return fixed_grid(height, width, tile=shortest - 2 * halo, halo=halo)
        if height * width <= LARGEST_WHOLE:
            return whole_grid(height, width)
        return fixed_grid(height, width, tile=TILE, halo=HALO)

    def _padded_run(self, pixels: Image) -> Image:
        height, width = pixels.shape[:2]
        wanted = self._side or (self._side_for(height), self._side_for(width))
        below, right = wanted[0] - height, wanted[1] - width
        padded = np.pad(pixels, ((0, below), (0, right), (0, 0)), "reflect")
        result = np.asarray(self._run(np.ascontiguousarray(padded.transpose(2, 0, 1)[None])))
        expected = (1, 3, self.scale * wanted[0], self.scale * wanted[1])
        if result.shape != expected:
            raise CheckpointError(f"{self._name} made {_shape(result)} of {_shape(padded)}, not {expected}")
        if not np.isfinite(result).all():
            raise CheckpointError(
                f"{self._name} gave values that are not finite for a picture of {width}×{height} px; use "
                "another network"
            )
        image: Image = result[0].transpose(1, 2, 0)[: self.scale * height, : self.scale * width]
        return image

    def _side_for(self, length: int) -> int:
        return _up_to(max(length, _LEAST_SIDE), self._multiple)


def load_foreign(path: Path, *, threads: int | None, device: str) -> ForeignNetwork:
    """The network in `path`, by its suffix. Raises what `load_onnx` and `load_with_spandrel` raise."""
    if is_onnx(path):
        return load_onnx(path, threads)
    return load_with_spandrel(path, device)


def is_onnx(path: Path) -> bool:
    """Whether `path` is named as an ONNX file is."""
    return suffix_of(path) == ".onnx"


def may_be_foreign(path: Path) -> bool:
    """Whether a file that is not RIPFDN's can be tried here."""
    return path.is_file() and (is_onnx(path) or suffix_of(path) in FOREIGN_SUFFIXES)


def load_onnx(path: Path, threads: int | None, precision: str = "fp32") -> ForeignNetwork:
    """The network in the ONNX file `path`, run by OpenVINO where that is installed, else by ONNX Runtime,
    which has no bf16.

    Raises CheckpointError where it can't be read or doesn't take one picture to a larger one,
    UnavailableError without both packages, and for bf16 where it can't be had.
    """
    content = _content(path)
    try:
        runtime = "openvino" if find_spec("openvino") else "onnxruntime"
        make = _openvino_run if runtime == "openvino" else _onnxruntime_run
        shapes, run = make(content, threads, precision)
    except UnavailableError:
        raise
    except Exception as error:
        raise CheckpointError(f"{path} can't be read as ONNX: {_last_line(error)}") from error
    side = _declared_side(path, shapes)
    return _probed(run, path, content, side, runtime)


def load_with_spandrel(path: Path, device: str) -> ForeignNetwork:
    """The network in `path`, run by spandrel on `device`. Raises UnavailableError where spandrel can't be
    imported, CheckpointError for what it can't read or what is not for single pictures.
    """
    try:
        import spandrel
    except Exception as error:
        raise UnavailableError(
            f"{path} is not a RIPFDN network, and spandrel, which reads others, can't be imported "
            f"({_last_line(error)}); pip install 'ripfdn-cli[integrations]'"
        ) from error
    import torch

    content = _content(path)
    try:
        model = spandrel.ModelLoader(device=torch.device(device)).load_from_file(path)
    except Exception as error:
        raise CheckpointError(f"{path} can't be read by spandrel: {_last_line(error)}") from error
    single = isinstance(model, spandrel.ImageModelDescriptor)
    if not single or (model.input_channels, model.output_channels) != (3, 3):
        raise CheckpointError(f"{path} is not a network that takes one RGB picture to another")
    model.eval().float()

    def run(pixels: Image) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(pixels).to(device)).float().cpu().numpy()

    return ForeignNetwork(
        run,
        name=str(path),
        sha256=_sha256(content),
        scale=model.scale,
        side=None,
        runtime="spandrel",
        device=device,
    )


def _probed(
    run: Run, path: Path, content: bytes, side: tuple[int, int] | None, runtime: str
) -> ForeignNetwork:
    """The network with the scale and the multiple of sides that it shows on small pictures. Raises
    CheckpointError.
    """
    failure = ""
    for multiple in _MULTIPLES:
        height, width = side or (_PROBE_SIDE + multiple, 2 * _PROBE_SIDE + multiple)
        ramp = np.linspace(0, 1, 3 * height * width, dtype=np.float32).reshape(1, 3, height, width)
        try:
            result = np.asarray(run(ramp))
        except Exception as error:  # noqa: BLE001 - runtimes raise nearly anything for sides that a network refuses
            failure = f"fails on {width}×{height} px: {_last_line(error)}"
            continue
        scale, rest = divmod(result.shape[-1], width)
        if result.shape == (1, 3, scale * height, scale * width) and not rest and scale:
            if not np.isfinite(result).all():
                raise CheckpointError(f"{path} gives values that are not finite; use another network")
            return ForeignNetwork(
                run,
                name=str(path),
                sha256=_sha256(content),
                scale=scale,
                multiple=multiple,
                side=side,
                runtime=runtime,
            )
        failure = f"turns {_shape(ramp)} into {_shape(result)}"
    raise CheckpointError(f"{path} is not a super-resolution network: it {failure}")


Shapes = tuple[list[tuple[str, list[int | None]]], int]
"""Element type and sides of each input, None for a side that is free, and the number of outputs."""


def _openvino_run(content: bytes, threads: int | None, precision: str) -> tuple[Shapes, Run]:
    ov = openvino()
    if precision == "bf16" and not native_bf16():
        raise no_bf16("teacher_precision")
    core = ov.Core()
    model = core.read_model(content)
    inputs = [
        (
            item.get_element_type().get_type_name(),
            [side.get_length() if side.is_static else None for side in item.get_partial_shape()],
        )
        for item in model.inputs
    ]
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"}
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(model, "CPU", options)
    return (inputs, len(model.outputs)), lambda pixels: compiled(pixels)[0]


def _onnxruntime_run(content: bytes, threads: int | None, precision: str) -> tuple[Shapes, Run]:
    if precision == "bf16":
        raise UnavailableError("`teacher_precision` bf16 needs OpenVINO; pip install openvino, or use fp32")
    try:
        import onnxruntime
    except ImportError as error:
        raise UnavailableError(
            "a network in ONNX needs a runtime that is not installed; pip install openvino, or onnxruntime"
        ) from error
    onnxruntime.disable_telemetry_events()  # on Windows it reports to its makers otherwise
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = _FATAL  # what fails is told by the caller
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = [
        (
            {"tensor(float)": "f32"}.get(item.type, item.type),
            [side if isinstance(side, int) else None for side in item.shape],
        )
        for item in session.get_inputs()
    ]
    name = inputs and session.get_inputs()[0].name
    return (inputs, len(session.get_outputs())), lambda pixels: session.run(None, {name: pixels})[0]


def _declared_side(path: Path, shapes: Shapes) -> tuple[int, int] | None:
    """Height and width where the file declares the only ones that it takes. Raises CheckpointError for inputs
    and outputs of another kind than one picture.
    """
    inputs, outputs = shapes
    if len(inputs) != 1 or outputs != 1:
        raise CheckpointError(
            f"{path} has {len(inputs)} inputs and {outputs} outputs; "
            "it must have one picture as its input and one as its output"
        )
    kind, sides = inputs[0]
    if kind != "f32" or len(sides) != 4 or sides[0] not in (None, 1) or sides[1] not in (None, 3):
        raise CheckpointError(
            f"{path} takes {kind} {_declared(sides)}; float32 (1, 3, height, width) is needed"
        )
    height, width = sides[2:]
    if height is None and width is None:
        return None
    if height is None or width is None:
        raise CheckpointError(f"{path} takes {_declared(sides)}; fix both sides, or neither")
    if min(height, width) < SMALLEST_TILE:
        raise CheckpointError(f"{path} takes {_declared(sides)}, which is too small for tiles")
    return height, width


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"can't read {path}: {error.strerror or error}") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _up_to(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _shape(array: NDArray[Any]) -> str:
    return "×".join(map(str, array.shape))


def _declared(sides: list[int | None]) -> str:
    return "×".join("?" if side is None else str(side) for side in sides)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
