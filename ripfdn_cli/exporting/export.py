"""From weights to files for other programs: convert, compare with the network, and only then write."""

import json
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ripfdn_cli import __version__
from ripfdn_cli.engines.torch_engine import TorchEngine
from ripfdn_cli.errors import UsageError
from ripfdn_cli.exporting.agreement import Agreement, check_agreement
from ripfdn_cli.exporting.export_target import DEFAULT_OPSET, Form, Metadata
from ripfdn_cli.exporting.ncnn_target import NCNN
from ripfdn_cli.exporting.onnx_target import ONNX
from ripfdn_cli.exporting.openvino_target import OPENVINO
from ripfdn_cli.exporting.torchscript_target import TORCHSCRIPT
from ripfdn_cli.files.atomic_file import check_writable, replacing
from ripfdn_cli.model.architecture import SMALLEST_SIDE
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.weights_store import load_weights

log = logging.getLogger(__name__)

TARGETS = {"onnx": ONNX, "ncnn": NCNN, "openvino": OPENVINO, "torchscript": TORCHSCRIPT}


@dataclass(frozen=True)
class Exported:
    """What an export wrote: `files`, `output` first, and how well they agree with the network. `opset`: of
    ONNX, None for other targets.
    """

    output: Path
    files: tuple[Path, ...]
    target: str
    scale: int
    opset: int | None
    agreement: Agreement


def export_named(
    weights: str | Checkpoint,
    output: Path | None,
    *,
    target: str | None = None,
    tile: tuple[int, int] | None = None,
    half: bool = False,
    opset: int | None = None,
    overwrite: bool = False,
) -> Exported:
    """`export` of `weights`, a name, a file or a checkpoint; `target` is None for what the suffix of `output`
    says, and without an `output` the file is named after the weights. Raises what `export` raises.
    """
    if target is None and output is None:
        raise UsageError("no target given; pass `target` (onnx, openvino, torchscript or ncnn) or `output`")
    target = target or target_of(output or Path())
    if target not in TARGETS:
        raise UsageError(f"`target` {target} is not one of {', '.join(TARGETS)}")
    if opset is not None and target != "onnx":
        raise UsageError(f"`opset` {opset} is for ONNX only, not for {target}")
    form = Form(tile=tile, half=half, opset=DEFAULT_OPSET if opset is None else opset)
    checkpoint = load_weights(weights)
    path = output or Path(_default_stem(checkpoint, form) + TARGETS[target].suffixes[0])
    agreement = export(checkpoint, target, path, form=form, overwrite=overwrite)
    return Exported(
        output=path,
        files=tuple(files_of(target, path)),
        target=target,
        scale=checkpoint.config.scale,
        opset=form.opset if target == "onnx" else None,
        agreement=agreement,
    )


def _default_stem(checkpoint: Checkpoint, form: Form) -> str:
    """x4, x4_256x256, x4_fp16."""
    tile = [] if form.tile is None else [f"{form.tile[0]}x{form.tile[1]}"]
    return "_".join([checkpoint.name, *tile, *(["fp16"] if form.half else [])])


def target_of(path: Path) -> str:
    """The target whose files have the suffix of `path`. Raises UsageError."""
    for name, target in TARGETS.items():
        if path.suffix == target.suffixes[0]:
            return name
    known = ", ".join(f"{target.suffixes[0]} ({name})" for name, target in TARGETS.items())
    raise UsageError(f"{path} does not end in the suffix of an exported network; use one of {known}")


def files_of(target: str, output: Path) -> list[Path]:
    """The files that an export to `output` writes, `output` first. Raises UsageError where its suffix is
    another's.
    """
    suffixes = TARGETS[target].suffixes
    if output.suffix != suffixes[0]:
        raise UsageError(f"{output} does not end in {suffixes[0]}, which is the suffix of {target}")
    return [output.with_suffix(suffix) for suffix in suffixes]


def export(
    checkpoint: Checkpoint, target: str, output: Path, *, form: Form | None = None, overwrite: bool = False
) -> Agreement:
    """Write `checkpoint`'s network to `output`, and what belongs to it beside it, for programs that read
    `target`. How well it agrees with the network itself.

    The file has one input (N, 3, H, W) float32 RGB in [0, 1] and one output (N, 3, scale·H, scale·W) float32,
    not clamped, and takes every input for a whole image. Raises UsageError, UnavailableError,
    CheckpointError, OutputError, OutOfMemoryError, and InternalError where the result is not the network;
    nothing is written then.
    """
    form = form or Form()
    paths = files_of(target, output)
    _check_others(target, output)
    for path in paths:
        check_writable(path, overwrite=overwrite, in_new_folder=False)
    log.info("converting ×%d weights to %s", checkpoint.config.scale, target)
    files = TARGETS[target].build(checkpoint, form, metadata_of(checkpoint))
    log.info("comparing the result with the network")
    run = TARGETS[target].load(files)
    agreement = check_agreement(run, TorchEngine(checkpoint, device="cpu", precision="fp32"), form)
    _write(dict(zip(paths, files.values(), strict=True)), overwrite)
    return agreement


def _check_others(target: str, output: Path) -> None:
    """Raises UsageError where a file beside `output` would be replaced that belongs to another target's."""
    beside = set(TARGETS[target].suffixes[1:])
    for name, other in TARGETS.items():
        shared = beside & set(other.suffixes[1:])
        if name != target and shared and (theirs := output.with_suffix(other.suffixes[0])).exists():
            raise UsageError(
                f"{output.with_suffix(shared.pop())} is of {theirs} ({name}), which could not be loaded "
                "without it; choose another `output`"
            )


def metadata_of(checkpoint: Checkpoint) -> Metadata:
    """What the files say of themselves."""
    provenance = checkpoint.provenance
    return {
        "made_by": f"ripfdn {__version__}",
        "network": "RIPFDN (team AVC2_CMHI_SR, NTIRE 2023 efficient super-resolution challenge)",
        "scale": str(checkpoint.config.scale),
        "smallest_side": str(SMALLEST_SIDE),
        "config": json.dumps(checkpoint.config.as_dict(), sort_keys=True),
        "licence": str(provenance.get("licence", "not stated in the weights")),
        "provenance": json.dumps(provenance, sort_keys=True),
        "weights_sha256": checkpoint.sha256,
    }


def _write(contents: dict[Path, bytes], overwrite: bool) -> None:
    """Publish all files when all are on the disk; the first, which programs open, last."""
    with ExitStack() as stack:
        streams = [stack.enter_context(replacing(path, overwrite=overwrite)) for path in contents]
        for stream, content in zip(streams, contents.values(), strict=True):
            stream.write(content)
            stream.flush()
