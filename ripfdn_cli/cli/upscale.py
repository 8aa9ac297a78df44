"""`ripfdn upscale`: pictures in, larger pictures out."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.sizes import MemorySize


class TileSize(click.ParamType["int | str | None"]):
    """auto, none, or the inner side of a tile in px."""

    name = "auto|none|N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str | None:
        if value == "auto" or isinstance(value, int):
            return value
        if value == "none":
            return None
        if not str(value).isdecimal():
            self.fail(f"{value!r} is not auto, none or a number of pixels", param, ctx)
        return int(str(value))


@click.command()
@click.argument("input", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists already.")
@click.option(
    "--weights", default="x4", show_default=True, help="A name from 'ripfdn weights list', or a file."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--engine", default="auto", show_default=True, help="auto, openvino or torch.")
@click.option("--precision", default="auto", show_default=True, help="auto, fp32, bf16 or fp16.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of the network; all cores by default.")
@click.option(
    "--tile", type=TileSize(), default="auto", show_default=True, help="Inner side of a tile in px."
)
@click.option("--halo", type=click.IntRange(0), help="Context around a tile in px.  [default: 48]")
@click.option("--exact", is_flag=True, help="Tiles equal the whole picture to rounding: --halo 96.")
@click.option(
    "--memory", type=MemorySize(), default="2G", show_default=True, help="What a tile may take in the engine."
)
@console_options
def upscale(
    console: Console,
    *,
    input: Path,
    output: Path,
    overwrite: bool,
    weights: str,
    device: str,
    engine: str,
    precision: str,
    threads: int | None,
    tile: int | str | None,
    halo: int | None,
    exact: bool,
    memory: int,
) -> None:
    """Upscale the picture INPUT into the file OUTPUT, whose suffix names its format."""
    from ripfdn_cli.atomic_file import write_bytes
    from ripfdn_cli.errors import OutputError, UsageError
    from ripfdn_cli.image_files import Encoding, encode, read_rgb
    from ripfdn_cli.image_formats import format_of
    from ripfdn_cli.picture import Picture
    from ripfdn_cli.tile_grid import DEFAULT_HALO, EXACT_HALO
    from ripfdn_cli.upscaler import Upscaler

    if exact and halo is not None:
        raise UsageError("--exact sets the halo; give it or --halo, not both")
    file_format = format_of(output)
    if file_format is None:
        raise UsageError(f"{output}: {output.suffix or 'no suffix'} names no picture format")
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists already; choose another name, or pass --overwrite")
    started = time.perf_counter()
    pixels = read_rgb(input)
    upscaler = Upscaler.load(
        weights,
        device=device,
        engine=engine,
        precision=precision,
        threads=threads,
        tile=tile,
        halo=EXACT_HALO if exact else DEFAULT_HALO if halo is None else halo,
        memory=memory,
    )
    with console.progress(total=None, unit="tile") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = upscaler.upscale(pixels, progress=show)
    write_bytes(
        output,
        encode(Picture((result,), file_format), Encoding(file_format), str(output)),
        overwrite=overwrite,
    )
    console.record(
        {
            "input": str(input),
            "output": str(output),
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "output_width": result.shape[1],
            "output_height": result.shape[0],
            "seconds": round(time.perf_counter() - started, 3),
            "tiles": len(upscaler.grid(*pixels.shape[:2])),
            "engine": upscaler.engine_name,
            "device": upscaler.device,
            "precision": upscaler.precision,
            "weights": upscaler.checkpoint_sha256,
        }
    )
