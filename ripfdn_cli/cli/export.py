"""`ripfdn export`: the network for other programs."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ripfdn_cli.cli.console import Console, console_options


class TileShape(click.ParamType["tuple[int, int]"]):
    """HEIGHTxWIDTH in px, or one number for both."""

    name = "HxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        match = re.fullmatch(r"(\d{1,6})(?:[x×](\d{1,6}))?", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no tile; write height and width in px, as 256x256", param, ctx)
        height = int(match[1])
        return height, int(match[2] or height)


@click.command()
@click.option(
    "--weights", default="x4", show_default=True, help="A name from 'ripfdn weights list', or a file."
)
@click.option(
    "--to",
    type=click.Choice(["onnx", "openvino", "torchscript"]),
    help="What to write.  [default: what the suffix of -o says]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file: .onnx, .xml (with a .bin beside it) or .pt.  [default: named after the weights]",
)
@click.option(
    "--tile", type=TileShape(), help="The one size the network will take.  [default: any from 15 px]"
)
@click.option("--opset", type=click.IntRange(1), help="Version of ONNX's operators.  [default: 17]")
@click.option("--half", is_flag=True, help="Weights in fp16; input and output stay float32.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist already.")
@console_options
def export(
    console: Console,
    *,
    weights: str,
    to: str | None,
    output: Path | None,
    tile: tuple[int, int] | None,
    opset: int | None,
    half: bool,
    overwrite: bool,
) -> None:
    """Write the network as ONNX, OpenVINO or TorchScript for use in other programs.

    One input (N, 3, H, W) float32 RGB in 0..1, one output 2, 3 or 4 times the size. What is written has been
    run and compared with the network first.
    """
    from ripfdn_cli.errors import UsageError
    from ripfdn_cli.exporting.export import TARGETS, files_of, target_of
    from ripfdn_cli.exporting.export import export as export_network
    from ripfdn_cli.exporting.export_target import DEFAULT_OPSET, Form
    from ripfdn_cli.model.weights_store import load_weights

    if to is None and output is None:
        raise UsageError("say what to export: --to onnx, openvino or torchscript, or a file with -o")
    target = to or target_of(output or Path())
    if opset is not None and target != "onnx":
        raise UsageError(f"--opset {opset} is for ONNX only, not for {target}")
    form = Form(tile=tile, half=half, opset=opset or DEFAULT_OPSET)
    path = output or Path(_default_stem(weights, tile, half=half) + TARGETS[target].suffixes[0])
    checkpoint = load_weights(weights)
    agreement = export_network(checkpoint, target, path, form=form, overwrite=overwrite)
    console.record(
        {
            "output": str(path),
            "files": [str(file) for file in files_of(target, path)],
            "target": target,
            "scale": checkpoint.config.scale,
            "tile": tile,
            "half": half,
            "opset": form.opset if target == "onnx" else None,
            "largest_difference": agreement.difference,
            "psnr_difference": agreement.psnr_difference,
        }
    )
    console.text(
        f"wrote {path} (×{checkpoint.config.scale}; from the network's own result it differs by at most "
        f"{agreement.difference:.1g} of its range, {agreement.psnr_difference:.4f} dB)"
    )


def _default_stem(weights: str, tile: tuple[int, int] | None, *, half: bool) -> str:
    """x4, x4_256x256, x4_fp16."""
    parts = [Path(weights).stem]
    if tile is not None:
        parts.append(f"{tile[0]}x{tile[1]}")
    if half:
        parts.append("fp16")
    return "_".join(parts)
