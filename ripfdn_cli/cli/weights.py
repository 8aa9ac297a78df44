"""`ripfdn weights`: list, inspect, fetch, import and export checkpoints."""

import io
from pathlib import Path
from typing import Any

import click

from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.errors import CheckpointError, SomeItemsFailedError

OUTPUT = click.Path(path_type=Path, dir_okay=False)


@click.group()
def weights() -> None:
    """List, inspect, fetch, import and export weights.

    Wherever ripfdn takes --weights, give a name from 'ripfdn weights list' or the path of a file.
    """


@weights.command("list")
@console_options
def list_(console: Console) -> None:
    """List the weights that can be named: those that came with ripfdn and your own."""
    from ripfdn_cli.model.checkpoint import Checkpoint
    from ripfdn_cli.model.weights_store import list_weights

    found = list_weights()
    width = max(map(len, found), default=0)
    damaged = []
    for name, path in found.items():
        try:
            checkpoint = Checkpoint.load(path)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        config = checkpoint.config
        console.record(
            {"name": name, "scale": config.scale, "parameters": checkpoint.parameters, "path": str(path)}
        )
        console.text(f"{name:{width}}  ×{config.scale}  {checkpoint.parameters:,} parameters  {path}")
    if damaged:
        raise SomeItemsFailedError("; ".join(damaged))


@weights.command()
@click.argument("name")
@console_options
def info(console: Console, name: str) -> None:
    """Show config, provenance and hash of NAME, a name or a file, after checking that it is whole."""
    from ripfdn_cli.model.network import build_network
    from ripfdn_cli.model.weights_store import load_weights, weights_path

    checkpoint = load_weights(name)
    build_network(checkpoint)
    values = {
        "path": str(weights_path(name)),
        "sha256": checkpoint.sha256,
        "parameters": checkpoint.parameters,
        "config": checkpoint.config.as_dict(),
        "provenance": checkpoint.provenance,
    }
    console.record(values)
    for line in _lines(values):
        console.text(line)


@weights.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("output", type=OUTPUT)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT where it exists.")
@console_options
def import_(console: Console, source: Path, output: Path, overwrite: bool) -> None:
    """Convert SOURCE, weights under the authors' names (.pth, .safetensors), to OUTPUT in ripfdn's format."""
    from ripfdn_cli.files.atomic_file import write_bytes
    from ripfdn_cli.model.released_checkpoint import import_released

    checkpoint = import_released(source, {"imported_from": source.name})
    write_bytes(output, checkpoint.to_bytes(), overwrite=overwrite)
    _tell_written(console, output, checkpoint.config.scale)


@weights.command()
@click.argument("name")
@click.argument("output", type=OUTPUT)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT where it exists.")
@console_options
def export(console: Console, name: str, output: Path, overwrite: bool) -> None:
    """Write NAME under the authors' names to OUTPUT (.pth or .safetensors), for tools made for their code."""
    from ripfdn_cli.files.atomic_file import write_bytes
    from ripfdn_cli.model.released_checkpoint import export_released
    from ripfdn_cli.model.weights_store import load_weights

    if output.suffix not in (".pth", ".safetensors"):
        raise click.UsageError(f"{output} ends in neither .pth nor .safetensors; give one of them")
    checkpoint = load_weights(name)
    content = _serialised(export_released(checkpoint), output.suffix)
    write_bytes(output, content, overwrite=overwrite)
    _tell_written(console, output, checkpoint.config.scale)


@weights.command()
@click.argument("name", type=click.Choice(["released"]))
@click.option("--url", help="A mirror to fetch from; what comes is checked against the same SHA-256.")
@console_options
def fetch(console: Console, name: str, url: str | None) -> None:
    """Download the checkpoint that RIPFDN's authors released, and install it under the name 'released'."""
    from ripfdn_cli.model.weights_store import RELEASED_LICENCE, fetch_released

    path, scale = fetch_released(url)
    console.text(f"licence of these weights: {RELEASED_LICENCE}")
    _tell_written(console, path, scale)


def _tell_written(console: Console, path: Path, scale: int) -> None:
    console.record({"output": str(path), "scale": scale})
    console.text(f"wrote {path} (×{scale})")


def _serialised(tensors: dict[str, Any], suffix: str) -> bytes:
    if suffix == ".safetensors":
        from safetensors.torch import save

        return save(tensors)
    import torch

    buffer = io.BytesIO()
    torch.save({"params": tensors}, buffer)
    return buffer.getvalue()


def _lines(values: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines
