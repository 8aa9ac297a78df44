"""RIPFDN as an OpenVINO graph: converted from `network.py`, and given pixels for its inputs and outputs."""

import tempfile
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from ripfdn_cli.engines.engine import LEVELS
from ripfdn_cli.engines.graph_rewrites import (
    long_skip,
    reorder_outputs,
    rewrite,
    round_weights,
    scale_input,
    skip_from_pixels,
)
from ripfdn_cli.engines.padded_channels import padded
from ripfdn_cli.errors import DiskFullError
from ripfdn_cli.model.architecture import SMALLEST_SIDE, attention_geometry
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.openvino_runtime import convert_model, openvino

if TYPE_CHECKING:
    from ripfdn_cli.model.network import RIPFDN

_NHWC, _NCHW = [0, 2, 3, 1], [0, 3, 1, 2]
_SHAPES = {"x": [-1, 3, -1, -1], "rows": [-1, -1], "columns": [-1, -1]}
"""Of the converted network's inputs, in order; −1 is any."""


def converted_graph(checkpoint: Checkpoint, *, rewritten: bool) -> Any:
    """The network before its pixel shuffle as a model of any tile size: x (N, 3, h, w), rows (h, n_h) and
    columns (w, n_w), float32, to (N, 3·s², h, w). `rewritten` for speed, see graph_rewrites.py.

    Imports torch, and takes seconds. Raises CheckpointError where the weights don't fit their config.
    """
    from ripfdn_cli.model.network import build_network

    model = _convert(build_network(checkpoint))
    if rewritten:
        rewrite(model)
    return model


def _convert(network: "RIPFDN") -> Any:
    import torch

    network.forward = network.sub_pixels  # type: ignore[method-assign,assignment] # our own instance
    geometry = attention_geometry(height=SMALLEST_SIDE, width=SMALLEST_SIDE)
    example = (
        torch.zeros(1, 3, SMALLEST_SIDE, SMALLEST_SIDE),
        torch.tensor(geometry.rows),
        torch.tensor(geometry.columns),
    )
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and the way in for OpenVINO
        # Left to itself, OpenVINO runs the network six times to trace it.
        traced = torch.jit.trace(network, example, check_trace=False)
        model = convert_model(traced, input=[openvino().PartialShape(shape) for shape in _SHAPES.values()])
    for parameter, name in zip(model.get_parameters(), _SHAPES, strict=True):
        parameter.set_friendly_name(name)
    return model


def with_pixels(model: Any, *, dtype: np.dtype[Any], scale: int) -> Any:
    """`model` from `converted_graph` between pixels: (N, h, w, 3) of `dtype` in, (N, s·h, s·w, 3) of `dtype`
    and the sum of all results out.

    A NaN or an infinity anywhere makes the sum one too. Integers are clamped and rounded half to even. The
    conversions come before the pixel shuffle, which then moves a quarter of the bytes. Integers are brought
    to 0..1 by the weights that read them: OpenVINO would fuse a division into those, and forget that they
    keep their precision. Transposed before they are converted, 16-bit integers would become bf16.
    """
    ops = openvino().opset13
    inputs = {parameter.get_friendly_name(): parameter for parameter in model.get_parameters()}
    pixels = ops.parameter([-1, -1, -1, 3], dtype.type, name="pixels")
    reorder_outputs(model, np.arange(3 * scale**2).reshape(3, scale, scale).transpose(1, 2, 0).ravel())
    scale_input(inputs["x"], 1 / LEVELS.get(dtype, 1))
    _feed(inputs["x"], ops.transpose(ops.convert(pixels, "f32"), _NCHW))
    result = model.get_results()[0].input(0).get_source_output()
    total = ops.reduce_sum(result, ops.constant(np.arange(4)), keep_dims=False)
    shuffled = _pixel_shuffle(ops.transpose(_to_levels(result, dtype), _NHWC), pixels, scale)
    outputs = [ops.result(shuffled), ops.result(total)]
    return openvino().Model(outputs, [pixels, inputs["rows"], inputs["columns"]], "ripfdn")


