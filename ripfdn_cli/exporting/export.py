"""From weights to files for other programs: convert, compare with the network, and only then write."""

import errno
import json
import logging
from contextlib import ExitStack
from pathlib import Path

from ripfdn_cli import __version__
from ripfdn_cli.engines.torch_engine import TorchEngine
from ripfdn_cli.errors import UsageError
from ripfdn_cli.exporting.agreement import Agreement, check_agreement
from ripfdn_cli.exporting.export_target import Form, Metadata
from ripfdn_cli.exporting.onnx_target import ONNX
from ripfdn_cli.exporting.openvino_target import OPENVINO
from ripfdn_cli.exporting.torchscript_target import TORCHSCRIPT
from ripfdn_cli.files.atomic_file import output_error, replacing
from ripfdn_cli.model.architecture import SMALLEST_SIDE
from ripfdn_cli.model.checkpoint import Checkpoint

log = logging.getLogger(__name__)

TARGETS = {"onnx": ONNX, "openvino": OPENVINO, "torchscript": TORCHSCRIPT}


def target_of(path: Path) -> str:
    """The target whose files have the suffix of `path`. Raises UsageError."""
    for name, target in TARGETS.items():
        if path.suffix == target.suffixes[0]:
            return name
    known = ", ".join(f"{target.suffixes[0]} ({name})" for name, target in TARGETS.items())
    raise UsageError(f"{path} has no suffix of an exported network; give one of {known}")


def files_of(target: str, output: Path) -> list[Path]:
    """The files that an export to `output` writes, `output` first. Raises UsageError where its suffix is
    another's.
    """
    suffixes = TARGETS[target].suffixes
    if output.suffix != suffixes[0]:
        raise UsageError(f"{output} does not end in {suffixes[0]}, which --to {target} writes")
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
    _check_writable(paths, overwrite)
    log.info("converting ×%d weights to %s", checkpoint.config.scale, target)
    files = TARGETS[target].build(checkpoint, form, metadata_of(checkpoint))
    log.info("comparing the result with the network")
    run = TARGETS[target].load(files)
    agreement = check_agreement(run, TorchEngine(checkpoint, device="cpu", precision="fp32"), form)
    _write(dict(zip(paths, files.values(), strict=True)), overwrite)
    return agreement


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


def _check_writable(paths: list[Path], overwrite: bool) -> None:
    """What can be known before the work."""
    for path in paths:
        if not path.parent.is_dir():
            raise output_error(path, FileNotFoundError(errno.ENOENT, "no such folder"))
        if path.exists() and not overwrite:
            raise output_error(path, FileExistsError())


def _write(contents: dict[Path, bytes], overwrite: bool) -> None:
    """Publish all files when all are on the disk; the first, which programs open, last."""
    with ExitStack() as stack:
        streams = [stack.enter_context(replacing(path, overwrite=overwrite)) for path in contents]
        for stream, content in zip(streams, contents.values(), strict=True):
            stream.write(content)
            stream.flush()
