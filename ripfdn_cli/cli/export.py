"""`ripfdn export`: the network for other programs."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import click

from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, NETWORK, Command, titled
from ripfdn_cli.cli.network_options import WEIGHTS
from ripfdn_cli.cli.places import PATH
from ripfdn_cli.cli.sizes import Amount, Count

log = logging.getLogger(__name__)


class TileShape(Amount["tuple[int, int]"]):
    """HEIGHTxWIDTH in px, or one number for both."""

    name = "HxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """(height, width) in px. Fails for anything else."""
        match = re.fullmatch(r"(\d{1,6})(?:[x×](\d{1,6}))?", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a tile; write its height and width in px, as 256x256", param, ctx)
        height = int(match[1])
        return height, int(match[2] or height)


_EXAMPLES = (
    ("ripfdn export -o ripfdn_x4.onnx", "for ONNX Runtime and other programs that read ONNX"),
    ("ripfdn export -w x2 --to openvino --half", "x2_fp16.xml and .bin"),
    ("ripfdn export --to ncnn -o models/ripfdn-x4.param", "for Upscayl and video2x"),
    ("ripfdn export --to onnx --tile 256x256 --opset 16", "for one input size, and for older programs"),
)


@click.command(cls=Command, examples=_EXAMPLES)
@titled(
    INPUT_AND_OUTPUT,
    WEIGHTS,
    click.option(
        "-o",
        "--output",
        type=PATH,
        help="The file: .onnx, .xml or .param (and .bin beside it), .pt.  [default: named after the weights]",
    ),
    click.option("--overwrite", is_flag=True, help="Replace existing files."),
)
@titled(
    NETWORK,
    click.option(
        "--to",
        "target",
        type=click.Choice(["onnx", "openvino", "torchscript", "ncnn"]),
        help="Format to write.  [default: by the suffix of -o]",
    ),
    click.option(
        "--tile",
        type=TileShape(),
        help="The only input size that the network will accept.  [default: any from 15 px]",
    ),
    click.option("--opset", type=Count(1), help="Version of ONNX's operator set.  [default: 17]"),
    click.option("--half", is_flag=True, help="Weights in fp16; input and output stay float32."),
)
@console_options
def export(
    console: Console,
    *,
    weights: str,
    target: str | None,
    output: Path | None,
    tile: tuple[int, int] | None,
    opset: int | None,
    half: bool,
    overwrite: bool,
) -> None:
    """Write the network as ONNX, OpenVINO, TorchScript or ncnn for use in other programs.

    There is one input, (N, 3, H, W) float32 RGB in 0..1, and one output of 2, 3 or 4 times its size. Before a
    file is saved, it is run and compared with the network.
    """
    from ripfdn_cli import api

    exported = api.export(
        weights, output, target=target, tile=tile, half=half, opset=opset, overwrite=overwrite
    )
    difference, psnr_difference = exported.agreement.difference, exported.agreement.psnr_difference
    console.record(
        {
            "output": str(exported.output),
            "files": [str(file) for file in exported.files],
            "target": exported.target,
            "scale": exported.scale,
            "tile": tile,
            "half": half,
            "opset": exported.opset,
            "largest_difference": difference,
            "psnr_difference": psnr_difference,
        }
    )
    log.info(
        "wrote %s (×%d; it differs from the network's own result by at most %.1g of its range, %.4f dB)",
        exported.output,
        exported.scale,
        difference,
        psnr_difference,
    )