def _feed(parameter: Any, source: Any) -> None:
    for reader in parameter.output(0).get_target_inputs():
        reader.replace_source_output(source.output(0))


def _to_levels(result: Any, dtype: np.dtype[Any]) -> Any:
    if dtype not in LEVELS:
        return result
    ops = openvino().opset13
    levels = ops.multiply(ops.clamp(result, 0.0, 1.0), np.float32(LEVELS[dtype]))
    return ops.convert(ops.round(levels, "half_to_even"), dtype.type)


def _pixel_shuffle(sub_pixels: Any, pixels: Any, scale: int) -> Any:
    """(N, h, w, s·s·3) → (N, s·h, s·w, 3): the channels are rows of the s×s results of a pixel, in which the
    pixels of a row lie beside each other, so that whole rows move; `pixels` has N, h and w.
    """
    ops = openvino().opset13
    shape = ops.shape_of(pixels)
    count, height, width = (ops.gather(shape, np.array([axis]), np.int64(0)) for axis in range(3))
    rows = ops.concat([count, height, width, np.array([scale, 3 * scale])], axis=0)
    moved = ops.transpose(ops.reshape(sub_pixels, rows, False), [0, 1, 3, 2, 4])
    sides = [ops.multiply(side, np.array([scale])) for side in (height, width)]
    return ops.reshape(moved, ops.concat([count, *sides, np.array([3])], axis=0), False)


def network_bytes(checkpoint: Checkpoint, *, rewritten: bool, precision: str, amx: bool) -> bytes:
    """`converted_graph` as `from_bytes` reads it, made for `precision`, fp32 or bf16.

    In bf16 weights are rounded so that the colours of even areas keep their mean, and channels padded to what
    `amx` takes, where the processor has that; see also `with_exact_skip`.
    """
    if precision != "bf16" or not rewritten:
        return to_bytes(converted_graph(checkpoint, rewritten=rewritten))
    model = converted_graph(padded(checkpoint) if amx else checkpoint, rewritten=True)
    round_weights(model, but=long_skip(model))
    return to_bytes(model)


def with_exact_skip(model: Any, dtype: np.dtype[Any]) -> Any:
    """`model` from `with_pixels` of `dtype` for bf16, with what carries the picture past the blocks as exact
    as in fp32: a mantissa of eight bits is a whole level of 255.
    """
    precise = skip_from_pixels(model) if dtype == np.uint8 else long_skip(model)
    return from_bytes(to_bytes(model, precise=precise))


def to_bytes(model: Any, *, precise: Collection[str] = ()) -> bytes:
    """`model` in OpenVINO's own format, topology and weights in one piece; operations named in `precise` stay
    in fp32 at any precision. Raises DiskFullError where the folder for temporary files has no room for it.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.xml"
            openvino().save_model(model, path, compress_to_fp16=False)
            topology, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    except (OSError, RuntimeError) as error:  # OpenVINO raises the latter, and names no file
        reason = " ".join(str(error).split())
        raise DiskFullError(
            f"can't write the network to the folder for temporary files ({reason}); free 10 MB there, or set "
            "TMPDIR to another folder"
        ) from error
    topology = _with_precise(topology, precise) if precise else topology
    return len(topology).to_bytes(8, "little") + topology + weights


def _with_precise(topology: bytes, names: Collection[str]) -> bytes:
    """`topology` with OpenVINO's own mark for operations that keep their precision, which its Python can't
    set.
    """
    root = ElementTree.fromstring(topology)
    for layer in root.iter("layer"):
        if layer.get("name") in names:
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(0, info)
            mark = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16"}
            ElementTree.SubElement(info, "attribute", mark)
    marked: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return marked


def from_bytes(content: bytes) -> Any:
    """The model that `to_bytes` wrote."""
    ov = openvino()
    end = 8 + int.from_bytes(content[:8], "little")
    weights = np.frombuffer(content, np.uint8, offset=end).copy()
    return ov.Core().read_model(content[8:end], ov.Tensor(weights))
